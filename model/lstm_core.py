"""LSTM core: two layers; their memory is `(h, c)` of both. Imports TensorFlow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.runtime import import_tensorflow
from model.shape import LstmSizes

import_tensorflow()
import keras  # noqa: E402 (after TensorFlow is brought in, quietly)
import tensorflow as tf  # noqa: E402

Float32 = NDArray[np.float32]


class LstmCore:
    """See `network.Core`."""

    def __init__(self, sizes: LstmSizes, feature_count: int, seed: int) -> None:
        self._units = sizes.units
        # Seeds per layer: the process's own random state stays untouched.
        cells = [
            keras.layers.LSTMCell(
                units,
                kernel_initializer=keras.initializers.GlorotUniform(seed + layer),
                recurrent_initializer=keras.initializers.Orthogonal(seed=seed + layer),
            )
            for layer, units in enumerate(sizes.units)
        ]
        self.rnn = keras.layers.RNN(cells, return_sequences=True, return_state=True)
        self.rnn.build((None, None, feature_count))
        self.variables = dict(
            zip(sizes.weight_shapes(feature_count), self.rnn.trainable_variables, strict=True)
        )

    def step(self, features: Any, memory: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """See `network.Core.step`."""
        hidden, states = self.rnn.cell(features, self._split(memory))
        return hidden, self._pack(states)

    def sequence(self, features: Any, present: Any, memory: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """See `network.Core.sequence`."""
        initial = self._split(memory)
        hidden, *states = self.rnn(features, mask=present, initial_state=initial)
        return hidden, self._pack(states)

    def output_of(self, memory: Float32) -> Float32:
        """See `network.Core.output_of`: the upper layer's h."""
        first, second = self._units
        return memory[:, 2 * first : 2 * first + second]

    def _split(self, memory: Any) -> list[list[Any]]:  # noqa: ANN401
        first, second = self._units
        h1, c1, h2, c2 = tf.split(memory, [first, first, second, second], axis=-1)
        return [[h1, c1], [h2, c2]]

    def _pack(self, states: Any) -> Any:  # noqa: ANN401
        (h1, c1), (h2, c2) = states
        return tf.concat([h1, c1, h2, c2], axis=-1)
