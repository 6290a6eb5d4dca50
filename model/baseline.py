"""Baseline: the seasonal reference with over-dispersed count quantiles; no TensorFlow."""

from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from model.forecaster import Float32, Forecasts, mend_state, settle
from model.scales import (
    LARGEST_SCALE,
    SCALE_COUNT,
    SEEN,
    SPREAD,
    Observed,
    initial_scales,
    observe,
)
from model.window import Window

BASELINE_VERSION: Final = "baseline-2"
"""Changed with the arithmetic of this module, `scales` or `seasonal`."""

_WARM_CELLS: Final = 4_000_000
"""Most (row, genre, step) cells computed at once while warming: bounds memory to some 100 MB."""


class Baseline:
    """Seasonal climatology moved to the recent level, with gamma-shaped intervals.

    Works from the very first bucket: without a day of history the recent level is the forecast,
    and the interval is wide until the noise has been seen.
    """

    kind: Literal["baseline"] = "baseline"
    version = BASELINE_VERSION
    state_width = SCALE_COUNT

    def __init__(self, horizon: int, quantiles: tuple[float, ...]) -> None:
        self.horizon = horizon
        self.quantiles = quantiles

    def initial_state(self, genre_count: int) -> Float32:
        """Return the state before any bucket, `(G, state_width)`."""
        return initial_scales(genre_count)

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        """See `Forecaster.advance`."""
        usable, reset_genres = mend_state(self, state, window, LARGEST_SCALE)
        row = len(window) - 1
        observed = observe(window.past(), row, row + 1, scales=usable, horizon=self.horizon)
        mean, quantiles = reference_quantiles(observed, self.quantiles)
        return observed.last, settle(mean, quantiles, reset_genres)

    def warm(self, window: Window) -> Float32:
        """See `Forecaster.warm`."""
        scales = self.initial_state(window.genre_count)
        past = window.past()
        rows = max(1, _WARM_CELLS // max(1, window.genre_count * 2))
        for first in range(0, len(window), rows):
            stop = min(first + rows, len(window))
            # One step ahead is all that the state needs.
            scales = observe(past, first, stop, scales=scales, horizon=1).last
        return scales


def reference_quantiles(observed: Observed, levels: tuple[float, ...]) -> tuple[Float32, Float32]:
    """Return the last row's reference `(G, H)` and its quantiles `(G, H, Q)`."""
    mean = observed.reference[-1]
    scales = observed.scales[-1]
    steps = np.arange(mean.shape[1], dtype=np.float32)
    # Uncertainty grows with the step, and is larger while little has been seen.
    growth = 1.0 + 0.25 * np.log1p(steps) + 1.5 / (scales[:, SEEN, None] + 1.0)
    deviation = scales[:, SPREAD, None] * np.sqrt(mean + 1.0) * growth
    return mean, count_quantiles(mean, deviation, levels)


def count_quantiles(mean: Float32, deviation: Float32, levels: tuple[float, ...]) -> Float32:
    """Return quantiles `(..., Q)` of gamma-distributed counts (Wilson and Hilferty).

    The gamma stands in for the negative binomial: same first two moments, no summing of
    probabilities, good down to a handful of clicks.

    Args:
        mean: Expected clicks, any shape.
        deviation: Standard deviation, same shape, positive.
        levels: Quantile levels.
    """
    centre = np.maximum(mean.astype(np.float64), 0.02)
    shape = np.clip((centre / np.maximum(deviation, 0.1)) ** 2, 1e-3, 1e9)
    z: NDArray[np.float64] = np.array([NormalDist().inv_cdf(level) for level in levels])
    cube = 1.0 - 1.0 / (9.0 * shape[..., None]) + z / (3.0 * np.sqrt(shape[..., None]))
    values: NDArray[np.float64] = centre[..., None] * np.maximum(cube, 0.0) ** 3
    return values.astype(np.float32)
