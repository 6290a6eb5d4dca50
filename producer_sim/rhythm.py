"""When people click: a pure function of the seed and of absolute time, genre by genre."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from producer_sim.genres import GenreProfile, shares

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HOUR_MS: Final = 3_600_000
"""Milliseconds in an hour."""

WEEK_MS: Final = 7 * DAY_MS
"""Milliseconds in a week."""

EPOCH_TO_MONDAY_MS: Final = 4 * DAY_MS
"""From 1970-01-01, a Thursday, to the first Monday 00:00 UTC, ms."""

NOISE_SLOTS: Final = ((60_000, 1.0), (900_000, 0.5), (10_800_000, 0.5))
"""Lengths in ms over which a gamma factor holds, and its variance as a multiple of `noise`: a
minute, a quarter of an hour, three hours. One scale alone would average out in larger buckets."""

_TREND, _PREMIERE, _NOISE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Premieres:
    """The premieres of one week, one at most per genre; arrays `(G,)`."""

    at_ms: Integers
    height: Floats
    decay_ms: Floats


class Rhythm:
    """Relative rates of all genres: 1 in sum over an average week without premieres."""

    def __init__(self, genres: tuple[GenreProfile, ...], seed: int) -> None:
        self._seed = seed
        self._share = np.array(shares(genres))
        self._peak = np.array([genre.peak_hour for genre in genres])
        self._height = np.array([genre.peak_height for genre in genres])
        self._weekend = np.array([genre.weekend_factor for genre in genres])
        self._noise = np.array([genre.noise for genre in genres])
        self._premiere_chance = np.array([genre.premieres_per_week for genre in genres])
        quarters = np.arange(96) / 4
        self._daily_mean = sum(self._raw_daily(hour) for hour in quarters) / len(quarters)
        self._weekly_mean = (4 + np.sqrt(self._weekend) + 2 * self._weekend) / 7
        rng = np.random.default_rng([seed, _TREND])
        self._trend_period_ms = rng.uniform(60, 200, len(genres)) * DAY_MS
        self._trend_phase = rng.uniform(0, 2 * np.pi, len(genres))
        self._weeks: dict[int, Premieres] = {}
        self._factors: dict[tuple[int, int], Floats] = {}

    def rates(self, times_ms: Integers) -> tuple[Floats, Floats]:
        """Return rates with noise and premieres, and the premieres' part of them in 0..1.

        Args:
            times_ms: Epoch ms, shape `(K,)`.

        Returns:
            Two arrays `(K, G)`.
        """
        boost = np.stack([self.premiere_boost(int(at)) for at in times_ms])
        calm = np.stack([self.calm_rates(int(at)) * self._noise_factor(int(at)) for at in times_ms])
        return calm * (1 + boost), boost / (1 + boost)

    def calm_rates(self, at_ms: int) -> Floats:
        """Return rates `(G,)` by size, day, week and trend alone."""
        hour = at_ms % DAY_MS / HOUR_MS
        weekday = (at_ms - EPOCH_TO_MONDAY_MS) // DAY_MS % 7
        week = np.ones_like(self._weekend)
        if weekday >= 5:
            week = self._weekend
        elif weekday == 4:
            week = np.sqrt(self._weekend)
        trend = np.exp(0.2 * np.sin(2 * np.pi * at_ms / self._trend_period_ms + self._trend_phase))
        daily = self._raw_daily(hour) / self._daily_mean
        rates: Floats = self._share * daily * week / self._weekly_mean * trend
        return rates

    def premiere_boost(self, at_ms: int) -> Floats:
        """Return what premieres add `(G,)`, as a multiple of the calm rate: a jump that decays."""
        week = (at_ms - EPOCH_TO_MONDAY_MS) // WEEK_MS
        boost = np.zeros_like(self._share)
        # Decay is 10 h at most: nothing is left of a premiere two weeks ago.
        for premieres in (self.premieres(week - 1), self.premieres(week)):
            since = at_ms - premieres.at_ms
            fading = premieres.height * np.exp(-np.maximum(since, 0) / premieres.decay_ms)
            boost += np.where(since >= 0, fading, 0.0)
        return boost

    def premieres(self, week: int) -> Premieres:
        """Return the premieres of the week that begins on Monday number `week`."""
        if week not in self._weeks:
            rng = np.random.default_rng([self._seed, _PREMIERE, week % 2**32])
            size = len(self._share)
            happens = rng.random(size) < self._premiere_chance
            day = rng.integers(0, 7, size)
            monday = week * WEEK_MS + EPOCH_TO_MONDAY_MS
            at_ms = monday + day * DAY_MS + np.round((self._peak - 1) * HOUR_MS).astype(np.int64)
            height = np.where(happens, np.exp(rng.normal(0.7, 0.5, size)), 0.0)
            decay_ms = rng.uniform(1.5, 10, size) * HOUR_MS
            if len(self._weeks) >= 8:
                self._weeks.clear()
            self._weeks[week] = Premieres(at_ms, height, decay_ms)
        return self._weeks[week]

    def _raw_daily(self, hour: float) -> Floats:
        height = self._height * _bump(hour, self._peak, 2.6)
        lunch, night = _bump(hour, np.array(12.5), 1.4), _bump(hour, np.array(4.0), 2.8)
        daily: Floats = np.exp(height + 0.35 * lunch - 1.2 * night)
        return daily

    def _noise_factor(self, at_ms: int) -> Floats:
        factor = np.ones_like(self._share)
        for scale, (slot_ms, part) in enumerate(NOISE_SLOTS):
            key = (scale, at_ms // slot_ms)
            if key not in self._factors:
                if len(self._factors) >= 64:
                    self._factors.clear()
                rng = np.random.default_rng([self._seed, _NOISE, scale, key[1] % 2**32])
                variance = np.maximum(self._noise * part, 1e-9)
                self._factors[key] = rng.gamma(1 / variance, variance)
            factor = factor * self._factors[key]
        return factor


def _bump(hour: float, centre: Floats, width: float) -> Floats:
    """Return a bell over the hours of a day, midnight being no border."""
    apart = (hour - centre + 12) % 24 - 12
    bell: Floats = np.exp(-0.5 * (apart / width) ** 2)
    return bell
