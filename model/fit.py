"""Fit: from histories to a model on disk, scored on the buckets held out. Imports TensorFlow."""

import hashlib
import logging
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
from model.backtest import BacktestResult, backtest, held_out_plan
from model.batches import prepare
from model.features import FEATURES, STEP_FEATURES
from model.history import History
from model.network import Network
from model.network_forecaster import NetworkForecaster, golden_of, network_of
from model.plans import SCRATCH_EPOCHS, TrainingPlan
from model.scores import Metrics
from model.shape import CoreSizes, Head, LstmSizes, NetworkShape
from model.training import Progress, train

log = logging.getLogger(__name__)

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
        core: Sizes of what reads the buckets; None for those of `start`, else the LSTM's.
    """

    training: TrainingPlan
    horizon: int = 24
    head: Head = "quantile"
    window_buckets: int = 2016
    source: str = ""
    start: Path | None = None
    core: CoreSizes | None = None


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
        raise ValueError(_too_short(histories, plan.horizon, HELD_OUT_SHARE))
    seen = [h.rows(0, _cut(h)) for h in usable]
    tuned = tune(seen, plan, directory, progress)
    forecaster = NetworkForecaster(tuned.artifact, plan.horizon, plan.training.levels)
    results = [_held_out_result(h, forecaster, plan) for h in usable]
    return with_scores(tuned, results, directory)


def tune(
    histories: Sequence[History],
    plan: FitPlan,
    directory: Path,
    progress: Progress | None = None,
) -> Fitted:
    """Train on every bucket given and save into `directory`; nothing is held out or scored.

    Raises:
        ValueError: When no history is long enough to learn from.
    """
    usable = [h for h in histories if len(h.starts_ms) > 2 * plan.horizon]
    if not usable:
        raise ValueError(_too_short(histories, plan.horizon, 0.0))
    prepared = [prepare(h, horizon=plan.horizon, reach=plan.window_buckets) for h in usable]
    shape = NetworkShape(
        feature_count=len(FEATURES),
        step_feature_count=len(STEP_FEATURES),
        quantile_count=len(plan.training.levels),
        core=plan.core or _core_of_start(plan.start),
        head=plan.head,
    )
    start = _starting_weights(plan, shape)
    training = plan.training
    if plan.start is not None and start is None:
        log.warning("%s does not fit what is trained here: beginning with nothing", plan.start)
        training = TrainingPlan(
            training.levels, max(training.epochs, SCRATCH_EPOCHS), seed=training.seed
        )
    weights, losses = train(shape, prepared, training, start=start, progress=progress)
    artifact, packed = _artifact(usable, plan, weights, shape, directory)
    save_artifact(directory, packed, artifact.manifest)
    return Fitted(load_artifact(directory), losses, [])


def with_scores(tuned: Fitted, results: list[BacktestResult], directory: Path) -> Fitted:
    """Write the scores on what training has not seen into a model's manifest."""
    manifest = tuned.artifact.manifest.model_copy(
        update={
            "metrics": mean_metrics([result.model for result in results]),
            "naive_metrics": mean_metrics([result.naive for result in results]),
        }
    )
    save_artifact(directory, pack_weights(tuned.artifact.weights), manifest)
    return Fitted(load_artifact(directory), tuned.losses, results)


def _too_short(histories: Sequence[History], horizon: int, held_out: float) -> str:
    longest = max((len(h.starts_ms) for h in histories), default=0)
    return (
        f"{longest} buckets are too few for horizon {horizon}:"
        f" at least {math.ceil(2 * horizon / (1 - held_out)) + 2} are needed"
    )


def _cut(history: History) -> int:
    return int(len(history.starts_ms) * (1.0 - HELD_OUT_SHARE))


def _held_out_result(
    history: History, forecaster: NetworkForecaster, plan: FitPlan
) -> BacktestResult:
    """Return the scores on the buckets held out, after a window of those before, as live."""
    rows = held_out_plan(history, plan.horizon, share=HELD_OUT_SHARE)
    skipped = max(0, rows.first_row - plan.window_buckets)
    recent = history.rows(skipped, len(history.starts_ms))
    return backtest(
        recent,
        forecaster,
        replace(rows, first_row=rows.first_row - skipped, window_buckets=plan.window_buckets),
    )


def _core_of_start(directory: Path | None) -> CoreSizes:
    """Return the sizes of the model to go on from; the LSTM's where there is none."""
    if directory is None:
        return LstmSizes()
    try:
        return load_artifact(directory).manifest.core
    except ModelRefusedError:
        return LstmSizes()


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
        model_version=f"{shape.core.architecture}-{digest[:12]}",
        created_at=wall_clock_ms(),
        sha256=digest,
        architecture=shape.core.architecture,
        head=plan.head,
        units=shape.core.units if isinstance(shape.core, LstmSizes) else None,
        transformer=None if isinstance(shape.core, LstmSizes) else shape.core,
        horizon=plan.horizon,
        quantiles=plan.training.levels,
        bucket_seconds=tuple(sorted({h.bucket_seconds for h in histories})),
        window_buckets=plan.window_buckets,
        features=FEATURES,
        step_features=STEP_FEATURES,
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
