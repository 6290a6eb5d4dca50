"""Scales: what a genre's state learns of its level and noise as it streams, and the reference.

The reference is the forecast that needs no network: climatology moved to the recent level.
Both forecasters stand on it, so they share this part of the state.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.profile import (
    HOUR_MS,
    PROFILE_COUNT,
    day_means,
    expect,
    initial_profile,
    known_mean,
    step_profile,
)
from model.seasonal import Climatology, buckets_per_day, climatology
from model.window import Past

Float32 = NDArray[np.float32]

SEEN, FAST, FAST_NORMAL, SLOW, EXPECTED, SPREAD = range(6)
"""Columns of the scales: buckets seen; recent level of clicks; recent level of what was normal;
level over a day; what was expected of the next bucket; noise relative to a Poisson count."""

LEVEL_COUNT: Final = 6
"""Of these columns; the weekly profile comes after them."""

SCALE_COUNT: Final = LEVEL_COUNT + PROFILE_COUNT
"""Float32 numbers of scales per genre."""

INITIAL_SPREAD: Final = 1.6
"""Spread before anything is known: wider than Poisson, so the first intervals are not too sure."""

LARGEST_SCALE: Final = 1e15
"""A stored number beyond this was never written by us."""

_FAST_MS: Final = 3_600_000
"""The recent level remembers about this long (an hour), but 4 to 30 buckets."""

_PULL_CLICKS: Final = 4.0
"""Clicks at the normal level that pull the recent level towards normal."""

_SHRINK_CLICKS: Final = 6.0
"""Clicks at the day's level mixed into climatology: one quiet minute yesterday proves little."""

_HALF_LIFE_MS: Final = 4 * 3_600_000
"""A departure from normal is expected to have halved after four hours."""

_STEP_TRUST: Final = 0.9
"""Share (on the log scale) of the current departure that is expected of the next bucket."""

_CLIP_FACTOR: Final = 20.0
"""A bucket moves the levels by at most this many times the level: bursts end."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a run of buckets left behind, per origin row.

    Attributes:
        scales: `(B, G, LEVEL_COUNT)` float32 after each row; initial where `present` is False.
        last: `(G, SCALE_COUNT)` float32 after the last row: what the next run goes on from.
        reference: `(B, G, H)` float32, clicks expected at steps 1..H without a network.
        expected_before: `(B, G)` float32, what the row before had expected of this row.
        present: `(B, G)` bool, whether the genre was there by the row.
        clicks: `(B, G)` float32.
        normal: The climatology used.
        week: `(B, G, H + 1)` float32, the weekly profile at steps 0..H; `UNKNOWN` if nothing.
        day: The same of its mean day.
        level: `(B, G)` float32, mean of that day's known hours; `UNKNOWN` if nothing.
    """

    scales: Float32
    last: Float32
    reference: Float32
    expected_before: Float32
    present: NDArray[np.bool_]
    clicks: Float32
    normal: Climatology
    week: Float32
    day: Float32
    level: Float32


def initial_scales(genre_count: int) -> Float32:
    """Return the scales before any bucket, `(G, SCALE_COUNT)`."""
    scales = np.zeros((genre_count, LEVEL_COUNT), np.float32)
    scales[:, SPREAD] = INITIAL_SPREAD
    return np.concatenate([scales, initial_profile(genre_count)], axis=1)


