"""Scores: pure functions per point, streaming sums, named metrics."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

MOST_PAIRS_ASKED: Final = 100
"""Pairs that a series needs for a scale, or a whole season of them if that is less."""

CROSSING_TOLERANCE: Final = 1e-6
"""Clicks by which a quantile may lie above the next before they count as crossed."""

_ABSOLUTE, _SQUARED, _ACTUAL, _COVERED, _WIDTH, _CROSSED, _COUNTED = range(7)
_SUM_COUNT: Final = 7
"""Sums per series and step before those per level."""


def absolute_error(actual: Float64, forecast: Float64) -> Float64:
    """Return `|actual - forecast|` per point."""
    error: Float64 = np.abs(actual - forecast)
    return error


def squared_error(actual: Float64, forecast: Float64) -> Float64:
    """Return `(actual - forecast)²` per point."""
    error: Float64 = np.square(actual - forecast)
    return error


def pinball_loss(actual: Float64, forecast: Float64, level: float | Float64) -> Float64:
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


@dataclass(frozen=True, slots=True)
class Scale:
    """By how much each series changes from one season to the next.

    Attributes:
        absolute: `(G,)` mean absolute change; NaN where it cannot be measured.
        squared: `(G,)` mean squared change; NaN where it cannot be measured.
    """

    absolute: Float64
    squared: Float64


def seasonal_scale(clicks: Float64, lag: int, first_row: NDArray[np.int64] | None = None) -> Scale:
    """Return per series the mean change `y(t) - y(t - lag)` of clicks `(T, G)`.

    Counted from `first_row` on, where a series began (0 when None). NaN where too few
    pairs are there or nothing ever changed: such a series has no MASE.
    """
    begins = np.zeros(clicks.shape[1], np.int64) if first_row is None else first_row
    change = absolute_error(clicks[lag:], clicks[: max(len(clicks) - lag, 0)])
    known = np.arange(len(change))[:, None] >= begins
    pairs = known.sum(axis=0)
    change = np.where(known, change, 0.0)
    is_measured = (pairs >= min(lag, MOST_PAIRS_ASKED)) & change.any(axis=0)
    counted = np.where(is_measured, pairs, np.nan)
    return Scale(change.sum(axis=0) / counted, np.square(change).sum(axis=0) / counted)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a backtest reports; lower is better but for coverage. NaN where nothing is to measure.

    Attributes:
        mse: Mean squared error of the mean.
        mae: Mean absolute error of the median.
        mase: MAE over the seasonal-naive MAE of the past, mean over series.
        rmsse: Root of MSE over the seasonal-naive MSE of the past, mean over series.
        wql: 2 x summed pinball / summed actuals, mean over levels.
        wqls: The same per series, mean over series: small ones weigh as much as big ones.
        coverage: Share of actuals inside the outermost pair of quantiles.
        width: Mean width of that pair over the mean actual.
        crossed: Share of points whose quantiles are out of order.
        points: Points scored.
    """

    mse: float
    mae: float
    mase: float
    rmsse: float
    wql: float
    wqls: float
    coverage: float
    width: float
    crossed: float
    points: int


