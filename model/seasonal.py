"""Climatology: what the same time of day, and of week, brought before. Never the future."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from model.window import Past

DAY_LAGS: Final = 6
"""Previous days averaged; the seventh is the week's business."""

WEEK_LAGS: Final = 4
"""Previous weeks averaged."""

DAY_DECAY: Final = 0.8
"""Weight of a day relative to the one after it: rhythms drift."""

WEEK_WEIGHT: Final = 1.2
"""Weight of last week's same time relative to yesterday's: weekends differ from weekdays."""

SMOOTHING_MS: Final = 450_000
"""Buckets this far around the same time count too (7.5 minutes): single minutes are noise."""

LAG_DAYS: Final = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
"""Days back that `lagged` looks, each on its own."""

Lags = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Climatology:
    """Means at the same time before, per origin row, genre and step (0 = the origin itself).

    Attributes:
        mean: `(B, G, H + 1)` float32, days and weeks weighted; 0 where `support` is 0.
        week: `(B, G, H + 1)` float32, weeks alone; 0 where `week_support` is 0.
        support: `(B, G, H + 1)` float32, buckets averaged in `mean`.
        week_support: `(B, G, H + 1)` float32, buckets averaged in `week`.
    """

    mean: NDArray[np.float32]
    week: NDArray[np.float32]
    support: NDArray[np.float32]
    week_support: NDArray[np.float32]