def observe(past: Past, first: int, stop: int, *, scales: Float32, horizon: int) -> Observed:
    """Take the rows `[first, stop)` into `scales`, one after another.

    Args:
        past: Closed buckets; rows at or after `stop` are not read.
        first: First row.
        stop: Row after the last.
        scales: `(G, SCALE_COUNT)` float32 before row `first`.
        horizon: Steps ahead, H.
    """
    normal = climatology(past, first, stop, horizon)
    clicks = past.clicks(first, stop).astype(np.float32)
    present = np.arange(first, stop)[:, None] >= past.first_row[None, :]
    path = np.empty((stop - first, len(scales), LEVEL_COUNT), np.float32)
    before = np.empty(clicks.shape, np.float32)
    reference = np.empty((*clicks.shape, horizon), np.float32)
    week = np.empty((*clicks.shape, horizon + 1), np.float32)
    day, level = np.empty_like(week), np.empty_like(before)
    days: Float32 | None = None
    for row in range(stop - first):
        before[row] = scales[:, EXPECTED]
        ahead_ms = past.bucket_ms * np.arange(horizon + 1, dtype=np.int64)
        starts_ms = past.calendar.like_ms(past.starts_ms[first + row] + ahead_ms)
        start_ms = int(starts_ms[0])
        stepped = _step(scales, clicks[row], normal, row, start_ms, past.bucket_ms)
        is_whole = bool(present[row].all())
        scales = stepped if is_whole else np.where(present[row][:, None], stepped, scales)
        reference[row] = _reference(
            scales, normal.mean[row, :, 1:], normal.support[row, :, 1:], past.bucket_ms
        )
        np.copyto(scales[:, EXPECTED], reference[row, :, 0], where=present[row])
        path[row] = scales[:, :LEVEL_COUNT]
        # Within an hour the profile's hours stay as they are.
        if days is None or (start_ms + past.bucket_ms) // HOUR_MS != start_ms // HOUR_MS:
            days = day_means(scales[:, LEVEL_COUNT:])
        usual = expect(
            scales[:, LEVEL_COUNT:],
            days,
            starts_ms=starts_ms,
            bucket_ms=past.bucket_ms,
        )
        week[row], day[row], level[row] = usual.week, usual.day, known_mean(days, axis=1)
    return Observed(path, scales, reference, before, present, clicks, normal, week, day, level)


def observed_after(past: Past, row: int, *, scales: Float32, horizon: int) -> Observed:
    """Return what `observe` leaves behind of one row, from the scales after it.

    What the row before had expected of it is not in them: `expected_before` is NaN.

    Args:
        past: Closed buckets; rows after `row` are not read.
        row: The origin.
        scales: `(G, SCALE_COUNT)` float32 after the row.
        horizon: Steps ahead, H.
    """
    normal = climatology(past, row, row + 1, horizon)
    clicks = past.clicks(row, row + 1).astype(np.float32)
    reference = _reference(scales, normal.mean[0, :, 1:], normal.support[0, :, 1:], past.bucket_ms)
    days = day_means(scales[:, LEVEL_COUNT:])
    ahead_ms = past.bucket_ms * np.arange(horizon + 1, dtype=np.int64)
    starts_ms = past.calendar.like_ms(past.starts_ms[row] + ahead_ms)
    usual = expect(scales[:, LEVEL_COUNT:], days, starts_ms=starts_ms, bucket_ms=past.bucket_ms)
    return Observed(
        scales=scales[None, :, :LEVEL_COUNT],
        last=scales,
        reference=reference[None],
        expected_before=np.full(clicks.shape, np.nan, np.float32),
        present=past.first_row[None, :] <= row,
        clicks=clicks,
        normal=normal,
        week=usual.week[None],
        day=usual.day[None],
        level=known_mean(days, axis=1)[None],
    )


def usual_clicks(observed: Observed) -> Float32:
    """Return clicks at the same time before, drawn to the day's level, `(B, G, H)`.

    The day's level itself where nothing is known of that time.
    """
    normal, slow = observed.normal, observed.scales[:, :, SLOW, None]
    return _shrunk(normal.mean[:, :, 1:], normal.support[:, :, 1:], slow)


def fast_rates(scales: Float32, bucket_ms: int) -> Float32:
    """Return how much of the recent level each bucket was, `(B, G)`, by the scales after it."""
    # `seen` has the bucket itself in it.
    rates = np.maximum(1.0 / scales[:, :, SEEN], 1.0 / _fast_buckets(bucket_ms))
    return np.asarray(rates, np.float32)


