"""Integrated gradients of the network: how each input moved the mean forecast. Imports TensorFlow.

Source: Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks": the gradient is
integrated along the straight way from one input to another; times the way it sums to the change.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.moved import IntegralError
from model.network import FLOOR_CLICKS, Network
from model.runtime import import_tensorflow

import_tensorflow()
import tensorflow as tf  # noqa: E402 (after TensorFlow is brought in, quietly)

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FEWEST_POINTS: Final = 16
"""Points of the first try: to 0.1 % on nine of ten simulated series."""

MOST_POINTS: Final = 512
"""Points of the last try."""

LARGEST_ERROR: Final = 0.01
"""Most that the sum may lack of the change, as a share of it."""

_ROUNDING: Final = 2e-5
"""Share of what all inputs moved, either way, that float32 can't tell: allowed beside it."""

_LEAST_CLICKS: Final = 1e-4
"""Clicks below which an error is none: published forecasts have four decimals."""

_POINTS_AT_ONCE: Final = 32
"""Points computed together: memory grows with them times the buckets."""


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """All that a forecast of one genre is made from, L buckets read and H steps ahead.

    Attributes:
        features: `(L, F)`.
        steps: `(H, K)`.
        log_reference: `(H,)`, of the reference plus `FLOOR_CLICKS`.
        remembered: `(output_width,)`, added to the core's output.
    """

    features: Float32
    steps: Float32
    log_reference: Float32
    remembered: Float32

    def arrays(self) -> tuple[Float32, Float32, Float32, Float32]:
        """Return all of it, in order."""
        return self.features, self.steps, self.log_reference, self.remembered


@dataclass(frozen=True, slots=True)
class Integral:
    """The gradient integrated from one input to another.

    Attributes:
        gradients: Of every number of the input, in the order of `arrays`: clicks per unit.
        start: The forecast from the one input, clicks.
        end: The forecast from the other.
        error: What the sum over all inputs exceeds the change by, clicks.
        points: Points that it took.
    """

    gradients: tuple[Float64, ...]
    start: float
    end: float
    error: float
    points: int


@dataclass(slots=True)
class PathIntegral:
    """Integrates along straight ways through a network's inputs; traced once."""

    network: Network
    _walk: Any = field(init=False)

    def __post_init__(self) -> None:
        self._walk = tf.function(self._along, reduce_retracing=True)

    def between(
        self, start: NetworkInput, end: NetworkInput, memory: Float32, weights: Float32
    ) -> Integral:
        """Return the integral from one input to another, with as many points as it needs.

        Args:
            start: Where the way begins.
            end: Where it ends.
            memory: `(memory_width,)` of the network before the first bucket, the same all the way.
            weights: `(H,)` of the steps in the forecast that is explained.

        Raises:
            IntegralError: `MOST_POINTS` are too few.
        """
        fixed = (memory, weights)
        ends, _ = self._at(np.array([0.0, 1.0]), np.zeros(2), start, end, fixed)
        ways = [last - first for first, last in zip(start.arrays(), end.arrays(), strict=True)]
        change = float(ends[1] - ends[0])
        points = FEWEST_POINTS
        while True:
            found = self._integral(points, start, end, fixed)
            moved = [g * way for g, way in zip(found, ways, strict=True)]
            error = float(sum(part.sum() for part in moved)) - change
            gross = float(sum(np.abs(part).sum() for part in moved))
            if abs(error) <= max(LARGEST_ERROR * abs(change), _ROUNDING * gross, _LEAST_CLICKS):
                return Integral(found, float(ends[0]), float(ends[1]), error, points)
            if points == MOST_POINTS:
                raise IntegralError(
                    f"with {points} points the causes sum to {change + error:.4g} clicks, not to "
                    f"the change of {change:.4g}"
                )
            points *= 2

    def _integral(
        self,
        points: int,
        start: NetworkInput,
        end: NetworkInput,
        fixed: tuple[Float32, Float32],
    ) -> tuple[Float64, ...]:
        """Return the gradient integrated by Gauss and Legendre's rule."""
        at, weights = np.polynomial.legendre.leggauss(points)
        at, weights = (at + 1.0) / 2.0, weights / 2.0
        sums: list[Float64] = [np.zeros(array.shape) for array in start.arrays()]
        for first in range(0, points, _POINTS_AT_ONCE):
            some = slice(first, first + _POINTS_AT_ONCE)
            _, gradients = self._at(at[some], weights[some], start, end, fixed)
            for total, gradient in zip(sums, gradients, strict=True):
                total += gradient
        return tuple(sums)

    def _at(
        self,
        at: Float64,
        weights: Float64,
        start: NetworkInput,
        end: NetworkInput,
        fixed: tuple[Float32, Float32],
    ) -> tuple[Float64, list[Float64]]:
        """Return the forecasts at places along the way, and the weighted sum of the gradients."""
        places = (tf.constant(at, tf.float32), tf.constant(weights, tf.float32))
        values, gradients = self._walk(places, start.arrays(), end.arrays(), fixed)
        return (
            values.numpy().astype(np.float64),
            [gradient.numpy().astype(np.float64) for gradient in gradients],
        )

    def _along(self, places: Any, start: Any, end: Any, fixed: Any) -> Any:  # noqa: ANN401
        (at, weights), (memory, step_weights) = places, fixed
        count = tf.shape(at)[0]

        def between(first: Any, last: Any) -> Any:  # noqa: ANN401
            share = tf.reshape(at, tf.concat([[count], tf.ones(tf.rank(first), tf.int32)], 0))
            return first + share * (last - first)

        inputs = [between(first, last) for first, last in zip(start, end, strict=True)]
        features, steps, log_reference, remembered = inputs
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            present = tf.ones(tf.shape(features)[:2], tf.bool)
            hidden = self.network.sequence(
                features, present, tf.repeat(memory[None], count, axis=0)
            )
            raw = self.network.outputs(hidden[:, -1] + remembered, steps)
            reference = tf.exp(log_reference) - FLOOR_CLICKS
            # The mean does not depend on the noise's unit.
            mean, _ = self.network.decode(raw, reference, tf.ones_like(reference))
            values = tf.linalg.matvec(mean, step_weights)
        gradients = tape.gradient(values, inputs)
        return values, [tf.tensordot(weights, gradient, 1) for gradient in gradients]
