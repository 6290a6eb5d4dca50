"""Small models and histories for the tests: real code paths, random weights, no training."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from model.artifact import Artifact, DataRange, Manifest, TrainMetrics, pack_weights, save_artifact
from model.baseline import Baseline
from model.features import FEATURES, STEP_FEATURES
from model.forecaster import Forecaster
from model.history import History
from model.network import Network
from model.network_forecaster import NetworkForecaster, golden_of
from model.shape import Architecture, CoreSizes, LstmSizes, NetworkShape, TransformerSizes

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
HORIZON = 6
HOUR_MS = 3_600_000
MONDAY_MS = 1_735_516_800_000

UNMEASURED = TrainMetrics(mse=None, mae=None, mase=None, wql=None, coverage=None, points=0)


CORES: dict[Architecture, CoreSizes] = {
    "lstm": LstmSizes(units=(12, 8)),
    # A window so short that a few dozen buckets go through it several times.
    "transformer": TransformerSizes(width=12, heads=2, key_width=4, layers=2, window=7),
}
"""Small ones."""


def make_artifact(
    directory: Path = Path("somewhere"), seed: int = 5, architecture: Architecture = "lstm"
) -> Artifact:
    """Return a model with lively random weights: nothing is near 0, so mistakes show."""
    core = CORES[architecture]
    shape = NetworkShape(len(FEATURES), len(STEP_FEATURES), len(LEVELS), core)
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
    core = shape.core
    network = Network(shape)
    network.assign(weights)
    manifest = Manifest(
        model_version=f"{core.architecture}-test",
        created_at=0,
        sha256=hashlib.sha256(pack_weights(weights)).hexdigest(),
        architecture=core.architecture,
        head="quantile",
        units=core.units if isinstance(core, LstmSizes) else None,
        transformer=core if isinstance(core, TransformerSizes) else None,
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


def write_artifact(directory: Path, architecture: Architecture = "lstm") -> Artifact:
    """Write a model to disk and return it."""
    artifact = make_artifact(directory, architecture=architecture)
    save_artifact(directory, pack_weights(artifact.weights), artifact.manifest)
    return artifact


def make_forecaster(architecture: Architecture = "lstm") -> NetworkForecaster:
    """Return a small network."""
    return NetworkForecaster(make_artifact(architecture=architecture), HORIZON, LEVELS)


def bare_forecaster(name: str) -> Forecaster:
    """Return the forecaster that a name such as `live lstm` begins from."""
    if "baseline" in name:
        return Baseline(HORIZON, LEVELS)
    return make_forecaster("transformer" if "transformer" in name else "lstm")


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
