"""Weekly profile: the mean of each hour of the week, kept in the state, far longer than a window.

A window of one-minute buckets reaches back a day and a half; this remembers weeks, at 170 numbers
per genre. Hours that were never seen are unknown until the same hour on other days tells of them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS

Float32 = NDArray[np.float32]

HOUR_MS: Final = 3_600_000
SLOTS: Final = 168
"""Hours of a week."""

PROFILE_COUNT: Final = SLOTS + 2
"""Float32 numbers of profile per genre: the slots, then sum and buckets of the hour under way."""

UNKNOWN: Final = -1.0
"""In a slot that was never seen."""

MONDAY_MS: Final = 4 * DAY_MS
"""The epoch began on a Thursday; the first Monday came four days later."""

_SLOWEST_RATE: Final = 0.2
"""A slot remembers about five weeks."""

_SUM, _BUCKETS = SLOTS, SLOTS + 1


@dataclass(frozen=True, slots=True)
class Expected:
    """What the profile says of steps 0..H, clicks, `(G, H + 1)` float32; `UNKNOWN` if nothing.

    Attributes:
        week: The same hour of the week.
        day: The same hour, mean over the days known.
    """

    week: Float32
    day: Float32


def initial_profile(genre_count: int) -> Float32:
    """Return a profile that knows nothing, `(G, PROFILE_COUNT)`."""
    profile = np.full((genre_count, PROFILE_COUNT), UNKNOWN, np.float32)
    profile[:, SLOTS:] = 0.0
    return profile


def step_profile(
    profile: Float32, clicks: Float32, *, start_ms: int, bucket_ms: int, seen: Float32
) -> Float32:
    """Return the profile after one bucket.

    Args:
        profile: `(G, PROFILE_COUNT)`.
        clicks: `(G,)` of the bucket.
        start_ms: Where in the week the bucket starts, epoch ms.
        bucket_ms: Its length.
        seen: `(G,)` buckets seen before: how often a slot can have been visited.
    """
    after = profile.copy()
    after[:, _SUM] += clicks
    after[:, _BUCKETS] += 1.0
    hour = start_ms // HOUR_MS
    if (start_ms + bucket_ms) // HOUR_MS == hour:
        return after
    slot = _slot(hour)
    mean = after[:, _SUM] / after[:, _BUCKETS]
    known = profile[:, slot] >= 0.0
    weeks = np.floor(seen * np.float32(bucket_ms / (SLOTS * HOUR_MS)))
    # An hour that the genre saw only a part of counts for as much.
    whole = np.minimum(after[:, _BUCKETS] * np.float32(bucket_ms / HOUR_MS), 1.0)
    rate = np.where(known, np.maximum(1.0 / (weeks + 1.0), _SLOWEST_RATE) * whole, 1.0)
    before = np.where(known, profile[:, slot], 0.0)
    after[:, slot] = before + rate * (mean - before)
    after[:, SLOTS:] = 0.0
    return after


def day_means(profile: Float32) -> Float32:
    """Return the mean over the days known of every hour of the day, `(G, 24)`."""
    # Day by day in memory: sums over seven neighbours of short rows take three times as long.
    by_day = np.ascontiguousarray(profile[:, :SLOTS].reshape(-1, 7, 24).swapaxes(0, 1))
    return known_mean(by_day, axis=0)


def known_mean(values: Float32, axis: int) -> Float32:
    """Return the mean over an axis of what is known; `UNKNOWN` where nothing is."""
    count = (values >= 0.0).sum(axis=axis, dtype=np.float32)
    # What is unknown is negative: it adds 0.
    total = np.maximum(values, np.float32(0.0)).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), UNKNOWN).astype(np.float32)


def expect(
    profile: Float32, days: Float32, *, starts_ms: NDArray[np.int64], bucket_ms: int
) -> Expected:
    """Return what is usual for a bucket and those after it.

    Args:
        profile: `(G, PROFILE_COUNT)` after that bucket.
        days: Its `day_means`.
        starts_ms: `(H + 1,)` where in the week they start, epoch ms.
        bucket_ms: Bucket length.
    """
    if bucket_ms >= HOUR_MS:
        hours = starts_ms // HOUR_MS
        return Expected(profile[:, _slot(hours)], days[:, hours % 24])
    # Between the middles of two hours lies what is between their means.
    middle = starts_ms + bucket_ms // 2 - HOUR_MS // 2
    hours = middle // HOUR_MS
    share = ((middle - hours * HOUR_MS) / HOUR_MS).astype(np.float32)
    return Expected(
        _between(profile[:, _slot(hours)], profile[:, _slot(hours + 1)], share),
        _between(days[:, hours % 24], days[:, (hours + 1) % 24], share),
    )


def _slot(hour: "int | NDArray[np.int64]") -> "int | NDArray[np.int64]":
    return (hour - MONDAY_MS // HOUR_MS) % SLOTS


def _between(left: Float32, right: Float32, share: Float32) -> Float32:
    """Return the value `share` of the way from left to right; the known one if only one is."""
    left_known, right_known = left >= 0.0, right >= 0.0
    both = left + share * (right - left)
    one = np.where(left_known, left, right)
    return np.where(left_known & right_known, both, one).astype(np.float32)
