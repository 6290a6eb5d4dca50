"""Comparison: a model, seasonal naive and the baseline on the same origins, all series scored."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.backtest import BacktestPlan, Origin, RollProgress, roll
from model.baseline import Baseline
from model.forecaster import Float32, Forecaster, Forecasts
from model.history import History
from model.scores import ScoreSums, seasonal_scale

SCORED_LEVELS: Final = (0.1, 0.5, 0.9)
"""Levels that forecast files and metrics are about: the 80 % interval and the median."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One origin's forecasts side by side, of every series, begun or not.

    Attributes:
        row: Row of the last observed bucket.
        actual: `(G, H)` float64, what came.
        model: Of the model.
        naive: Of seasonal naive.
        baseline: Of the baseline.
    """

    row: int
    actual: NDArray[np.float64]
    model: Forecasts
    naive: Forecasts
    baseline: Forecasts


Observer = Callable[[Compared], None]
"""Called with every origin, in order."""


@dataclass(slots=True)
class Comparison:
    """Scores of the three, and how long a step of the model took.

    Attributes:
        levels: Every level that the model forecasts.
        model: Of the model, at `SCORED_LEVELS`.
        naive: Of seasonal naive.
        baseline: Of the baseline.
        every_level: Of the model, at all of `levels`.
        step_seconds: Wall time of the model's step at each origin, all series at once.
    """

    levels: tuple[float, ...]
    model: ScoreSums
    naive: ScoreSums
    baseline: ScoreSums
    every_level: ScoreSums
    step_seconds: list[float] = field(default_factory=list)

    @property
    def origins(self) -> int:
        """Origins scored."""
        return len(self.step_seconds)

    @property
    def median_step_seconds(self) -> float:
        """Median wall time of one step for all series, seconds."""
        return statistics.median(self.step_seconds)

    def _add(self, compared: Compared, seconds: float) -> None:
        at_scored = columns_of(SCORED_LEVELS, self.levels)
        for sums, forecasts in (
            (self.model, compared.model),
            (self.naive, compared.naive),
            (self.baseline, compared.baseline),
        ):
            sums.add(compared.actual, forecasts.mean, forecasts.quantiles[:, :, at_scored])
        self.every_level.add(compared.actual, compared.model.mean, compared.model.quantiles)
        self.step_seconds.append(seconds)


def compare(
    history: History,
    forecaster: Forecaster,
    plan: BacktestPlan,
    *,
    season: int,
    train_rows: int,
    observers: Sequence[Observer] = (),
    progress: RollProgress | None = None,
) -> Comparison:
    """Roll the model and the baseline over the history and score them at the plan's origins.

    Args:
        history: All buckets.
        forecaster: The model; its levels hold `SCORED_LEVELS`.
        plan: The origins.
        season: Buckets from one season to the next, for the scale of MASE and RMSSE.
        train_rows: First buckets of the history, which that scale is measured on.
        observers: Each is called with every origin.
        progress: Called after every bucket.

    Raises:
        ValueError: When there is no origin, or a scored level is not among the model's.
    """
    clicks = history.clicks.astype(np.float64)
    comparison = _empty_comparison(forecaster, clicks[:train_rows], season)
    beside = Baseline(forecaster.horizon, forecaster.quantiles)
    rolls = zip(roll(history, forecaster, plan, progress), roll(history, beside, plan), strict=True)
    for origin, other in rolls:
        compared = _side_by_side(history, clicks, origin, other.forecasts, forecaster.quantiles)
        comparison._add(compared, origin.seconds)
        for observe in observers:
            observe(compared)
    if not comparison.origins:
        raise ValueError(
            f"{len(clicks)} buckets hold no origin with {forecaster.horizon} buckets after it"
        )
    return comparison


def _empty_comparison(forecaster: Forecaster, past: NDArray[np.float64], season: int) -> Comparison:
    columns_of(SCORED_LEVELS, forecaster.quantiles)
    scale = seasonal_scale(past, season)
    model, naive, baseline = (ScoreSums(SCORED_LEVELS, scale, forecaster.horizon) for _ in range(3))
    every_level = ScoreSums(forecaster.quantiles, scale, forecaster.horizon)
    return Comparison(forecaster.quantiles, model, naive, baseline, every_level)


def _side_by_side(
    history: History,
    clicks: NDArray[np.float64],
    origin: Origin,
    baseline: Forecasts,
    levels: tuple[float, ...],
) -> Compared:
    has_begun = history.first_row <= origin.row
    ahead = slice(origin.row + 1, origin.row + 1 + origin.forecasts.mean.shape[1])
    model, naive, beside = (
        with_unbegun(forecasts, has_begun, buckets=origin.row + 1, levels=levels)
        for forecasts in (origin.forecasts, origin.naive, baseline)
    )
    return Compared(origin.row, clicks[ahead].T, model, naive, beside)


def columns_of(wanted: tuple[float, ...], levels: tuple[float, ...]) -> list[int]:
    """Return the positions of levels among others.

    Raises:
        ValueError: When one is not there.
    """
    missing = [level for level in wanted if level not in levels]
    if missing:
        raise ValueError(f"level {missing[0]:g} is not among the model's {levels}")
    return [levels.index(level) for level in wanted]


def with_unbegun(
    forecasts: Forecasts, has_begun: NDArray[np.bool_], *, buckets: int, levels: tuple[float, ...]
) -> Forecasts:
    """Return the forecasts with those of genres that have not begun replaced.

    Live, such a genre is not known, so nothing is published. A table names it beforehand. After
    n buckets of nothing the rule of succession expects 1 / (n + 2) clicks of the next one, and
    Markov's inequality bounds a quantile by mean / (1 - level): wide at first, then small.

    Args:
        forecasts: Of all genres.
        has_begun: `(G,)`.
        buckets: Buckets seen, n.
        levels: Quantile levels, ascending.
    """
    if has_begun.all():
        return forecasts
    expected = 1.0 / (buckets + 2.0)
    bounds = [expected / (1.0 - level) if level > SCORED_LEVELS[1] else 0.0 for level in levels]
    mean: Float32 = np.where(has_begun[:, None], forecasts.mean, np.float32(expected))
    quantiles: Float32 = np.where(
        has_begun[:, None, None], forecasts.quantiles, np.array(bounds, np.float32)
    )
    return Forecasts(mean, quantiles, forecasts.reset_genres)