def _fast_buckets(bucket_ms: int) -> float:
    return float(min(max(_FAST_MS // bucket_ms, 4), 30))


def _slow_buckets(bucket_ms: int) -> float:
    return float(min(max(buckets_per_day(bucket_ms), 14), 1440))


def _step(
    scales: Float32,
    clicks: Float32,
    normal: Climatology,
    row: int,
    start_ms: int,
    bucket_ms: int,
) -> Float32:
    """Return the scales `(G, SCALE_COUNT)` after one bucket of `clicks` `(G,)`.

    What is expected of the next one is not in them yet.
    """
    seen = scales[:, SEEN]
    fast_rate = np.maximum(1.0 / (seen + 1.0), 1.0 / _fast_buckets(bucket_ms))
    slow_rate = np.maximum(1.0 / (seen + 1.0), 1.0 / _slow_buckets(bucket_ms))
    # The first bucket sets the level; after that a burst moves it by a bounded factor.
    roof = np.where(seen > 0, _CLIP_FACTOR * (scales[:, SLOW] + scales[:, FAST] + 2.0), np.inf)
    counted = np.minimum(clicks, roof)
    supported = normal.support[row, :, 0] > 0
    usual = _shrunk(normal.mean[row, :, 0], normal.support[row, :, 0], scales[:, SLOW])
    usual = np.where(supported, usual, counted)
    after = np.empty_like(scales)
    after[:, SEEN] = np.minimum(seen + 1.0, 1e6)
    after[:, FAST] = scales[:, FAST] + fast_rate * (counted - scales[:, FAST])
    after[:, FAST_NORMAL] = scales[:, FAST_NORMAL] + fast_rate * (usual - scales[:, FAST_NORMAL])
    after[:, SLOW] = scales[:, SLOW] + slow_rate * (counted - scales[:, SLOW])
    after[:, SPREAD] = _next_spread(scales, clicks, bucket_ms)
    after[:, LEVEL_COUNT:] = step_profile(
        scales[:, LEVEL_COUNT:], counted, start_ms=start_ms, bucket_ms=bucket_ms, seen=seen
    )
    return after


def _next_spread(scales: Float32, clicks: Float32, bucket_ms: int) -> Float32:
    """Return the noise level after seeing how far `clicks` was from what was expected."""
    expected = scales[:, EXPECTED]
    error = np.minimum(np.abs(clicks - expected) / np.sqrt(expected + 1.0), 50.0)
    rate = np.maximum(1.0 / (scales[:, SEEN] + 4.0), 0.5 / _fast_buckets(bucket_ms))
    # 1.25 times a mean absolute error is a standard deviation.
    moved = scales[:, SPREAD] + rate * (1.25 * error - scales[:, SPREAD])
    return np.where(scales[:, SEEN] > 0, moved, scales[:, SPREAD]).astype(np.float32)


def _shrunk(mean: Float32, support: Float32, slow: Float32) -> Float32:
    """Return climatology drawn to the day's level where it rests on few clicks."""
    weight = slow * support
    share = weight / (weight + _SHRINK_CLICKS)
    return (share * mean + (1.0 - share) * slow).astype(np.float32)


def _reference(scales: Float32, mean: Float32, support: Float32, bucket_ms: int) -> Float32:
    """Return clicks expected per step, `(G, H)`, from scales `(G, SCALE_COUNT)`.

    Args:
        scales: After the origin.
        mean: Of the climatology, `(G, H)`.
        support: Of the climatology, `(G, H)`.
        bucket_ms: Bucket length.
    """
    memory = _fast_buckets(bucket_ms)
    fast, usual = scales[:, FAST], scales[:, FAST_NORMAL]
    departure = (memory * fast + _PULL_CLICKS) / (memory * usual + _PULL_CLICKS)
    departure = np.clip(departure, 1.0 / _CLIP_FACTOR, _CLIP_FACTOR)
    usual_then = _shrunk(mean, support, scales[:, SLOW, None])
    moved = usual_then * departure[:, None] ** _trust(mean.shape[1], bucket_ms)
    return np.where(support > 0, moved, fast[:, None]).astype(np.float32)


@lru_cache(maxsize=64)
def _trust(horizon: int, bucket_ms: int) -> Float32:
    """Return the share (on the log scale) of today's departure expected of each step, `(H,)`."""
    steps = np.arange(horizon, dtype=np.float32)
    trust = np.exp2(-steps * np.float32(bucket_ms / _HALF_LIFE_MS))
    return np.asarray(np.float32(_STEP_TRUST) * trust, np.float32)
