"""The network: LSTM(128), LSTM(64), one head for all steps that cannot cross. Home of TensorFlow.

The LSTM reads a genre bucket by bucket; the head turns its output and what is known of a step (the
same time on days and weeks before, the calendar) into that step's quantiles. As the head is shared
by the steps, a network serves any horizon.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from model.runtime import import_tensorflow

import_tensorflow()
import keras  # noqa: E402 (after TensorFlow is brought in, quietly)
import tensorflow as tf  # noqa: E402

Float32 = NDArray[np.float32]

Head = Literal["quantile", "point"]

WEIGHT_NAMES: Final = (
    "lstm1_kernel",
    "lstm1_recurrent_kernel",
    "lstm1_bias",
    "lstm2_kernel",
    "lstm2_recurrent_kernel",
    "lstm2_bias",
    "head_kernel",
    "head_step_kernel",
    "head_bias",
    "out_kernel",
    "out_step_kernel",
    "out_bias",
)
"""Arrays of a model, in the order in which the network holds them."""

_LARGEST_LOG_CORRECTION: Final = 3.0
"""The network moves the reference by at most a factor of e^3, about 20, either way."""

FLOOR_CLICKS: Final = 0.05
"""Added to the reference before it is corrected: nothing can be multiplied out of 0."""


HEAD_UNITS: Final = 64
"""Width of the head's hidden layer."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Sizes of a network."""

    feature_count: int
    step_feature_count: int
    quantile_count: int
    units: tuple[int, int] = (128, 64)
    head: Head = "quantile"

    @property
    def output_count(self) -> int:
        """Outputs of the head per step: the mean and the quantiles; one for `point`."""
        return 1 if self.head == "point" else 1 + self.quantile_count

    @property
    def memory_width(self) -> int:
        """Float32 numbers of `(h, c)` of both layers."""
        return 2 * sum(self.units)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every array of the model."""
        first, second = self.units
        return {
            "lstm1_kernel": (self.feature_count, 4 * first),
            "lstm1_recurrent_kernel": (first, 4 * first),
            "lstm1_bias": (4 * first,),
            "lstm2_kernel": (first, 4 * second),
            "lstm2_recurrent_kernel": (second, 4 * second),
            "lstm2_bias": (4 * second,),
            "head_kernel": (second, HEAD_UNITS),
            "head_step_kernel": (self.step_feature_count, HEAD_UNITS),
            "head_bias": (HEAD_UNITS,),
            "out_kernel": (HEAD_UNITS, self.output_count),
            "out_step_kernel": (self.step_feature_count, self.output_count),
            "out_bias": (self.output_count,),
        }


class Network:
    """Weights and the three ways to run them: training, one step, a whole sequence.

    Memory is `(h, c)` of both layers side by side, `(N, memory_width)`; it is always passed in
    and handed out, never kept here.
    """

    def __init__(self, shape: NetworkShape, seed: int = 0) -> None:
        self.shape = shape
        # Seeds per layer: the process's own random state stays untouched.
        cells = [
            keras.layers.LSTMCell(
                units,
                kernel_initializer=keras.initializers.GlorotUniform(seed + layer),
                recurrent_initializer=keras.initializers.Orthogonal(seed=seed + layer),
            )
            for layer, units in enumerate(shape.units)
        ]
        self.rnn = keras.layers.RNN(cells, return_sequences=True, return_state=True)
        self.rnn.build((None, None, shape.feature_count))
        shapes = shape.weight_shapes()
        self._head = {
            name: tf.Variable(_initial(name, shapes[name], seed), name=name)
            for name in WEIGHT_NAMES
            if name.startswith(("head", "out"))
        }
        steps = tf.TensorSpec((None, None, shape.step_feature_count), tf.float32)
        per_step = tf.TensorSpec((None, None), tf.float32)
        memory = tf.TensorSpec((None, shape.memory_width), tf.float32)
        features = tf.TensorSpec((None, shape.feature_count), tf.float32)
        self._step_function = tf.function(
            self._step, input_signature=[features, memory, steps, per_step, per_step]
        )
        # The signature is checked once, here: done at every call it costs as much as the step.
        self._step_once = self._step_function.get_concrete_function()
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
        """Trainable variables, in the order of `WEIGHT_NAMES`."""
        return [*self.rnn.trainable_variables, *self._head.values()]

    @property
    def trace_count(self) -> int:
        """How often the step was traced: 1 however the number of genres changes."""
        return int(self._step_function.experimental_get_tracing_count())

    def weights(self) -> dict[str, Float32]:
        """Return copies of the arrays, by name."""
        arrays = (np.asarray(variable, np.float32) for variable in self.variables)
        return dict(zip(WEIGHT_NAMES, arrays, strict=True))

    def output_of(self, memory: Float32) -> Float32:
        """Return the last layer's output `(N, units)`, which the head reads, out of the memory."""
        first, second = self.shape.units
        return memory[:, 2 * first : 2 * first + second]

    def assign(self, weights: dict[str, Float32]) -> None:
        """Take over arrays of the right names and shapes."""
        for name, variable in zip(WEIGHT_NAMES, self.variables, strict=True):
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
            Memory `(N, memory_width)`, mean `(N, H)`, quantiles `(N, H, Q)`.
        """
        inputs = (features, memory, step_features, reference, unit)
        outputs = self._step_once(*map(tf.constant, inputs))
        after, mean, quantiles = (output.numpy() for output in outputs)
        return after, mean, quantiles

    def warm(self, features: Float32, present: NDArray[np.bool_], memory: Float32) -> Float32:
        """Return the memory after a whole sequence.

        Args:
            features: `(N, T, F)`.
            present: `(N, T)`; where False the memory stays as it was.
            memory: `(N, memory_width)` before it.
        """
        after: Float32 = self._warm_function(features, present, memory).numpy()
        return after

    def sequence(self, features: Any, present: Any, memory: Any) -> Any:  # noqa: ANN401
        """Return the LSTM's output at every bucket of a sequence, `(N, T, units)` (tensors)."""
        hidden, *_ = self.rnn(features, mask=present, initial_state=self._split(memory))
        return hidden

    def outputs(self, hidden: Any, step_features: Any) -> Any:  # noqa: ANN401
        """Return the head's raw outputs `(..., H, outputs)`.

        Args:
            hidden: `(..., units)` of the LSTM.
            step_features: `(..., H, K)`.
        """
        head = self._head
        lead = tf.shape(step_features)[:-1]
        # Products of matrices, reshaped by hand: `tensordot` finds out its shapes at every call.
        flat = tf.reshape(step_features, [-1, self.shape.step_feature_count])
        known = tf.matmul(flat, head["head_step_kernel"])
        known = tf.reshape(known, tf.concat([lead, [HEAD_UNITS]], 0))
        # What the LSTM says is the same for all steps: multiplied once.
        said = tf.matmul(hidden, head["head_kernel"])[..., None, :]
        inner = tf.nn.silu(said + known + head["head_bias"])
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
        hidden, states = self.rnn.cell(features, self._split(memory))
        raw = self.outputs(hidden, step_features)
        mean, quantiles = self.decode(raw, reference, unit)
        return self._pack(states), tf.nn.relu(mean), tf.nn.relu(quantiles)

    def _warm(self, features: Any, present: Any, memory: Any) -> Any:  # noqa: ANN401
        _, *states = self.rnn(features, mask=present, initial_state=self._split(memory))
        return self._pack(states)

    def _split(self, memory: Any) -> list[list[Any]]:  # noqa: ANN401
        first, second = self.shape.units
        h1, c1, h2, c2 = tf.split(memory, [first, first, second, second], axis=-1)
        return [[h1, c1], [h2, c2]]

    def _pack(self, states: Any) -> Any:  # noqa: ANN401
        (h1, c1), (h2, c2) = states
        return tf.concat([h1, c1, h2, c2], axis=-1)


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
