"""Features: what the network reads of a genre at an origin; the same code trains and serves.

Everything is relative to the genre's own level, so one network serves 0.1 and 2,000 clicks per
bucket. Reads rows up to the origin only.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from model.audience import AUDIENCE
from model.calendar import CALENDAR, calendar_waves
from model.scales import FAST, FAST_NORMAL, SEEN, SLOW, SPREAD, Observed
from model.seasonal import LAG_DAYS, buckets_per_day, lagged
from model.window import Past

Float32 = NDArray[np.float32]

HALF_CLICK: Final = 0.5
"""Clicks added before taking logarithms: 0 has none."""

_LIMIT: Final = 8.0
"""Features are clipped to this: a hostile count must not drive the network out of its range."""

_RECENT_BUCKETS: Final = (2, 4, 8, 16)
"""Stretches of the last buckets whose mean is read: several rates, one step of the network."""

_COMPARED_BUCKETS: Final = (4, 16)
"""Stretches that are compared with the same stretch a day and a week before."""

_STRETCH_NUMBERS: Final = 100_000
"""Means computed at once, about."""

_LAGS_COUNTED: Final = np.array([(days <= 7, days % 7 == 0) for days in LAG_DAYS], np.float32)
"""Which lags `days_known` and `weeks_known` are shares of, `(L, 2)`."""

_LEVEL_FEATURES: Final = (
    "surprise",
    "clicks_to_day_level",
    "recent_to_day_level",
    "recent_to_usual",
    "day_level",
    "spread",
    "has_day",
    "has_week",
    "age_in_days",
    "age_in_buckets",
    "bucket_length",
    "profile_level_to_day_level",
    "has_profile",
    "recent_to_profile",
)

FEATURES: Final = (
    *_LEVEL_FEATURES,
    *(f"last_{count}_to_day_level" for count in _RECENT_BUCKETS),
    "last_day_to_day_level",
    "last_week_to_day_level",
    *(
        f"last_{count}_to_{ago}"
        for count in _COMPARED_BUCKETS
        for ago in ("yesterday", "last_week")
    ),
    *AUDIENCE,
    *CALENDAR,
)
"""Names of the features of an origin, in their order: what the core reads."""

STEP_FEATURES: Final = (
    "reference_to_day_level",
    "support",
    *(f"{days}_days_ago" for days in LAG_DAYS),
    "days_known",
    "weeks_known",
    "profile_week",
    "profile_day",
    "has_profile",
    "step",
    "days_ahead",
    *CALENDAR,
)
"""Names of the features of one step ahead, in their order: what the head reads beside the core."""


def build_features(past: Past, first: int, stop: int, observed: Observed) -> Float32:
    """Return the features of the origin rows `[first, stop)`, `(B, G, F)` float32, within ±8."""
    starts = past.calendar.like_ms(past.starts_ms[first:stop] + past.bucket_ms)
    parts = [
        *(column[..., None] for column in _level_features(observed, past.bucket_ms)),
        _recent_features(past, first, stop, observed.scales[:, :, SLOW]),
        past.audience[first:stop],
        calendar_waves(starts)[:, None],
    ]
    shape = (stop - first, past.prefix.shape[1], len(FEATURES))
    return _side_by_side(parts, shape)


def build_step_features(past: Past, first: int, stop: int, observed: Observed) -> Float32:
    """Return the features of every step of the origin rows, `(B, G, H, K)` float32, within ±8."""
    reference, scales = observed.reference, observed.scales
    horizon, genre_count = reference.shape[2], reference.shape[1]
    lags = lagged(past, first, stop, horizon)
    base = reference[..., None]
    ahead = np.arange(1, horizon + 1)
    starts = past.starts_ms[first:stop, None] + ahead * past.bucket_ms
    starts = past.calendar.like_ms(starts)
    usual = np.stack([observed.week[:, :, 1:], observed.day[:, :, 1:]], axis=-1)
    clicks_behind = observed.normal.support[:, :, 1:] * (scales[:, :, SLOW, None] + HALF_CLICK)
    parts = [
        _log_ratio(base, scales[:, :, SLOW, None, None]),
        np.log1p(clicks_behind)[..., None] / 4.0,
        np.where(lags.known, _log_ratio(lags.mean, base), 0.0),
        lags.known.astype(np.float32) @ _LAGS_COUNTED / _LAGS_COUNTED.sum(axis=0),
        np.where(usual >= 0, _log_ratio(usual, base), 0.0),
        usual[..., :1] >= 0,
        np.log(ahead)[:, None] / 2.0,
        (ahead * past.bucket_ms / DAY_MS)[:, None],
        calendar_waves(starts)[:, None],
    ]
    return _side_by_side(parts, (stop - first, genre_count, horizon, len(STEP_FEATURES)))


def noise_unit(observed: Observed) -> Float32:
    """Return the genre's own measure of noise per step, clicks, `(B, G, H)` float32, > 0."""
    unit = observed.scales[:, :, SPREAD, None] * np.sqrt(observed.reference + 1.0) + 0.05
    return np.asarray(unit, np.float32)


