"""Features: what the network reads of a genre at an origin; the same code trains and serves.

Everything is relative to the genre's own level, so one network serves 0.1 and 2,000 clicks per
bucket. Reads rows up to the origin only.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from model.audience import AUDIENCE
from model.scales import FAST, SEEN, SLOW, SPREAD, Observed
from model.seasonal import buckets_per_day
from model.window import Past

Float32 = NDArray[np.float32]

_HALF_CLICK: Final = 0.5
"""Clicks added before taking logarithms: 0 has none."""

_LIMIT: Final = 8.0
"""Features are clipped to this: a hostile count must not drive the network out of its range."""

_DAY_HARMONICS: Final = 3
_WEEK_HARMONICS: Final = 3
_WEEK_MS: Final = 7 * DAY_MS
_MONDAY_MS: Final = 4 * DAY_MS
"""The epoch began on a Thursday; the first Monday came four days later."""

_LEVEL_FEATURES: Final = (
    "surprise",
    "clicks_to_day_level",
    "recent_to_day_level",
    "day_level",
    "spread",
    "has_day",
    "has_week",
    "age_in_days",
    "age_in_buckets",
    "bucket_length",
)
_CALENDAR_FEATURES: Final = tuple(
    f"{when}_{cycle}_{wave}{harmonic}"
    for when in ("next", "last")
    for cycle, count in (("day", _DAY_HARMONICS), ("week", _WEEK_HARMONICS))
    for harmonic in range(1, count + 1)
    for wave in ("sin", "cos")
)


def feature_names(horizon: int) -> tuple[str, ...]:
    """Return the names of the features, in their order."""
    ahead = range(1, horizon + 1)
    return (
        *_LEVEL_FEATURES,
        *AUDIENCE,
        *_CALENDAR_FEATURES,
        *(f"reference_{step}" for step in ahead),
        *(f"week_to_reference_{step}" for step in ahead),
    )


def build_features(past: Past, first: int, stop: int, observed: Observed) -> Float32:
    """Return the features of the origin rows `[first, stop)`, `(B, G, F)` float32, within ±8."""
    parts = [
        _level_features(observed, past.bucket_ms),
        past.audience[first:stop].astype(np.float32),
        _calendar_features(past, first, stop, observed.reference.shape[2]),
        *_reference_features(observed),
    ]
    return np.clip(np.concatenate(parts, axis=2), -_LIMIT, _LIMIT)


def noise_unit(observed: Observed) -> Float32:
    """Return the genre's own measure of noise per step, clicks, `(B, G, H)` float32, > 0."""
    unit = observed.scales[:, :, SPREAD, None] * np.sqrt(observed.reference + 1.0) + 0.05
    return np.asarray(unit, np.float32)


def _log_ratio(top: Float32, bottom: Float32) -> Float32:
    ratio: Float32 = np.log((top + _HALF_CLICK) / (bottom + _HALF_CLICK))
    return ratio


def _level_features(observed: Observed, bucket_ms: int) -> Float32:
    scales = observed.scales
    slow, seen, spread = scales[:, :, SLOW], scales[:, :, SEEN], scales[:, :, SPREAD]
    expected = observed.expected_before
    noise = np.maximum(spread, 0.1) * np.sqrt(expected + 1.0)
    columns = [
        np.arcsinh((observed.clicks - expected) / noise),
        _log_ratio(observed.clicks, slow),
        _log_ratio(scales[:, :, FAST], slow),
        np.log1p(slow) / 4.0,
        np.log(np.maximum(spread, 0.05)),
        observed.normal.support[:, :, 1] > 0,
        observed.normal.week_support[:, :, 1] > 0,
        np.log1p(seen / buckets_per_day(bucket_ms)),
        np.log1p(seen) / 4.0,
        np.full(slow.shape, np.log(bucket_ms / 3_600_000.0) / 2.0),
    ]
    return np.stack(columns, axis=2).astype(np.float32)


def _calendar_features(past: Past, first: int, stop: int, horizon: int) -> Float32:
    """Return harmonics of the first and of the last bucket forecast, alike for all genres."""
    starts = past.starts_ms[first:stop]
    waves = []
    for ahead in (1, horizon):
        then = starts + ahead * past.bucket_ms
        for period, origin, count in (
            (DAY_MS, 0, _DAY_HARMONICS),
            (_WEEK_MS, _MONDAY_MS, _WEEK_HARMONICS),
        ):
            # Reduced as whole numbers first: epoch milliseconds are too long for float32.
            turn = 2.0 * np.pi * ((then - origin) % period) / period
            for harmonic in range(1, count + 1):
                waves += [np.sin(harmonic * turn), np.cos(harmonic * turn)]
    calendar = np.stack(waves, axis=1).astype(np.float32)
    genre_count = past.prefix.shape[1]
    spread: Float32 = np.repeat(calendar[:, None, :], genre_count, axis=1)
    return spread


def _reference_features(observed: Observed) -> tuple[Float32, Float32]:
    reference = observed.reference
    week = _log_ratio(observed.normal.week[:, :, 1:], reference)
    known = observed.normal.week_support[:, :, 1:] > 0
    level = observed.scales[:, :, SLOW, None]
    return _log_ratio(reference, level), np.where(known, week, 0.0).astype(np.float32)
