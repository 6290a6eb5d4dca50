"""Transformer core: causal attention over a sliding window of buckets. Imports TensorFlow.

Its memory is the keys and values of the last `window` buckets of every layer, the oldest first,
each computed once, when its bucket closed; behind them the last output, for `output_of`. What
attention adds for a bucket's distance in time is an age bias, learnt from ALiBi's slopes on; keys
know no position, so those in memory stay as they are while they age, and there is no position that
could grow over the years.

Buckets before a genre began are keys and values of zeros, in memory as in a sequence: nothing has
to be masked but what lies outside the window, and it is the same arithmetic either way.

Source: Vaswani et al. 2017 (attention), Shazeer 2019 (one key and value for all heads), Press et
al. 2022 (ALiBi), Zhang and Sennrich 2019 (RMS norm).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.runtime import import_tensorflow
from model.shape import TransformerSizes

import_tensorflow()
import keras  # noqa: E402 (after TensorFlow is brought in, quietly)
import tensorflow as tf  # noqa: E402

Float32 = NDArray[np.float32]

_OUTSIDE: Final = -1e9
"""Added to the scores of keys outside the window: their share is 0 in float32."""

_STEEPEST: Final = 8.0
"""The last head begins with a slope of 2^-8 per bucket, the others with steeper ones, as ALiBi."""

_LEAST_SQUARE: Final = 1e-6
"""Added to the mean square that a vector is divided by: of zeros there is none."""


class TransformerCore:
    """See `network.Core`."""

    def __init__(self, sizes: TransformerSizes, feature_count: int, seed: int) -> None:
        self._sizes = sizes
        shapes = sizes.weight_shapes(feature_count)
        self.variables = {
            name: tf.Variable(_initial(name, shape, seed + place), name=name)
            for place, (name, shape) in enumerate(shapes.items())
        }

    def step(self, features: Any, memory: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """See `network.Core.step`: a sequence of one bucket."""
        present = tf.ones((tf.shape(features)[0], 1), tf.bool)
        hidden, after = self.sequence(features[:, None], present, memory)
        return hidden[:, 0], after

    def sequence(self, features: Any, present: Any, memory: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """See `network.Core.sequence`."""
        sizes = self._sizes
        kept = tf.reshape(
            memory[:, : -sizes.width], (-1, sizes.layers, sizes.window, 2 * sizes.key_width)
        )
        is_there = tf.cast(present, tf.float32)[..., None]
        x = tf.matmul(features, self.variables["in_kernel"]) + self.variables["in_bias"]
        after = []
        for layer in range(sizes.layers):
            of_layer = f"layer{layer + 1}_"
            normed = _normed(x, self.variables[of_layer + "attention_gain"])
            new = tf.matmul(normed, self.variables[of_layer + "key_value_kernel"]) * is_there
            keys_values = tf.concat([kept[:, layer], new], axis=1)
            after.append(keys_values[:, -sizes.window :])
            x += self._attention(of_layer, normed, keys_values)
            x += self._mlp(of_layer, x)
        hidden = _normed(x, self.variables["last_gain"])
        cache = tf.reshape(tf.stack(after, axis=1), (-1, sizes.memory_width - sizes.width))
        return hidden, tf.concat([cache, hidden[:, -1] * is_there[:, -1]], axis=1)

    def output_of(self, memory: Float32) -> Float32:
        """See `network.Core.output_of`."""
        return memory[:, -self._sizes.width :]

    def _attention(self, of_layer: str, normed: Any, keys_values: Any) -> Any:  # noqa: ANN401
        """Return what every bucket takes from those in its window.

        The sequence is cut into blocks no longer than the window: a block reads itself and the
        window before it, so work and memory grow with the sequence, not with its square.

        Args:
            of_layer: What the names of the layer's arrays begin with.
            normed: `(N, T, width)`.
            keys_values: `(N, window + T, 2 * key_width)`.
        """
        heads, width, window = self._sizes.heads, self._sizes.key_width, self._sizes.window
        count, length = tf.shape(normed)[0], tf.shape(normed)[1]
        block = tf.minimum(length, window)
        blocks = (length + block - 1) // block
        spare = [[0, 0], [0, blocks * block - length], [0, 0]]
        asked = tf.matmul(normed, self.variables[of_layer + "query_kernel"]) * width**-0.5
        # One key for all heads: they are rows of one matrix product.
        asked = tf.reshape(tf.pad(asked, spare), (count, blocks, block * heads, width))
        places = tf.range(blocks)[:, None] * block + tf.range(window + block)
        read = tf.gather(tf.pad(keys_values, spare), places, axis=1)
        scores = tf.matmul(asked, read[..., :width], transpose_b=True)
        shares = tf.nn.softmax(scores + self._bias(of_layer, block))
        taken = tf.reshape(tf.matmul(shares, read[..., width:]), (count, -1, heads * width))
        return tf.matmul(taken[:, :length], self.variables[of_layer + "attention_kernel"])

    def _bias(self, of_layer: str, block: Any) -> Any:  # noqa: ANN401
        """Return the age bias within a block, `(block * heads, window + block)`."""
        window = self._sizes.window
        age = tf.range(block)[:, None] + window - tf.range(window + block)
        is_inside = (age >= 0) & (age <= window)
        by_age = tf.transpose(self.variables[of_layer + "age_bias"])
        bias = tf.gather(by_age, tf.clip_by_value(age, 0, window))
        bias = tf.where(is_inside[..., None], bias, _OUTSIDE)
        return tf.reshape(tf.transpose(bias, (0, 2, 1)), (-1, window + block))

    def _mlp(self, of_layer: str, x: Any) -> Any:  # noqa: ANN401
        normed = _normed(x, self.variables[of_layer + "mlp_gain"])
        inner = tf.matmul(normed, self.variables[of_layer + "mlp_kernel"])
        inner = tf.nn.silu(inner + self.variables[of_layer + "mlp_bias"])
        return tf.matmul(inner, self.variables[of_layer + "mlp_out_kernel"])


def _normed(x: Any, gain: Any) -> Any:  # noqa: ANN401
    square = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
    return x * tf.math.rsqrt(square + _LEAST_SQUARE) * gain


def _initial(name: str, shape: tuple[int, ...], seed: int) -> Any:  # noqa: ANN401
    """Return first values of an array."""
    if name.endswith("gain"):
        return tf.ones(shape)
    if name.endswith("age_bias"):
        heads, ages = shape
        slopes = 2.0 ** (-_STEEPEST * (tf.range(heads, dtype=tf.float32) + 1.0) / heads)
        return -slopes[:, None] * tf.range(ages, dtype=tf.float32)
    if name.endswith("bias"):
        return tf.zeros(shape)
    return keras.initializers.GlorotUniform(seed)(shape)
