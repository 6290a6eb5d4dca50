"""Record: how forecasts turned out, as sums that forget; what `status` and metrics show.

Per genre and step, each bucket that closes adds what was missed and takes a fixed share off what
was there, so the figures are those of about the last day. Three bounds are judged: the lowest
level, the median and the highest level.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from model.window import Window

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

LEAST_HALF_LIFE: Final = 100
"""Buckets after which a bucket counts half, at least: fewer say little."""

MOST_HALF_LIFE: Final = 2000
"""The same at most; a day's buckets between the two."""

WEIGHT, ACTUAL, NAIVE_ERROR = range(3)
"""Sums that all forecasts share: buckets, clicks, what seasonal naive missed."""

ERROR, PINBALL, HITS = range(3)
"""Sums of each source of forecasts: what the median missed, pinball, actuals in the interval."""

SHARED_COUNT: Final = 3
"""Sums that all forecasts share."""

SOURCE_COUNT: Final = 3
"""Sums of each source of forecasts."""


def half_life(bucket_ms: int) -> int:
    """Return after how many buckets a bucket counts half.

    >>> half_life(60_000), half_life(3_600_000)
    (1440, 100)
    """
    return min(max(DAY_MS // bucket_ms, LEAST_HALF_LIFE), MOST_HALF_LIFE)


def kept_share(bucket_ms: int) -> float:
    """Return what a sum keeps of itself when a bucket closes."""
    return float(0.5 ** (1.0 / half_life(bucket_ms)))


def fullest_weight(bucket_ms: int) -> float:
    """Return the weight that a record tends to, buckets."""
    return 1.0 / (1.0 - kept_share(bucket_ms))


def sums_of(source: int) -> slice:
    """Return where the sums of a source of forecasts are, after the shared ones."""
    first = SHARED_COUNT + source * SOURCE_COUNT
    return slice(first, first + SOURCE_COUNT)


def naive_of_now(window: Window, steps: NDArray[np.int64]) -> Float32:
    """Return what seasonal naive said of the last bucket `steps` ahead of it, `(G, S)` clicks.

    The same time a day ago, or as many days as the step reaches back; the last value of that
    origin where that is not known, 0 where nothing was.
    """
    day = max(1, DAY_MS // window.bucket_ms)
    naive = np.empty((window.genre_count, len(steps)), np.float32)
    for column, step in enumerate(steps.tolist()):
        value, is_known = window.lag(-(-step // day) * day)
        if not is_known.all():
            value = np.where(is_known, value, window.lag(step)[0])
        naive[:, column] = value
    return naive


def misses(
    levels: tuple[float, float, float], bounds: tuple[Float32, Float32, Float32], actual: Float32
) -> tuple[Float32, Float32, NDArray[np.bool_]]:
    """Return what one bucket adds for a source of forecasts: error, pinball, hits, `(G, S)` each.

    Args:
        levels: Of the three bounds.
        bounds: Lower, median and upper, `(G, S)` each.
        actual: `(G,)` what came, clicks.
    """
    gaps = [actual[:, None] - bound for bound in bounds]
    pinball: Float32 = np.zeros(gaps[0].shape, np.float32)
    for level, gap in zip(levels, gaps, strict=True):
        pinball += np.maximum(np.float32(level) * gap, np.float32(level - 1.0) * gap)
    pinball /= np.float32(len(levels))
    return np.abs(gaps[1]), pinball, (gaps[0] >= 0) & (gaps[2] <= 0)


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over buckets that forget, all of one shape; figures are NaN where nothing is known.

    Attributes:
        weight: Buckets counted; a bucket a half-life ago counts half.
        actual: What came, clicks.
        naive_error: What seasonal naive missed, clicks.
        error: What the median missed, clicks.
        pinball: Pinball loss, mean over lower bound, median and upper bound.
        hits: Buckets that were inside the interval.
    """

    weight: Float64
    actual: Float64
    naive_error: Float64
    error: Float64
    pinball: Float64
    hits: Float64

    @property
    def mase(self) -> Float64:
        """Absolute error over that of seasonal naive on the same buckets; below 1 is better."""
        return _ratio(self.error, self.naive_error)

    @property
    def skill(self) -> Float64:
        """1 - `mase`: the share of seasonal naive's error that is avoided."""
        return 1.0 - self.mase

    @property
    def wql(self) -> Float64:
        """2 x pinball loss over actuals."""
        return 2.0 * _ratio(self.pinball, self.actual)

    @property
    def coverage(self) -> Float64:
        """Share of buckets that were inside the interval, bounds included."""
        return _ratio(self.hits, self.weight)

    def over_steps(self) -> "Tally":
        """Return the tally of each genre, `(G,)`, from one of genres and steps `(G, S)`."""
        return self._summed(1)

    def over_genres(self) -> "Tally":
        """Return the tally of each step, `(S,)`, from one of genres and steps `(G, S)`."""
        return self._summed(0)

    def overall(self) -> "Tally":
        """Return the tally of everything together, `()`."""
        return self._summed(None)

    def _summed(self, axis: int | None) -> "Tally":
        return Tally(*(np.asarray(np.sum(sums, axis=axis)) for sums in self._sums()))

    def _sums(self) -> tuple[Float64, ...]:
        return (
            self.weight, self.actual, self.naive_error, self.error, self.pinball, self.hits,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """A forecaster's rolling record, from its state.

    Attributes:
        steps: `(S,)` int64, the steps scored.
        model: `(G, S)` tally of the model, whatever was published.
        published: `(G, S)` tally of what was published.
        baseline: `(G, S)` tally of the baseline; None where the model is the baseline.
        is_baseline: `(G,)` whether the baseline is published now.
    """

    steps: NDArray[np.int64]
    model: Tally
    published: Tally
    baseline: Tally | None
    is_baseline: NDArray[np.bool_]


def tally_of(sums: Float32, source: int) -> Tally:
    """Return the tally of a source from sums `(G, SHARED_COUNT + sources * SOURCE_COUNT, S)`."""
    wide = sums.astype(np.float64)
    first = sums_of(source).start
    return Tally(
        weight=wide[:, WEIGHT],
        actual=wide[:, ACTUAL],
        naive_error=wide[:, NAIVE_ERROR],
        error=wide[:, first + ERROR],
        pinball=wide[:, first + PINBALL],
        hits=wide[:, first + HITS],
    )


def _ratio(numerator: Float64, denominator: Float64) -> Float64:
    """Return the quotient, NaN where there is nothing to divide by."""
    return np.asarray(numerator / np.where(denominator > 0, denominator, np.nan))
