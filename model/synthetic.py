"""Simulated series to train on: many genres as a platform might see them, at any bucket length."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_SECONDS
from contracts.measures import MEASURE_COUNT
from model.history import History

Float64 = NDArray[np.float64]

MONDAY_MS: Final = 1_735_516_800_000
"""Monday 2024-12-30 00:00 UTC, epoch ms: series begin within the year after it."""

LEAST_LEVEL: Final = 0.1
MOST_LEVEL: Final = 2_000.0
"""Clicks per bucket of the smallest and largest genres; in between as Zipf's law would have it."""

_HOUR: Final = 3600.0
_DAYS_PER_WEEK: Final = 7


def simulate_history(
    seed: int, *, bucket_seconds: int, bucket_count: int, genre_count: int
) -> History:
    """Return simulated clicks, alike for alike arguments."""
    rng = np.random.default_rng([seed, bucket_seconds, bucket_count, genre_count])
    start_s = MONDAY_MS // 1000 + int(rng.integers(0, 365)) * DAY_SECONDS
    start_s += int(rng.integers(0, DAY_SECONDS // bucket_seconds)) * bucket_seconds
    seconds = start_s + np.arange(bucket_count, dtype=np.int64) * bucket_seconds
    span = np.log(MOST_LEVEL / LEAST_LEVEL)
    levels = LEAST_LEVEL * np.exp(span * rng.random(genre_count))
    first = np.where(rng.random(genre_count) < 0.3, rng.integers(0, bucket_count, genre_count), 0)
    cells = np.zeros((bucket_count, genre_count, MEASURE_COUNT), np.int64)
    for genre in range(genre_count):
        rate = levels[genre] * np.exp(_log_rhythm(rng, seconds) + _log_drift(rng, seconds))
        rate *= _premieres(rng, seconds)
        clicks = _overdispersed(rng, np.minimum(rate, 50 * MOST_LEVEL))
        clicks[: first[genre]] = 0
        cells[:, genre, 0] = clicks
        if rng.random() < 0.5:
            _fill_audience(rng, cells[:, genre])
    counted = cells[:, :, 0] > 0
    # A genre exists from its first click on; one that never had any begins after the end.
    first_row = np.where(counted.any(axis=0), counted.argmax(axis=0), bucket_count)
    return History(
        names=tuple(f"genre-{genre:03d}" for genre in range(genre_count)),
        bucket_seconds=bucket_seconds,
        starts_ms=seconds * 1000,
        cells=cells,
        first_row=first_row.astype(np.int64),
    )


def _log_rhythm(rng: np.random.Generator, seconds: NDArray[np.int64]) -> Float64:
    """Return the daily and weekly rhythm on the log scale, about 0 on average."""
    hour = (seconds % DAY_SECONDS) / _HOUR
    day = (seconds // DAY_SECONDS - MONDAY_MS // 1000 // DAY_SECONDS) % _DAYS_PER_WEEK
    strength = rng.choice([0.0, 0.5, 1.0, 1.5], p=[0.1, 0.3, 0.4, 0.2])
    rhythm: Float64 = _log_day(rng, hour) * strength
    if rng.random() < 0.5:
        # Weekends with a day of their own: later mornings, other evenings.
        weekend = _log_day(rng, hour) * strength
        share = rng.uniform(0.2, 0.9)
        rhythm = np.asarray(np.where(day >= 5, rhythm + share * (weekend - rhythm), rhythm))
    weekday = rng.normal(0.0, 0.08, _DAYS_PER_WEEK)
    weekday[5:] += rng.normal(0.0, 0.3)
    weekday *= rng.random() < 0.8
    rhythm += weekday[day] - rhythm.mean()
    return rhythm


def _log_day(rng: np.random.Generator, hour: Float64) -> Float64:
    """Return one kind of day on the log scale: an evening peak, a lesser one, a night."""
    shape: Float64 = rng.uniform(0.5, 1.2) * _bump(hour, rng.normal(20.5, 1.5), rng.uniform(1.5, 4))
    shape += rng.uniform(0.0, 0.9) * _bump(hour, rng.uniform(7, 15), rng.uniform(1, 3))
    shape -= rng.uniform(0.3, 1.5) * _bump(hour, rng.normal(4.0, 1.0), rng.uniform(2, 4))
    return shape


def _bump(hour: Float64, centre: float, width: float) -> Float64:
    """Return a bell over the hours of the day, around the clock."""
    apart = (hour - centre + 12.0) % 24.0 - 12.0
    bell: Float64 = np.exp(-0.5 * (apart / width) ** 2)
    return bell


def _log_drift(rng: np.random.Generator, seconds: NDArray[np.int64]) -> Float64:
    """Return trend, slow and fast wandering and level shifts, on the log scale."""
    count = len(seconds)
    bucket = float(seconds[1] - seconds[0])
    days = (seconds - seconds[0]) / DAY_SECONDS
    drift: Float64 = rng.normal(0.0, 0.02) * np.minimum(days, 40.0)
    slow_hours = np.exp(rng.uniform(np.log(2.0), np.log(120.0)))
    drift += _wander(rng, count, slow_hours * _HOUR / bucket) * rng.choice([0.04, 0.12, 0.3])
    drift += _wander(rng, count, rng.uniform(1.0, 12.0)) * rng.uniform(0.0, 0.25)
    if rng.random() < 0.2:
        drift += rng.normal(0.0, 0.6) * (np.arange(count) >= rng.integers(0, count))
    return drift


def _wander(rng: np.random.Generator, count: int, memory: float) -> Float64:
    """Return a first-order autoregression of unit variance that forgets over `memory` buckets."""
    keep = float(np.exp(-1.0 / max(memory, 0.5)))
    shocks = rng.normal(0.0, np.sqrt(1.0 - keep**2), count)
    path = np.empty(count)
    value = rng.normal()
    for row in range(count):
        value = keep * value + shocks[row]
        path[row] = value
    return path


def _premieres(rng: np.random.Generator, seconds: NDArray[np.int64]) -> Float64:
    """Return a factor, at least 1: sudden bursts that decay; some come weekly, as episodes do."""
    factor = np.ones(len(seconds))
    bucket = float(seconds[1] - seconds[0])
    kind = rng.choice(["none", "sudden", "weekly"], p=[0.4, 0.4, 0.2])
    if kind == "none":
        return factor
    if kind == "weekly":
        slot = rng.uniform(0, _DAYS_PER_WEEK * DAY_SECONDS)
        first = float(seconds[0]) + slot
        times = np.arange(first, float(seconds[-1]), _DAYS_PER_WEEK * DAY_SECONDS)
    else:
        mean_gap = max(rng.uniform(2.0, 10.0) * DAY_SECONDS, 60.0 * bucket)
        expected = (seconds[-1] - seconds[0]) / mean_gap
        times = rng.uniform(float(seconds[0]), float(seconds[-1]), rng.poisson(expected))
    decay = max(np.exp(rng.uniform(np.log(0.5), np.log(18.0))) * _HOUR, 2.0 * bucket)
    size = np.exp(rng.normal(0.7, 0.8))
    for time in times:
        after = np.maximum(seconds - time, 0.0)
        height = size * np.exp(rng.normal(0.0, 0.3))
        factor += np.where(seconds >= time, height * np.exp(-after / decay), 0.0)
    return np.minimum(factor, 60.0)


def _overdispersed(rng: np.random.Generator, rate: Float64) -> NDArray[np.int64]:
    """Return counts whose variance exceeds a Poisson's by a share of the squared rate."""
    excess = rng.choice([0.0, 0.02, 0.1, 0.4], p=[0.3, 0.35, 0.25, 0.1])
    if excess:
        rate = rate * rng.gamma(1.0 / excess, excess, len(rate))
    return rng.poisson(rate).astype(np.int64)


def _fill_audience(rng: np.random.Generator, cells: NDArray[np.int64]) -> None:
    """Add watch time and audience to the cells `(T, MEASURE_COUNT)` of one genre, in place."""
    clicks = cells[:, 0]
    watched = rng.binomial(clicks, rng.uniform(0.3, 0.9))
    aged = rng.binomial(clicks, rng.uniform(0.3, 1.0))
    female = rng.binomial(clicks, rng.uniform(0.2, 0.6))
    cells[:, 1] = (watched * 1000 * rng.uniform(60, 2400)).astype(np.int64)
    cells[:, 2] = watched
    cells[:, 3] = (aged * rng.uniform(18, 60)).astype(np.int64)
    cells[:, 4] = aged
    cells[:, 5] = female
    cells[:, 6] = rng.binomial(clicks - female, 0.9)
    cells[:, 7] = clicks - female - cells[:, 6]
