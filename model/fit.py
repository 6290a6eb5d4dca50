"""Fit: from histories to a model on disk, scored on the buckets held out. Imports TensorFlow."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.clock import wall_clock_ms
from model.artifact import (
    Artifact,
    DataRange,
    Manifest,
    ModelRefusedError,
    TrainMetrics,
    load_artifact,
    pack_weights,
    save_artifact,
)
from model.backtest import BacktestPlan, BacktestResult, backtest, held_out_plan
from model.batches import prepare
from model.features import feature_names
from model.history import History
from model.lstm import LstmForecaster, golden_of, network_of
from model.network import Head, Network, NetworkShape
from model.scores import Metrics
from model.training import Progress, TrainingPlan, train

HELD_OUT_SHARE: Final = 0.15
"""Share of the latest buckets that training does not see."""

_SCALER: Final = "per genre, streamed: seasonal reference x exp, gaps in units of recent noise"

_METRIC_NAMES: Final = ("mse", "mae", "mase", "wql", "coverage")


@dataclass(frozen=True, slots=True)
class FitPlan:
    """What to fit.

    Attributes:
        training: How to train.
        horizon: Steps ahead.
        head: `quantile`, or `point` for the plain recipe.
        window_buckets: Capacity of the live window.
        source: Where the histories come from, for the manifest.
        start: Directory of a model to go on from where it fits; None to begin anew.
    """

    training: TrainingPlan
    horizon: int = 24
    head: Head = "quantile"
    window_buckets: int = 2016
    source: str = ""
    start: Path | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model: what is saved, its losses, its held-out scores per history."""

    artifact: Artifact
    losses: list[float]
    results: list[BacktestResult]


def fit(
    histories: Sequence[History],
    plan: FitPlan,
    directory: Path,
    progress: Progress | None = None,
) -> Fitted:
    """Train on all but the latest buckets, score on those, save into `directory`.

    Raises:
        ValueError: When no history is long enough to hold some out.
    """
    usable = [h for h in histories if _cut(h) > 2 * plan.horizon]
    if not usable:
        longest = max((len(h.starts_ms) for h in histories), default=0)
        raise ValueError(
            f"{longest} buckets are too few for horizon {plan.horizon}:"
            f" at least {math.ceil(2 * plan.horizon / (1 - HELD_OUT_SHARE)) + 2} are needed"
        )
    prepared = [
        prepare(h.rows(0, _cut(h)), horizon=plan.horizon, reach=plan.window_buckets) for h in usable
    ]
    shape = NetworkShape(
        feature_count=len(feature_names(plan.horizon)),
        horizon=plan.horizon,
        quantile_count=len(plan.training.levels),
        head=plan.head,
    )
    start = _starting_weights(plan, shape)
    weights, losses = train(shape, prepared, plan.training, start=start, progress=progress)
    artifact, packed = _artifact(usable, plan, weights, shape, directory)
    forecaster = LstmForecaster(artifact, plan.horizon, plan.training.levels)
    results = [backtest(h, forecaster, _scoring_plan(h, plan)) for h in usable]
    manifest = artifact.manifest.model_copy(
        update={
            "metrics": mean_metrics([result.model for result in results]),
            "naive_metrics": mean_metrics([result.naive for result in results]),
        }
    )
    save_artifact(directory, packed, manifest)
    return Fitted(load_artifact(directory), losses, results)


def _cut(history: History) -> int:
    return int(len(history.starts_ms) * (1.0 - HELD_OUT_SHARE))


def _scoring_plan(history: History, plan: FitPlan) -> BacktestPlan:
    return replace(
        held_out_plan(history, plan.horizon, share=HELD_OUT_SHARE),
        window_buckets=plan.window_buckets,
    )


def _starting_weights(plan: FitPlan, shape: NetworkShape) -> dict[str, NDArray[np.float32]] | None:
    """Return the weights to go on from; None when there are none that fit."""
    if plan.start is None:
        return None
    try:
        artifact = load_artifact(plan.start)
        network_of(artifact)
    except ModelRefusedError:
        return None
    manifest = artifact.manifest
    has_same_outputs = manifest.head == plan.head and manifest.quantiles == plan.training.levels
    if manifest.shapes != shape.weight_shapes() or not has_same_outputs:
        return None
    return artifact.weights


def _artifact(
    histories: Sequence[History],
    plan: FitPlan,
    weights: dict[str, NDArray[np.float32]],
    shape: NetworkShape,
    directory: Path,
) -> tuple[Artifact, bytes]:
    """Return the model without its scores, and the bytes of its weights."""
    packed = pack_weights(weights)
    digest = hashlib.sha256(packed).hexdigest()
    network = Network(shape)
    network.assign(weights)
    nothing = mean_metrics([])
    manifest = Manifest(
        model_version=f"lstm-{digest[:12]}",
        created_at=wall_clock_ms(),
        sha256=digest,
        head=plan.head,
        units=shape.units,
        horizon=plan.horizon,
        quantiles=plan.training.levels,
        bucket_seconds=tuple(sorted({h.bucket_seconds for h in histories})),
        window_buckets=plan.window_buckets,
        features=feature_names(plan.horizon),
        scaler=_SCALER,
        shapes=shape.weight_shapes(),
        data=DataRange(
            source=plan.source,
            series=sum(len(h.names) for h in histories),
            buckets=sum(len(h.starts_ms) for h in histories),
            first_start_ms=min(int(h.starts_ms[0]) for h in histories),
            last_start_ms=max(int(h.starts_ms[-1]) for h in histories),
            max_clicks=max(int(h.clicks.max(initial=0)) for h in histories),
        ),
        metrics=nothing,
        naive_metrics=nothing,
        golden=golden_of(network),
    )
    return Artifact(manifest, weights, directory), packed


def mean_metrics(metrics: Sequence[Metrics]) -> TrainMetrics:
    """Return each metric's mean over histories; None where there is nothing to measure."""

    def mean_of(name: str) -> float | None:
        values = [v for m in metrics if math.isfinite(v := float(getattr(m, name)))]
        return sum(values) / len(values) if values else None

    means = {name: mean_of(name) for name in _METRIC_NAMES}
    return TrainMetrics(points=sum(m.points for m in metrics), **means)
