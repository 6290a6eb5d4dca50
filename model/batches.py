"""Training batches: features of whole histories, computed once, cut into short sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.features import build_features, noise_unit
from model.history import History
from model.scales import SLOW, initial_scales, observe
from model.window import past_of

Float32 = NDArray[np.float32]

MAX_TRAINING_CELLS: Final = 400_000
"""Most (bucket, genre) pairs of one history used, the latest ones: about 0.3 GB of features."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A history as the network sees it; rows from 0, all `(T, G, ...)`.

    Attributes:
        features: `(T, G, F)` float32.
        reference: `(T, G, H)` float32, clicks.
        unit: `(T, G, H)` float32, clicks.
        present: `(T, G)` bool.
        clicks: `(T, G)` float32.
        weight: `(T, G)` float32; 1 / weight is the level that losses are measured in.
    """

    features: Float32
    reference: Float32
    unit: Float32
    present: NDArray[np.bool_]
    clicks: Float32
    weight: Float32

    @property
    def horizon(self) -> int:
        """Steps ahead."""
        return int(self.reference.shape[2])


@dataclass(frozen=True, slots=True)
class Batch:
    """N sequences of L buckets.

    Attributes:
        features: `(N, L, F)`.
        reference: `(N, L, H)`.
        unit: `(N, L, H)`.
        present: `(N, L)` bool; where False there is nothing to learn.
        target: `(N, L, H)`, the clicks that came.
        weight: `(N, L)`.
    """

    features: Float32
    reference: Float32
    unit: Float32
    present: NDArray[np.bool_]
    target: Float32
    weight: Float32


def prepare(history: History, *, horizon: int, reach: int) -> Prepared:
    """Return features and references of every bucket, as a live window of `reach` would see."""
    genre_count = len(history.names)
    count = len(history.starts_ms)
    kept = max(horizon + 2, MAX_TRAINING_CELLS // max(1, genre_count))
    if count > kept:
        history = history.rows(count - kept, count)
        count = kept
    past = past_of(
        history.cells,
        history.first_row,
        starts_ms=history.starts_ms,
        bucket_ms=history.bucket_ms,
        reach=reach,
    )
    observed = observe(past, 0, count, scales=initial_scales(genre_count), horizon=horizon)
    level = 0.5 * (observed.scales[:, :, SLOW] + observed.reference.mean(axis=2)) + 1.0
    return Prepared(
        features=build_features(past, 0, count, observed),
        reference=observed.reference,
        unit=noise_unit(observed),
        present=observed.present,
        clicks=observed.clicks,
        weight=(1.0 / level).astype(np.float32),
    )


class Sampler:
    """Draws batches from several histories, each as often as it has cells."""

    def __init__(self, prepared: Sequence[Prepared], *, length: int, seed: int) -> None:
        self._prepared = [p for p in prepared if len(p.clicks) > p.horizon + 1]
        if not self._prepared:
            raise ValueError("no history is longer than the horizon")
        self.length = min(length, *(len(p.clicks) - p.horizon for p in self._prepared))
        sizes = np.sqrt([float(p.clicks.size) for p in self._prepared])
        self._chances = sizes / sizes.sum()
        self._rng = np.random.default_rng(seed)

    def draw(self, size: int) -> Batch:
        """Return a batch of `size` sequences, all of one history."""
        prepared = self._prepared[self._rng.choice(len(self._prepared), p=self._chances)]
        last_start = len(prepared.clicks) - prepared.horizon - self.length
        starts = self._rng.integers(0, last_start + 1, size)
        # One in eight begins with the history itself, to learn the very first buckets.
        starts[: size // 8] = 0
        rows = starts[:, None] + np.arange(self.length)
        genres = self._rng.integers(0, prepared.clicks.shape[1], size)[:, None]
        ahead = rows[:, :, None] + np.arange(1, prepared.horizon + 1)
        return Batch(
            features=prepared.features[rows, genres],
            reference=prepared.reference[rows, genres],
            unit=prepared.unit[rows, genres],
            present=prepared.present[rows, genres],
            target=prepared.clicks[ahead, genres[:, :, None]],
            weight=prepared.weight[rows, genres],
        )