@dataclass(slots=True)
class ScoreSums:
    """Sums over origins per series and step; memory does not grow with the origins.

    Attributes:
        levels: Quantile levels, ascending.
        scale: See `seasonal_scale`.
        horizon: Steps ahead, H.
    """

    levels: tuple[float, ...]
    scale: Scale
    horizon: int
    _sums: Float64 = field(init=False)
    _levels: Float64 = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.scale.absolute), self.horizon)
        self._sums = np.zeros((*shape, _SUM_COUNT))
        # Per level: pinball loss, actuals at or below the quantile, actuals below it.
        self._levels = np.zeros((*shape, len(self.levels), 3))

    def add(
        self,
        actual: NDArray[np.floating],
        mean: NDArray[np.floating],
        quantiles: NDArray[np.floating],
        present: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one origin. Forecasts below 0 count as 0: there are no fewer clicks.

        Args:
            actual: `(G, H)` what came.
            mean: `(G, H)`.
            quantiles: `(G, H, Q)`.
            present: `(G,)`; genres that are not there yet are not scored. All of them when None.
        """
        scored = np.ones(len(actual), bool) if present is None else present
        came = actual[scored].astype(np.float64)
        centre = np.maximum(mean[scored].astype(np.float64), 0.0)
        levels = np.maximum(quantiles[scored].astype(np.float64), 0.0)
        lower, upper = levels[:, :, 0], levels[:, :, -1]
        sums = np.empty((*came.shape, _SUM_COUNT))
        sums[:, :, _ABSOLUTE] = absolute_error(came, levels[:, :, len(self.levels) // 2])
        sums[:, :, _SQUARED] = squared_error(came, centre)
        sums[:, :, _ACTUAL] = came
        sums[:, :, _COVERED] = is_covered(came, lower, upper)
        sums[:, :, _WIDTH] = upper - lower
        sums[:, :, _CROSSED] = (np.diff(levels, axis=2) < -CROSSING_TOLERANCE).any(axis=2)
        sums[:, :, _COUNTED] = 1.0
        self._sums[scored] += sums
        point = came[:, :, None]
        self._levels[scored, :, :, 0] += pinball_loss(point, levels, np.array(self.levels))
        self._levels[scored, :, :, 1] += point <= levels
        self._levels[scored, :, :, 2] += point < levels

    def metrics(self) -> Metrics:
        """Return the metrics of all series together."""
        return self._metrics(slice(None))

    def per_series(self) -> list[Metrics]:
        """Return the metrics of each series alone."""
        return [self._metrics(slice(row, row + 1)) for row in range(len(self._sums))]

    def wql_per_step(self) -> Float64:
        """Return the WQL of every step alone, `(H,)`."""
        pinball = self._levels[..., 0].sum(axis=0).mean(axis=-1)
        return np.asarray(2.0 * _ratio(pinball, self._sums[:, :, _ACTUAL].sum(axis=0)))

    def mae_per_step(self) -> Float64:
        """Return the mean absolute error of the median per step, `(H,)`."""
        sums = self._sums.sum(axis=0)
        return _ratio(sums[:, _ABSOLUTE], sums[:, _COUNTED])

    def mean_actuals(self) -> Float64:
        """Return the mean actual of every series, clicks per bucket, `(G,)`."""
        sums = self._sums.sum(axis=1)
        return _ratio(sums[:, _ACTUAL], sums[:, _COUNTED])

    def shares_below(self) -> tuple[Float64, Float64]:
        """Return the share of actuals below, and at or below, each level's quantile, `(Q,)` each.

        Counts are whole numbers: a calibrated level lies between the two.
        """
        counted = np.full(len(self.levels), self._sums[:, :, _COUNTED].sum())
        sums = self._levels.sum(axis=(0, 1))
        return _ratio(sums[:, 2], counted), _ratio(sums[:, 1], counted)

    def _metrics(self, series: slice) -> Metrics:
        each = self._sums[series].sum(axis=1)
        whole = each.sum(axis=0)
        pinball = self._levels[series, :, :, 0].sum(axis=1).mean(axis=-1)
        points, actual = _float(whole[_COUNTED]), _float(whole[_ACTUAL])
        squared = _ratio(each[:, _SQUARED], each[:, _COUNTED]) / self.scale.squared[series]
        absolute = _ratio(each[:, _ABSOLUTE], each[:, _COUNTED]) / self.scale.absolute[series]
        shares = _ratio(whole, np.full(_SUM_COUNT, points))
        return Metrics(
            mse=float(shares[_SQUARED]),
            mae=float(shares[_ABSOLUTE]),
            mase=_mean_of_known(absolute),
            rmsse=_mean_of_known(np.sqrt(squared)),
            wql=2.0 * _float(pinball.sum()) / actual if actual else float("nan"),
            wqls=_mean_of_known(2.0 * _ratio(pinball, each[:, _ACTUAL])),
            coverage=float(shares[_COVERED]),
            width=_float(whole[_WIDTH]) / actual if actual else float("nan"),
            crossed=float(shares[_CROSSED]),
            points=int(points),
        )


def _ratio(numerator: Float64, denominator: Float64) -> Float64:
    """Return the quotient, NaN where there is nothing to divide by."""
    return np.asarray(numerator / np.where(denominator > 0, denominator, np.nan))


def _mean_of_known(values: Float64) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _float(value: Float64) -> float:
    return float(value)
