"""The network: a core, one head for all steps that cannot cross. Home of TensorFlow.

The core (an LSTM or a Transformer) reads a genre bucket by bucket; the head turns its output and
what is known of a step (the same time on days and weeks before, the calendar) into that step's
quantiles. As the head is shared by the steps, a network serves any horizon.
"""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from model.lstm_core import LstmCore
from model.runtime import import_tensorflow
from model.shape import HEAD_UNITS, CoreSizes, LstmSizes, NetworkShape
from model.transformer_core import TransformerCore

import_tensorflow()
import keras  # noqa: E402 (after TensorFlow is brought in, quietly)
import tensorflow as tf  # noqa: E402

Float32 = NDArray[np.float32]

_LARGEST_LOG_CORRECTION: Final = 3.0
"""The network moves the reference by at most a factor of e^3, about 20, either way."""

FLOOR_CLICKS: Final = 0.05
"""Added to the reference before it is corrected: nothing can be multiplied out of 0."""


class Core(Protocol):
    """What reads a genre bucket by bucket: the part in which architectures differ.

    Memory is `(N, memory_width)`; it is always passed in and handed out, never kept here.
    """

    @property
    def variables(self) -> dict[str, Any]:
        """Trainable variables by the names of `weight_shapes`, in that order."""

    def step(self, features: Any, memory: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """Return the output `(N, output_width)` at one bucket, and the memory after it.

        Args:
            features: `(N, F)`.
            memory: After the bucket before.
        """

    def sequence(self, features: Any, present: Any, memory: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """Return the output at every bucket `(N, T, output_width)`, and the memory at the end.

        The same, within 1e-5, as bucket by bucket.

        Args:
            features: `(N, T, F)`.
            present: `(N, T)` bool; False only before a genre's first bucket, while its memory is 0
                and stays so.
            memory: Before the first bucket.
        """

    def output_of(self, memory: Float32) -> Float32:
        """Return the output `(N, output_width)` at the last bucket, out of the memory after it."""


class Network:
    """Weights and the three ways to run them: training, one step, a whole sequence.

    Memory is the core's, `(N, memory_width)`; it is always passed in and handed out.
    """

    def __init__(self, shape: NetworkShape, seed: int = 0) -> None:
        self.shape = shape
        self.core = _core_of(shape.core, shape.feature_count, seed)
        self._head = {
            name: tf.Variable(_initial(name, array_shape, seed), name=name)
            for name, array_shape in shape.head_shapes().items()
        }
        self._by_name = dict(self.core.variables) | self._head
        steps = tf.TensorSpec((None, None, shape.step_feature_count), tf.float32)
        per_step = tf.TensorSpec((None, None), tf.float32)
        memory = tf.TensorSpec((None, shape.memory_width), tf.float32)
        features = tf.TensorSpec((None, shape.feature_count), tf.float32)
        self._step_function = tf.function(
            self._step, input_signature=[features, memory, steps, per_step, per_step]
        )
        self._step_once = self._step_function.get_concrete_function()
        self._step_weights = self._step_once.captured_inputs
        self._step_dtypes = self._step_once.output_dtypes
        self._warm_function = tf.function(
            self._warm,
            input_signature=[
                tf.TensorSpec((None, None, shape.feature_count), tf.float32),
                tf.TensorSpec((None, None), tf.bool),
                memory,
            ],
        )

    @property
    def variables(self) -> list[Any]:
        """Trainable variables, in the order of `NetworkShape.weight_shapes`."""
        return list(self._by_name.values())

    @property
    def trace_count(self) -> int:
        """How often the step was traced: 1 however the number of genres changes."""
        return int(self._step_function.experimental_get_tracing_count())

    def weights(self) -> dict[str, Float32]:
        """Return copies of the arrays, by name."""
        return {name: np.asarray(variable, np.float32) for name, variable in self._by_name.items()}

    def output_of(self, memory: Float32) -> Float32:
        """See `Core.output_of`."""
        return self.core.output_of(memory)

    def assign(self, weights: dict[str, Float32]) -> None:
        """Take over arrays of the right names and shapes."""
        for name, variable in self._by_name.items():
            variable.assign(weights[name])

    def step(
        self,
        features: Float32,
        memory: Float32,
        step_features: Float32,
        reference: Float32,
        unit: Float32,
    ) -> tuple[Float32, Float32, Float32]:
        """Run one bucket for N genres.

        Args:
            features: `(N, F)`.
            memory: `(N, memory_width)` after the bucket before.
            step_features: `(N, H, K)`.
            reference: `(N, H)` clicks expected without the network.
            unit: `(N, H)` noise, clicks.

        Returns:
            Memory `(N, memory_width)`, mean `(N, H)`, quantiles `(N, H, Q)`; not to be written to.
        """
        inputs = (features, memory, step_features, reference, unit)
        # The traced function by the operation beneath it: called as a function, TensorFlow checks
        # its signature and settings anew, which takes longer than 20 genres do.
        outputs = tf.raw_ops.StatefulPartitionedCall(
            args=[*inputs, *self._step_weights], Tout=self._step_dtypes, f=self._step_once
        )
        after, mean, quantiles = map(np.asarray, outputs)
        return after, mean, quantiles

    def warm(self, features: Float32, present: NDArray[np.bool_], memory: Float32) -> Float32:
        """Return the memory after a whole sequence.

        Args:
            features: `(N, T, F)`.
            present: `(N, T)`, see `Core.sequence`.
            memory: `(N, memory_width)` before it.
        """
        after: Float32 = self._warm_function(features, present, memory).numpy()
        return after

    def sequence(self, features: Any, present: Any, memory: Any) -> Any:  # noqa: ANN401
        """Return the core's output at every bucket of a sequence, `(N, T, output_width)`."""
        hidden, _ = self.core.sequence(features, present, memory)
        return hidden

    def outputs(self, hidden: Any, step_features: Any) -> Any:  # noqa: ANN401
        """Return the head's raw outputs `(..., H, outputs)`.

        Args:
            hidden: `(..., output_width)` of the core.
            step_features: `(..., H, K)`.
        """
        head = self._head
        lead = tf.shape(step_features)[:-1]
        # Products of matrices, reshaped by hand: `tensordot` finds out its shapes at every call.
        flat = tf.reshape(step_features, [-1, self.shape.step_feature_count])
        known = tf.matmul(flat, head["head_step_kernel"])
        known = tf.reshape(known, tf.concat([lead, [HEAD_UNITS]], 0))
        # What the core says is the same for all steps: multiplied once.
        said = tf.matmul(hidden, head["head_kernel"]) + head["head_bias"]
        inner = tf.nn.silu(said[..., None, :] + known)
        out = tf.matmul(tf.reshape(inner, [-1, HEAD_UNITS]), head["out_kernel"])
        out = out + tf.matmul(flat, head["out_step_kernel"]) + head["out_bias"]
        return tf.reshape(out, tf.concat([lead, [self.shape.output_count]], 0))

    def decode(self, raw: Any, reference: Any, unit: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """Turn raw outputs `(..., H, outputs)` into mean `(..., H)` and quantiles `(..., H, Q)`.

        The middle quantile corrects the reference; the others lie softplus gaps away from it, so
        they cannot cross. Not clipped at 0: training needs the slope there.
        """
        limit = _LARGEST_LOG_CORRECTION
        base = (reference + FLOOR_CLICKS)[..., None]
        corrected = base * tf.exp(limit * tf.tanh(raw[..., :2] / limit))
        mean, centre = corrected[..., 0], corrected[..., 1:]
        count = self.shape.quantile_count
        if self.shape.head == "point":
            return mean, tf.repeat(mean[..., None], count, axis=-1)
        gaps = tf.reshape(unit[..., None] * tf.nn.softplus(raw[..., 2:]), [-1, count - 1])
        # One product for all sums of gaps: a small operation costs its call, whatever it does.
        away = tf.matmul(gaps, _gap_signs(count))
        return mean, centre + tf.reshape(away, tf.concat([tf.shape(reference), [count]], 0))

    def _step(
        self,
        features: Any,  # noqa: ANN401
        memory: Any,  # noqa: ANN401
        step_features: Any,  # noqa: ANN401
        reference: Any,  # noqa: ANN401
        unit: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        hidden, after = self.core.step(features, memory)
        raw = self.outputs(hidden, step_features)
        mean, quantiles = self.decode(raw, reference, unit)
        return after, tf.nn.relu(mean), tf.nn.relu(quantiles)

    def _warm(self, features: Any, present: Any, memory: Any) -> Any:  # noqa: ANN401
        _, after = self.core.sequence(features, present, memory)
        return after


def _core_of(sizes: CoreSizes, feature_count: int, seed: int) -> Core:
    if isinstance(sizes, LstmSizes):
        return LstmCore(sizes, feature_count, seed)
    return TransformerCore(sizes, feature_count, seed)


def _gap_signs(count: int) -> Float32:
    """Return which gaps lie between the middle quantile and each, `(count - 1, count)`: -1 or 1."""
    below = count // 2
    above = count - 1 - below
    signs = np.zeros((count - 1, count), np.float32)
    signs[:below, :below] = -np.triu(np.ones((below, below)))[:, ::-1]
    signs[below:, below + 1 :] = np.triu(np.ones((above, above)))
    return signs


def _initial(name: str, shape: tuple[int, ...], seed: int) -> Any:  # noqa: ANN401
    """Return first values of an array of the head: outputs begin near the reference."""
    if name.endswith("bias"):
        return tf.zeros(shape)
    if name.startswith("out"):
        return keras.initializers.RandomNormal(0.0, 0.02, seed)(shape)
    return keras.initializers.GlorotUniform(seed)(shape)
