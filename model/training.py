"""Training: pinball loss over short sequences, Adam with a falling rate. Imports TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.batches import Batch, Prepared, Sampler
from model.network import Network
from model.plans import BATCHES_PER_EPOCH, TrainingPlan
from model.shape import NetworkShape

_MEAN_SHARE: Final = 0.1
"""Weight of the mean's deviance beside the pinball loss: it must not steer the quantiles."""

Progress = Callable[[int, float], None]
"""Called after every epoch with its number from 1 and its loss."""


def train(
    shape: NetworkShape,
    prepared: Sequence[Prepared],
    plan: TrainingPlan,
    *,
    start: dict[str, NDArray[np.float32]] | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Return trained weights and the mean loss of every epoch.

    Args:
        shape: Sizes of the network.
        prepared: What to learn from.
        plan: How.
        start: Weights to go on from; anew when None.
        progress: Called after every epoch.
    """
    network = Network(shape, plan.seed)
    if start is not None:
        network.assign(start)
    sampler = Sampler(prepared, length=plan.sequence_length, seed=plan.seed)
    step = _training_step(network, plan)
    losses = []
    for epoch in range(1, plan.epochs + 1):
        batches = (sampler.draw(plan.batch_size) for _ in range(BATCHES_PER_EPOCH))
        loss = float(np.mean([float(step(*_tensors(batch))) for batch in batches]))
        losses.append(loss)
        if progress is not None:
            progress(epoch, loss)
    return network.weights(), losses


def _tensors(batch: Batch) -> list[Any]:
    return [tf.constant(getattr(batch, name)) for name in Batch.__dataclass_fields__]


def _training_step(network: Network, plan: TrainingPlan) -> Callable[..., Any]:
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.learning_rate, plan.epochs * BATCHES_PER_EPOCH, alpha=0.05
    )
    optimizer = keras.optimizers.Adam(schedule, clipnorm=1.0)
    optimizer.build(network.variables)
    levels = tf.constant(plan.levels, tf.float32)
    is_point = network.shape.head == "point"

    def step(
        features: Any,  # noqa: ANN401
        present: Any,  # noqa: ANN401
        origins: Any,  # noqa: ANN401
        step_features: Any,  # noqa: ANN401
        reference: Any,  # noqa: ANN401
        unit: Any,  # noqa: ANN401
        target: Any,  # noqa: ANN401
        weight: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        with tf.GradientTape() as tape:
            memory = tf.zeros((tf.shape(features)[0], network.shape.memory_width))
            hidden = network.sequence(features, present, memory)
            hidden = tf.gather(hidden, origins, batch_dims=1)
            raw = network.outputs(hidden, step_features)
            mean, quantiles = network.decode(raw, reference, unit)
            scale = weight[..., None]
            if is_point:
                # The plain recipe: squared error of scaled counts, one step ahead.
                losses = ((target - mean) * scale)[..., :1] ** 2
            else:
                losses = pinball(target, quantiles, levels) * scale
                losses += _MEAN_SHARE * deviance(target, mean) * scale
            count = tf.reduce_sum(tf.cast(weight > 0.0, tf.float32)) * float(losses.shape[-1] or 1)
            loss = tf.reduce_sum(losses) / tf.maximum(count, 1.0)
        gradients = tape.gradient(loss, network.variables)
        optimizer.apply_gradients(zip(gradients, network.variables, strict=True))
        return loss

    stepper: Callable[..., Any] = tf.function(step, reduce_retracing=True)
    return stepper


def pinball(target: Any, quantiles: Any, levels: Any) -> Any:  # noqa: ANN401
    """Return the pinball loss, mean over levels, `(..., H)`, of quantiles `(..., H, Q)`."""
    error = target[..., None] - quantiles
    return tf.reduce_mean(tf.maximum(levels * error, (levels - 1.0) * error), axis=-1)


def deviance(target: Any, mean: Any) -> Any:  # noqa: ANN401
    """Return half the Poisson deviance up to a constant: least where `mean` is the mean."""
    safe = mean + 0.05
    return safe - target * tf.math.log(safe) - (target - target * tf.math.log(target + 0.05))
