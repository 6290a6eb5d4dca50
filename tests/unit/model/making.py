"""Small models and histories for the tests: real code paths, random weights, no training."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from model.artifact import Artifact, DataRange, Manifest, TrainMetrics, pack_weights, save_artifact
from model.features import FEATURES, STEP_FEATURES
from model.history import History
from model.lstm import LstmForecaster, golden_of
from model.network import Network, NetworkShape

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
HORIZON = 6
HOUR_MS = 3_600_000
MONDAY_MS = 1_735_516_800_000

UNMEASURED = TrainMetrics(mse=None, mae=None, mase=None, wql=None, coverage=None, points=0)


def make_artifact(directory: Path = Path("somewhere"), seed: int = 5) -> Artifact:
    """Return a model with lively random weights: nothing is near 0, so mistakes show."""
    shape = NetworkShape(len(FEATURES), len(STEP_FEATURES), len(LEVELS), units=(12, 8))
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(0.0, 0.25, size).astype(np.float32)
        for name, size in shape.weight_shapes().items()
    }
    return artifact_of(weights, shape, directory)


def artifact_of(
    weights: dict[str, NDArray[np.float32]],
    shape: NetworkShape,
    directory: Path = Path("somewhere"),
) -> Artifact:
    """Return a model of given weights."""
    network = Network(shape)
    network.assign(weights)
    manifest = Manifest(
        model_version="lstm-test",
        created_at=0,
        sha256=hashlib.sha256(pack_weights(weights)).hexdigest(),
        head="quantile",
        units=shape.units,
        horizon=HORIZON,
        quantiles=LEVELS,
        bucket_seconds=(60, 3600),
        window_buckets=2016,
        features=FEATURES,
        step_features=STEP_FEATURES,
        scaler="streamed",
        shapes=shape.weight_shapes(),
        data=DataRange(
            source="none", series=0, buckets=0, first_start_ms=0, last_start_ms=0, max_clicks=0
        ),
        metrics=UNMEASURED,
        naive_metrics=UNMEASURED,
        golden=golden_of(network),
    )
    return Artifact(manifest, weights, directory)


def write_artifact(directory: Path) -> Artifact:
    """Write a model to disk and return it."""
    artifact = make_artifact(directory)
    save_artifact(directory, pack_weights(artifact.weights), artifact.manifest)
    return artifact


def make_forecaster() -> LstmForecaster:
    """Return a small LSTM."""
    return LstmForecaster(make_artifact(), HORIZON, LEVELS)


def history_of(clicks: NDArray[np.int64], bucket_seconds: int = 3600) -> History:
    """Return a history of clicks `(T, G)` from Monday midnight on, without other measures."""
    cells = np.zeros((*clicks.shape, MEASURE_COUNT), np.int64)
    cells[:, :, 0] = clicks
    return History(
        names=tuple(f"genre-{i}" for i in range(clicks.shape[1])),
        bucket_seconds=bucket_seconds,
        starts_ms=MONDAY_MS + np.arange(len(clicks), dtype=np.int64) * bucket_seconds * 1000,
        cells=cells,
    )
