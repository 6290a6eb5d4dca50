"""Seasonal naive: what came at the same time yesterday; the peer every model must beat."""

from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.forecaster import Forecasts, settle
from model.seasonal import buckets_per_day
from model.window import Window

_LEAST_ERRORS: Final = 8
"""Same-time errors needed before they say how wide the interval should be."""

_MOST_ERRORS: Final = 7
"""Days of same-time errors used: as many as matter, and the work per origin stays bounded."""


class SeasonalNaive:
    """Last value where no day of history is there; intervals from the errors it made before."""

    def __init__(self, horizon: int, quantiles: tuple[float, ...]) -> None:
        self.horizon = horizon
        self.quantiles = quantiles
        self._z = np.array([NormalDist().inv_cdf(level) for level in quantiles], np.float32)

    def forecast(self, window: Window) -> Forecasts:
        """Return the forecast from the window's last bucket."""
        day = buckets_per_day(window.bucket_ms)
        mean = np.zeros((window.genre_count, self.horizon), np.float32)
        last, _ = window.lag(0)
        for step in range(1, self.horizon + 1):
            days = -(-step // day)
            value, is_known = window.lag(days * day - step)
            mean[:, step - 1] = np.where(is_known, value, last)
        deviation = self._deviation(window, day)[:, None, None]
        quantiles = mean[:, :, None] + deviation * self._z
        return settle(mean, np.asarray(quantiles, np.float32), ())

    def _deviation(self, window: Window, day: int) -> NDArray[np.float32]:
        """Return the root mean square of recent errors, clicks, `(G,)`."""
        past = window.past()
        lag = day if len(window) > day + _LEAST_ERRORS else 1
        stop = len(window)
        first = max(lag, stop - _MOST_ERRORS * day)
        if first >= stop:
            last, _ = window.lag(0)
            return np.asarray(np.sqrt(last + 1.0), np.float32)
        error = past.clicks(first, stop) - past.clicks(first - lag, stop - lag)
        known = np.arange(first - lag, stop - lag)[:, None] >= past.first_row
        squares = np.where(known, error.astype(np.float64) ** 2, 0.0).sum(axis=0)
        counted = known.sum(axis=0)
        return np.asarray(np.sqrt((squares + 1.0) / (counted + 1.0)), np.float32)
