"""Scores: pure functions per point, streaming sums, named metrics."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

MOST_PAIRS_ASKED: Final = 100
"""Pairs that a series needs for a scale, or a whole season of them if that is less."""


def absolute_error(actual: Float64, forecast: Float64) -> Float64:
    """Return `|actual - forecast|` per point."""
    error: Float64 = np.abs(actual - forecast)
    return error


def squared_error(actual: Float64, forecast: Float64) -> Float64:
    """Return `(actual - forecast)²` per point."""
    error: Float64 = np.square(actual - forecast)
    return error


def pinball_loss(actual: Float64, forecast: Float64, level: float) -> Float64:
    """Return the pinball loss per point, without a factor 2.

    >>> float(pinball_loss(np.array(10.0), np.array(6.0), 0.9))
    3.6
    """
    error = actual - forecast
    loss: Float64 = np.maximum(level * error, (level - 1.0) * error)
    return loss


def is_covered(actual: Float64, lower: Float64, upper: Float64) -> NDArray[np.bool_]:
    """Return per point whether `lower <= actual <= upper`."""
    covered: NDArray[np.bool_] = np.logical_and(lower <= actual, actual <= upper)
    return covered


def seasonal_scale(
    clicks: Float64, lag: int, first_row: NDArray[np.int64] | None = None
) -> Float64:
    """Return per series the mean `|y(t) - y(t - lag)|`, `(G,)`, of clicks `(T, G)`.

    Counted from `first_row` on, where a series began (0 when None). NaN where too few
    pairs are there or nothing ever changed: such a series has no MASE.
    """
    begins = np.zeros(clicks.shape[1], np.int64) if first_row is None else first_row
    change = absolute_error(clicks[lag:], clicks[: max(len(clicks) - lag, 0)])
    known = np.arange(len(change))[:, None] >= begins
    pairs = known.sum(axis=0)
    scale = np.where(known, change, 0.0).sum(axis=0) / np.maximum(pairs, 1)
    return np.asarray(np.where((pairs >= min(lag, MOST_PAIRS_ASKED)) & (scale > 0), scale, np.nan))


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a backtest reports; all but coverage are better when lower.

    Attributes:
        mse: Mean squared error of the mean.
        mae: Mean absolute error of the median.
        mase: MAE over the seasonal-naive MAE of the past, mean over series.
        wql: 2 x summed pinball / summed actuals, mean over levels.
        coverage: Share of actuals inside the outermost pair of quantiles.
        points: Points scored.
    """

    mse: float
    mae: float
    mase: float
    wql: float
    coverage: float
    points: int


@dataclass(slots=True)
class ScoreSums:
    """Sums over origins; memory does not grow with them.

    Attributes:
        levels: Quantile levels, ascending.
        scale: `(G,)`, see `seasonal_scale`.
    """

    levels: tuple[float, ...]
    scale: Float64
    _squared: float = 0.0
    _actual: float = 0.0
    _covered: int = 0
    _points: int = 0
    _absolute: Float64 = field(init=False)
    _counted: Float64 = field(init=False)
    _pinball: Float64 = field(init=False)

    def __post_init__(self) -> None:
        self._absolute = np.zeros(len(self.scale))
        self._counted = np.zeros(len(self.scale))
        self._pinball = np.zeros(len(self.levels))

    def add(
        self,
        actual: NDArray[np.floating],
        mean: NDArray[np.floating],
        quantiles: NDArray[np.floating],
        present: NDArray[np.bool_],
    ) -> None:
        """Add one origin.

        Args:
            actual: `(G, H)` what came.
            mean: `(G, H)`.
            quantiles: `(G, H, Q)`.
            present: `(G,)`; genres that are not there yet are not scored.
        """
        came = actual[present].astype(np.float64)
        centre = mean[present].astype(np.float64)
        levels = quantiles[present].astype(np.float64)
        middle = levels[:, :, len(self.levels) // 2]
        error = absolute_error(came, middle)
        self._absolute[present] += error.sum(axis=1)
        self._counted[present] += came.shape[1]
        self._squared += float(squared_error(came, centre).sum())
        self._actual += float(np.abs(came).sum())
        self._covered += int(is_covered(came, levels[:, :, 0], levels[:, :, -1]).sum())
        self._points += came.size
        for position, level in enumerate(self.levels):
            self._pinball[position] += pinball_loss(came, levels[:, :, position], level).sum()

    def metrics(self) -> Metrics:
        """Return the metrics; NaN where nothing was there to measure."""
        points = max(self._points, 1)
        usable = (self._counted > 0) & np.isfinite(self.scale)
        per_series = self._absolute[usable] / self._counted[usable] / self.scale[usable]
        wql = 2.0 * float(self._pinball.mean()) / self._actual if self._actual else np.nan
        return Metrics(
            mse=self._squared / points,
            mae=float(self._absolute.sum()) / points,
            mase=float(per_series.mean()) if len(per_series) else float("nan"),
            wql=float(wql),
            coverage=self._covered / points,
            points=self._points,
        )
