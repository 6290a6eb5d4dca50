"""Calibration: intervals that go on covering what they promise while the world moves.

Adaptive conformal inference (Gibbs and Candès 2021, "Adaptive conformal inference under
distribution shift") in its quantile-tracking form (Angelopoulos, Candès and Tibshirani 2023,
"Conformal PID control for time series prediction"): each side of the interval has a factor by
which it is stretched; a miss of what was forecast widens it, a hit narrows it a little, in such
proportion that the long-run share of misses is the one promised, whatever the data do.
The factor is per genre, step and side and lives on the log scale. What the forecaster says of the
centre is left alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

OWN_RATE: Final = 0.009
"""By how much a step's own miss moves its (log) factor. With the next: intervals of half the right
width have half of the coverage they lack after some 150 buckets. Twice as fast mends sooner,
and cost 0.3 to 2 % of WQL on every set of series tried: misses come in runs."""

SHARED_RATE: Final = 0.009
"""The same for the mean miss of all steps: together they know sooner, and are less noisy."""

SETTLING_BUCKETS: Final = 100.0
"""Buckets until the rates are those; before, they are higher by the root of what is lacking."""

WIDEST: Final = 1.6
"""Most that a (log) factor is from 0: an interval is stretched to 5 times its width, or a fifth."""

LEAST_LOWER_WEIGHT: Final = 0.25
"""Weight of a lower bound below half a click: it can hardly be missed honestly, so it teaches less;
but were it nothing, a bound of 0.02 would miss every 0 of a quiet genre for ever."""

LEAST_UPPER_WEIGHT: Final = 0.05
"""Weight of an upper bound near nothing; it is the bound itself, in clicks, up to 1: in quiet hours
even too narrow an interval is seldom missed."""

_HALF_CLICK: Final = np.float32(0.5)

_STEEPNESS: Final = np.float32(3.0)
"""Clicks per click between two whole numbers: 3 wins nine tenths of what a jump would."""

_MOST_DRAWN_CLICKS: Final = np.float32(8.0)
"""Medians from here on stay as they are: half a click is little there. Whole, so without a jump."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Which levels are below the middle and which above, and how often each bound may be missed.

    Attributes:
        direction: `(Q,)` int, -1 below the level 0.5, 1 above, 0 at it.
        lower_target: Share of actuals that may lie below the lowest level; None when that is not
            below 0.5: then there is no lower bound to keep.
        upper_target: Share that may lie above the highest level; None likewise.
        centre: `(Q,)` float32 weights that make the median of the quantiles; None when no levels
            stand on both sides of it: the mean is the centre then.
    """

    direction: NDArray[np.int64]
    lower_target: float | None
    upper_target: float | None
    centre: Float32 | None


def sides_of(levels: tuple[float, ...]) -> Sides:
    """Return the sides of ascending quantile levels."""
    known = np.array(levels)
    has_median = levels[0] <= 0.5 <= levels[-1]
    unit = np.eye(len(levels))
    weights = np.array([np.interp(0.5, known, row) for row in unit], np.float32)
    return Sides(
        direction=np.sign(known - 0.5).astype(np.int64),
        lower_target=levels[0] if levels[0] < 0.5 else None,
        upper_target=1.0 - levels[-1] if levels[-1] > 0.5 else None,
        centre=weights if has_median else None,
    )


def centre_of(sides: Sides, mean: Float32, quantiles: Float32) -> Float32:
    """Return the middle `(G, H)` that the sides are stretched from."""
    if sides.centre is None:
        return mean
    # Not a matrix product: it may round otherwise when there are more genres.
    centre = np.zeros_like(mean)
    for level in np.flatnonzero(sides.centre):
        centre += sides.centre[level] * quantiles[:, :, level]
    return centre


def stretched(sides: Sides, centre: Float32, quantiles: Float32, factors: Float32) -> Float32:
    """Return quantiles `(G, H, Q)` with their distances from the centre stretched.

    Never below 0, and in order where `quantiles` were and `centre` is between its neighbours.

    Args:
        sides: Of the levels.
        centre: `(G, H)`.
        quantiles: `(G, H, Q)`.
        factors: `(G, 2, H)`, log factors below and above the centre.
    """
    widths = np.exp(factors)
    result = quantiles.copy()
    for level, direction in enumerate(sides.direction.tolist()):
        if direction:
            width = widths[:, 0 if direction < 0 else 1]
            result[:, :, level] = centre + width * (quantiles[:, :, level] - centre)
    return np.maximum(result, np.float32(0.0))


def drawn_to_whole(sides: Sides, quantiles: Float32) -> Float32:
    """Return quantiles `(G, H, Q)` whose small medians are drawn to whole clicks.

    A count's median is a whole number (the quantile of a count jittered by half a click, rounded:
    Machado and Santos Silva 2005, "Quantiles for counts"). The bounds stay as they are: rounded,
    they would cover more than they promise. Never beyond the neighbouring quantiles.
    """
    levels = np.flatnonzero(sides.direction == 0)
    if not len(levels):
        return quantiles
    level = int(levels[0])
    median = quantiles[:, :, level]
    below = np.floor(median)
    # Steep but not a jump: what differs in the last digit must not differ by a click afterwards.
    over = np.clip(_STEEPNESS * (median - below - _HALF_CLICK) + _HALF_CLICK, 0.0, 1.0)
    drawn = np.where(median < _MOST_DRAWN_CLICKS, below + over, median)
    if level > 0:
        drawn = np.maximum(drawn, quantiles[:, :, level - 1])
    if level + 1 < quantiles.shape[2]:
        drawn = np.minimum(drawn, quantiles[:, :, level + 1])
    result = quantiles.copy()
    result[:, :, level] = drawn
    return result


def learnt(
    sides: Sides,
    factors: Float32,
    bounds: tuple[Float32, Float32],
    actual: Float32,
    seen: Float32,
) -> Float32:
    """Return the factors after a bucket closed, `(G, 2, S)`.

    Args:
        sides: Of the levels.
        factors: `(G, 2, S)`, log factors below and above the centre, before.
        bounds: The lower and the upper bound that were forecast of the bucket, `(G, S)` each.
        actual: `(G,)` what came, clicks.
        seen: `(G, S)`, buckets that each step has been held against so far, this one with them; 0
            where there is no forecast of this one.
    """
    came, (lower, upper) = actual[:, None], bounds
    is_held = seen > 0
    lacking = np.float32(SETTLING_BUCKETS) / np.maximum(seen, np.float32(1.0))
    haste = np.where(is_held, np.sqrt(np.maximum(lacking, np.float32(1.0))), np.float32(0.0))
    moved = factors.copy()
    if sides.lower_target is not None:
        weight = np.where(lower < _HALF_CLICK, np.float32(LEAST_LOWER_WEIGHT), np.float32(1.0))
        error = weight * ((came < lower) - np.float32(sides.lower_target))
        moved[:, 0] += haste * _step(error, is_held)
    if sides.upper_target is not None:
        weight = np.clip(upper, np.float32(LEAST_UPPER_WEIGHT), np.float32(1.0))
        error = weight * ((came > upper) - np.float32(sides.upper_target))
        moved[:, 1] += haste * _step(error, is_held)
    return np.asarray(np.clip(moved, np.float32(-WIDEST), np.float32(WIDEST)), np.float32)


def _step(error: Float32, is_held: NDArray[np.bool_]) -> Float32:
    """Return how far the errors `(G, S)` of one side move its factors."""
    counted = np.where(is_held, error, np.float32(0.0))
    held = np.maximum(is_held.sum(axis=1, dtype=np.float32), np.float32(1.0))
    shared = np.float32(SHARED_RATE) * counted.sum(axis=1) / held
    return np.asarray(np.float32(OWN_RATE) * counted + shared[:, None], np.float32)