def buckets_per_day(bucket_ms: int) -> int:
    """Return how many buckets a day has, at least 1."""
    return max(1, DAY_MS // bucket_ms)


def smoothing_half_width(bucket_ms: int) -> int:
    """Return how many buckets on either side of the same time are averaged."""
    return SMOOTHING_MS // bucket_ms


@lru_cache(maxsize=1024)
def usable_lags(step: int, *, bucket_ms: int, reach: int) -> Lags:
    """Return (day lags, week lags) in buckets for the bucket `step` after an origin.

    A lag is usable when its smoothed stretch ends at or before the origin and begins within
    `reach` rows of it, so that a live window and a whole series use the same ones.

    >>> usable_lags(2, bucket_ms=3_600_000, reach=60)
    ((24, 48), ())
    """
    half = smoothing_half_width(bucket_ms)
    day = buckets_per_day(bucket_ms)
    week = 7 * day
    first_day = max(1, -(-(step + half) // day))
    first_week = max(1, -(-(step + half) // week))
    days = (day * (first_day + i) for i in range(DAY_LAGS))
    weeks = (week * (first_week + i) for i in range(WEEK_LAGS))
    room = reach + step - half
    return tuple(lag for lag in days if lag < room), tuple(lag for lag in weeks if lag < room)


def climatology(past: Past, first: int, stop: int, horizon: int) -> Climatology:
    """Return the climatology of the steps 0..`horizon` after the origin rows `[first, stop)`."""
    shape = (stop - first, past.prefix.shape[1], horizon + 1)
    whole = Climatology(*(np.zeros(shape, np.float32) for _ in range(4)))
    for steps, lags in _steps_by_lags(horizon, past.bucket_ms, past.reach):
        # One row per target bucket: neighbouring origins share all but one of their targets.
        columns = _at_targets(past, range(first + steps.start, stop + steps.stop - 1), lags)
        target = _targets(stop - first, len(steps))
        here = slice(steps.start, steps.stop)
        whole.mean[:, :, here] = columns.mean[target].swapaxes(1, 2)
        whole.week[:, :, here] = columns.week[target].swapaxes(1, 2)
        whole.support[:, :, here] = columns.support[target].swapaxes(1, 2)
        whole.week_support[:, :, here] = columns.week_support[target].swapaxes(1, 2)
    return whole


@lru_cache(maxsize=64)
def _steps_by_lags(horizon: int, bucket_ms: int, reach: int) -> tuple[tuple[range, Lags], ...]:
    """Return the steps 0..`horizon` that have usable lags, neighbours of the same lags together."""

    def lags_of(step: int) -> Lags:
        return usable_lags(step, bucket_ms=bucket_ms, reach=reach)

    groups = ((lags, list(group)) for lags, group in groupby(range(horizon + 1), key=lags_of))
    return tuple((range(steps[0], steps[-1] + 1), lags) for lags, steps in groups if any(lags))


def _targets(origins: int, steps: int) -> NDArray[np.int64]:
    """Return which target each step of each origin is, `(origins, steps)`."""
    return np.arange(origins)[:, None] + np.arange(steps)


def _at_targets(past: Past, targets: range, lags: Lags) -> Climatology:
    """Return `(len(targets), G)` arrays: the climatology of each target row by `lags`."""
    half = smoothing_half_width(past.bucket_ms)
    width = 2 * half + 1
    shape = (len(targets), past.prefix.shape[1])
    day_sum, day_weight, day_count = (np.zeros(shape) for _ in range(3))
    week_sum, week_weight, week_count = (np.zeros(shape) for _ in range(3))
    for position, lag in enumerate(lags[0]):
        rows, known, mean = _stretch_mean(past, targets, lag, half)
        weight = known * DAY_DECAY**position
        day_sum[rows] += weight * mean
        day_weight[rows] += weight
        day_count[rows] += known * width
    for position, lag in enumerate(lags[1]):
        rows, known, mean = _stretch_mean(past, targets, lag, half)
        weight = known * WEEK_WEIGHT * DAY_DECAY**position
        week_sum[rows] += weight * mean
        week_weight[rows] += weight
        week_count[rows] += known * width
    total = day_weight + week_weight
    return Climatology(
        mean=((day_sum + week_sum) / np.where(total > 0, total, 1.0)).astype(np.float32),
        week=(week_sum / np.where(week_weight > 0, week_weight, 1.0)).astype(np.float32),
        support=(day_count + week_count).astype(np.float32),
        week_support=week_count.astype(np.float32),
    )


def _stretch_mean(
    past: Past, targets: range, lag: int, half: int
) -> tuple[slice, NDArray[np.bool_], NDArray[np.float64]]:
    """Return, for the targets whose stretch is in the past held: which, known?, mean clicks."""
    begin = targets.start - lag - half
    skipped = min(max(0, -begin), len(targets))
    begins = range(begin + skipped, begin + len(targets))
    rows = slice(skipped, len(targets))
    low = past.prefix[begins.start : begins.stop]
    high = past.prefix[begins.start + 2 * half + 1 : begins.stop + 2 * half + 1]
    known = np.arange(begins.start, begins.stop)[:, None] >= past.first_row[None, :]
    return rows, known, np.where(known, (high - low) / (2 * half + 1), 0.0)


@dataclass(frozen=True, slots=True)
class Lagged:
    """Clicks at the same time before, each day and week on its own.

    Attributes:
        mean: `(B, G, H, L)` float32, clicks of the smoothed stretch; 0 where not known.
        known: `(B, G, H, L)` bool.
    """

    mean: NDArray[np.float32]
    known: NDArray[np.bool_]


def lagged(past: Past, first: int, stop: int, horizon: int) -> Lagged:
    """Return the clicks at the same time before, for steps 1..`horizon` after each origin row.

    A lag is known when its stretch ends at or before the origin, begins within reach of it, and
    the genre was there.
    """
    half = smoothing_half_width(past.bucket_ms)
    targets = range(first + 1, stop + horizon)
    shape = (stop - first, past.prefix.shape[1], horizon, len(LAG_DAYS))
    mean, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
    target = _targets(stop - first, horizon)
    for position, lag, usable in _usable_steps(horizon, past.bucket_ms, past.reach):
        # Targets from here on have a stretch that reaches past the rows there are.
        last = min(targets.stop, len(past.prefix) - 1 + lag - half)
        if last <= targets.start:
            continue
        rows, there, values = _stretch_mean(past, range(targets.start, last), lag, half)
        column = np.zeros((len(targets), shape[1]), np.float32)
        column_known = np.zeros(column.shape, bool)
        column[: last - targets.start][rows] = values
        column_known[: last - targets.start][rows] = there
        known[:, :, :, position] = column_known[target].swapaxes(1, 2) & usable
        mean[:, :, :, position] = column[target].swapaxes(1, 2) * usable
    return Lagged(mean, known)


@lru_cache(maxsize=64)
def _usable_steps(
    horizon: int, bucket_ms: int, reach: int
) -> tuple[tuple[int, int, NDArray[np.bool_]], ...]:
    """Return the lags that any step can use: position in LAG_DAYS, buckets, which steps `(H,)`."""
    half, day = smoothing_half_width(bucket_ms), buckets_per_day(bucket_ms)
    steps = np.arange(1, horizon + 1)
    lags = ((position, day * days) for position, days in enumerate(LAG_DAYS))
    found = ((p, lag, (steps + half <= lag) & (lag < reach + steps - half)) for p, lag in lags)
    return tuple((p, lag, usable) for p, lag, usable in found if usable.any())
