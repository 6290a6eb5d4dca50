"""Training plans: how long, how fast, from which seed. Imports no TensorFlow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from model.artifact import ModelRefusedError, load_artifact
from model.batches import MAX_TRAINING_CELLS, ORIGINS_PER_SEQUENCE
from model.history import History

BATCHES_PER_EPOCH: Final = 25
"""An epoch is so many batches: data sets differ too much in size for passes to mean anything."""

FINE_TUNE_PASSES: Final = 3.0
"""How often, about, an origin is learnt from when a trained model is fine-tuned: more often, and a
single series is learnt by heart."""

FINE_TUNE_RATE: Final = 1e-3
"""Adam's rate where fine-tuning starts: the weights know much already."""

MOST_FINE_TUNE_EPOCHS: Final = 40
"""Whatever the size of the histories: some minutes on two cores."""


SCRATCH_EPOCHS: Final = 30
"""Epochs of a model that begins with nothing."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How to train.

    Attributes:
        levels: Quantile levels, ascending.
        epochs: Epochs of `BATCHES_PER_EPOCH` batches.
        batch_size: Sequences per batch.
        sequence_length: Buckets per sequence.
        learning_rate: Adam's rate at the start; falls to a twentieth along a cosine.
        seed: Of weights and batches.
    """

    levels: tuple[float, ...]
    epochs: int = SCRATCH_EPOCHS
    batch_size: int = 64
    sequence_length: int = 96
    learning_rate: float = 3e-3
    seed: int = 0


def levels_to_train(start: Path, levels: tuple[float, ...]) -> tuple[float, ...]:
    """Return the levels of the model at `start` where `levels` lie within them, else `levels`.

    Its weights are of use only for its own levels; those between are interpolated in serving.
    """
    try:
        known = load_artifact(start).manifest.quantiles
    except ModelRefusedError:
        return levels
    return known if known[0] <= levels[0] and levels[-1] <= known[-1] else levels


def fine_tuning(
    histories: Sequence[History],
    levels: tuple[float, ...],
    *,
    epochs: int | None = None,
    seed: int = 0,
) -> TrainingPlan:
    """Return how a trained model goes on over `histories`: as long as they are worth."""
    plan = TrainingPlan(levels, learning_rate=FINE_TUNE_RATE, seed=seed, epochs=epochs or 1)
    if epochs is not None:
        return plan
    cells = sum(min(h.clicks.size, MAX_TRAINING_CELLS) for h in histories)
    origins = BATCHES_PER_EPOCH * plan.batch_size * ORIGINS_PER_SEQUENCE
    worth = math.ceil(FINE_TUNE_PASSES * cells / origins)
    return replace(plan, epochs=min(max(worth, 1), MOST_FINE_TUNE_EPOCHS))
