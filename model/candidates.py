"""Candidates: the model that a backtest runs. Fine-tuned on the past, or one as it is."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.settings import Settings
from model.baseline import Baseline
from model.comparison import SCORED_LEVELS
from model.forecaster import Forecaster
from model.history import History
from model.live import LiveForecaster
from model.plans import fine_tuning, levels_to_train
from model.registry import SHIPPED_DIRECTORY, load_forecaster

METHOD: Final = "genrecast"
"""What forecasts of the fine-tuned model are called in a forecast file."""

EpochProgress = Callable[[int, float], None]
"""Called after every epoch of fine-tuning with its number from 1 and its loss."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model ready to run, and how it came about.

    Attributes:
        forecaster: The model.
        method: What its forecasts are called.
        note: How it was made, one line.
        baseline_reason: Why the baseline runs in its stead; None when it does not.
        fit_seconds: Wall time of its fine-tuning; 0 when there was none.
        losses: Of every epoch of it.
    """

    forecaster: Forecaster
    method: str
    note: str
    baseline_reason: str | None = None
    fit_seconds: float = 0.0
    losses: tuple[float, ...] = ()


def backtest_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    """Return the levels that a backtest runs: those set, and those that are scored."""
    return tuple(sorted({*levels, *SCORED_LEVELS}))


def candidate_as_is(settings: Settings, method: str, note: str) -> Candidate:
    """Return the model that the settings name, untouched.

    Raises:
        ModelRefusedError: When a model was named and it is broken or does not fit.
    """
    forecaster, reason = load_forecaster(settings)
    if reason is not None:
        note = f"{note}: the baseline in its stead, {reason}"
    return Candidate(as_live(forecaster), method, note, baseline_reason=reason)


def as_live(forecaster: Forecaster) -> Forecaster:
    """Return the forecaster as it is served: calibrated, and keeping its own record."""
    if isinstance(forecaster, LiveForecaster):
        return forecaster
    return LiveForecaster(forecaster, Baseline(forecaster.horizon, forecaster.quantiles))


def fine_tuned(
    past: History,
    settings: Settings,
    *,
    epochs: int | None,
    directory: Path,
    progress: EpochProgress | None = None,
) -> Candidate:
    """Return the shipped model, trained on over `past`, all of it, and then frozen.

    Args:
        past: The buckets that may be learnt from.
        settings: As live.
        epochs: How long; None for as long as `past` is worth.
        directory: Where the model is written.
        progress: Called after every epoch.

    Raises:
        ValueError: When `past` is too short to learn from.
    """
    # TensorFlow takes seconds to import: only where something is trained.
    from model.fit import FitPlan, tune

    training = fine_tuning(
        [past], levels_to_train(SHIPPED_DIRECTORY, settings.quantiles), epochs=epochs
    )
    plan = FitPlan(
        training=training,
        horizon=settings.horizon,
        window_buckets=settings.window_buckets,
        source="backtest",
        start=SHIPPED_DIRECTORY,
    )
    begun = time.perf_counter()
    fitted = tune([past], plan, directory, progress)
    seconds = time.perf_counter() - begun
    chosen = settings.model_copy(update={"model_dir": directory})
    note = (
        f"shipped model, fine-tuned for {training.epochs} epochs on the"
        f" {len(past.starts_ms):,} buckets up to the first origin, then frozen"
    )
    as_is = candidate_as_is(chosen, METHOD, note)
    return Candidate(
        as_is.forecaster, METHOD, note, fit_seconds=seconds, losses=tuple(fitted.losses)
    )


@contextmanager
def model_directory(kept: Path | None) -> Iterator[Path]:
    """Return where a fine-tuned model is written: `kept`, or a directory that goes away."""
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="genrecast-backtest-") as directory:
        yield Path(directory)