def _side_by_side(parts: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> Float32:
    """Return parts next to each other along the last axis, float32, within ±8.

    Written in place: each is spread over the genres where it is the same for all.
    """
    whole = np.empty(shape, np.float32)
    column = 0
    for part in parts:
        whole[..., column : column + part.shape[-1]] = part
        column += part.shape[-1]
    return whole.clip(-_LIMIT, _LIMIT, out=whole)


def _log_ratio(top: Float32, bottom: Float32) -> Float32:
    # What is not known is negative: never read, but its logarithm would warn.
    over, under = np.maximum(top, 0.0) + HALF_CLICK, np.maximum(bottom, 0.0) + HALF_CLICK
    ratio: Float32 = np.log(over / under)
    return ratio


def _level_features(observed: Observed, bucket_ms: int) -> list[NDArray[Any]]:
    scales = observed.scales
    slow, seen, spread = scales[:, :, SLOW], scales[:, :, SEEN], scales[:, :, SPREAD]
    fast = scales[:, :, FAST]
    expected = observed.expected_before
    noise = np.maximum(spread, 0.1) * np.sqrt(expected + 1.0)
    week, level = observed.week[:, :, 0], observed.level
    to_slow, recent_to_slow, recent_to_usual, level_to_slow, recent_to_week = _log_ratio(
        np.array([observed.clicks, fast, fast, level, fast]),
        np.array([slow, slow, scales[:, :, FAST_NORMAL], slow, week]),
    )
    return [
        np.arcsinh((observed.clicks - expected) / noise),
        to_slow,
        recent_to_slow,
        recent_to_usual,
        np.log1p(slow) / 4.0,
        np.log(np.maximum(spread, 0.05)),
        observed.normal.support[:, :, 1] > 0,
        observed.normal.week_support[:, :, 1] > 0,
        np.log1p(seen / buckets_per_day(bucket_ms)),
        np.log1p(seen) / 4.0,
        np.full(slow.shape, np.log(bucket_ms / 3_600_000.0) / 2.0),
        np.where(level >= 0, level_to_slow, 0.0),
        week >= 0,
        np.where(week >= 0, recent_to_week, 0.0),
    ]


def _recent_features(past: Past, first: int, stop: int, slow: Float32) -> Float32:
    """Return means of recent stretches, relative to the day's level and to the same before."""
    day = buckets_per_day(past.bucket_ms)
    alone = [(min(count, past.reach), 0) for count in (*_RECENT_BUCKETS, day, 7 * day)]
    now = [(count, 0) for count in _COMPARED_BUCKETS]
    before = [(count, ago) for count in _COMPARED_BUCKETS for ago in (day, 7 * day)]
    stretches = np.array([*alone, *now, *before])
    # All at once where there are few numbers, one after the other where memory would grow.
    at_once = max(1, _STRETCH_NUMBERS // max(1, slow.size))
    parts = [
        _stretches(past, first, stop, stretches[begin : begin + at_once])
        for begin in range(0, len(stretches), at_once)
    ]
    mean, known = (np.concatenate(column) for column in zip(*parts, strict=True))
    borders = [len(alone), len(alone) + len(now)]
    levels, recent, earlier = np.split(mean, borders)
    is_level, _, is_earlier = np.split(known, borders)
    tops = np.concatenate([levels, np.repeat(recent, 2, axis=0)])
    bottoms = np.concatenate([np.broadcast_to(slow, levels.shape), earlier])
    is_known = np.concatenate([is_level, is_earlier])
    ratios = np.where(is_known, _log_ratio(tops, bottoms), 0.0)
    return np.moveaxis(ratios, 0, 2).astype(np.float32)


def _stretches(
    past: Past, first: int, stop: int, stretches: NDArray[np.int64]
) -> tuple[Float32, NDArray[np.bool_]]:
    """Return the means of stretches before each row, and if any of their buckets is known.

    Of a stretch that begins before the genre, or out of reach, the rest counts.

    Args:
        past: Closed buckets.
        first: First row.
        stop: Row after the last.
        stretches: `(S, 2)` how many buckets, and how long before the row they ended, buckets.

    Returns:
        Means and what is known, both `(S, B, G)`.
    """
    count, ago = stretches[:, 0, None, None], stretches[:, 1, None, None]
    rows = np.arange(first, stop)[:, None]
    ends = rows + 1 - ago
    begins = np.maximum(np.maximum(ends - count, rows - (past.reach - 1)), past.first_row)
    np.maximum(begins, 0, out=begins)
    length = ends - begins
    known = length > 0
    genres = np.arange(past.prefix.shape[1])
    high, low = np.where(known, ends, 0), np.where(known, begins, 0)
    total = past.prefix[high, genres] - past.prefix[low, genres]
    return (total / np.maximum(length, 1)).astype(np.float32), known
