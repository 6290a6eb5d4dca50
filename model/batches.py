"""Training batches: features of whole histories, computed once, cut into short sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.features import (
    FEATURES,
    STEP_FEATURES,
    build_features,
    build_step_features,
    noise_unit,
)
from model.history import History
from model.scales import SLOW, initial_scales, observe
from model.window import past_of

Float32 = NDArray[np.float32]

MAX_TRAINING_CELLS: Final = 400_000
"""Most (bucket, genre) pairs of one history used, the latest ones: about 0.3 GB of features."""


PREPARED_CELLS: Final = 20_000
"""(Bucket, genre) pairs whose features are computed at once: bounds what is in between."""

ORIGINS_PER_SEQUENCE: Final = 12
"""Origins learnt from in each sequence: neighbours teach nearly the same."""

_BURN_IN_SHARE: Final = 0.25
"""Of a sequence that begins in mid-history: until then the core has seen too little of it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A history as the network sees it; rows from 0, all `(T, G, ...)`.

    Attributes:
        features: `(T, G, F)` float32.
        step_features: `(T, G, H, K)` float16: there are many, and they are rough.
        reference: `(T, G, H)` float32, clicks.
        unit: `(T, G, H)` float32, clicks.
        present: `(T, G)` bool.
        clicks: `(T, G)` float32.
        weight: `(T, G)` float32; 1 / weight is the level that losses are measured in.
    """

    features: Float32
    step_features: NDArray[np.float16]
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
    """N sequences of L buckets, and P origins in each that are learnt from.

    Attributes:
        features: `(N, L, F)`.
        present: `(N, L)` bool; where False the core stands still.
        origins: `(N, P)` int32, places in the sequence.
        step_features: `(N, P, H, K)`.
        reference: `(N, P, H)`.
        unit: `(N, P, H)`.
        target: `(N, P, H)`, the clicks that came.
        weight: `(N, P)`; 0 where there is nothing to learn.
    """

    features: Float32
    present: NDArray[np.bool_]
    origins: NDArray[np.int32]
    step_features: Float32
    reference: Float32
    unit: Float32
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
        calendar=history.calendar,
    )
    prepared = Prepared(
        features=np.empty((count, genre_count, len(FEATURES)), np.float32),
        step_features=np.empty((count, genre_count, horizon, len(STEP_FEATURES)), np.float16),
        reference=np.empty((count, genre_count, horizon), np.float32),
        unit=np.empty((count, genre_count, horizon), np.float32),
        present=np.empty((count, genre_count), bool),
        clicks=np.empty((count, genre_count), np.float32),
        weight=np.empty((count, genre_count), np.float32),
    )
    scales = initial_scales(genre_count)
    rows = max(1, PREPARED_CELLS // max(1, genre_count))
    for first in range(0, count, rows):
        stop = min(first + rows, count)
        observed = observe(past, first, stop, scales=scales, horizon=horizon)
        scales = observed.last
        level = 0.5 * (observed.scales[:, :, SLOW] + observed.reference.mean(axis=2)) + 1.0
        prepared.features[first:stop] = build_features(past, first, stop, observed)
        prepared.step_features[first:stop] = build_step_features(past, first, stop, observed)
        prepared.reference[first:stop] = observed.reference
        prepared.unit[first:stop] = noise_unit(observed)
        prepared.present[first:stop] = observed.present
        prepared.clicks[first:stop] = observed.clicks
        prepared.weight[first:stop] = 1.0 / level
    return prepared


class Sampler:
    """Draws batches from several histories, each as often as it has cells."""

    def __init__(self, prepared: Sequence[Prepared], *, length: int, seed: int) -> None:
        self._prepared = [p for p in prepared if len(p.clicks) > p.horizon + 1]
        if not self._prepared:
            raise ValueError("no history is longer than the horizon")
        self.length = min(length, *(len(p.clicks) - p.horizon for p in self._prepared))
        sizes = np.array([float(p.clicks.size) for p in self._prepared])
        self._chances = sizes / sizes.sum()
        self._rng = np.random.default_rng(seed)

    def draw(self, size: int) -> Batch:
        """Return a batch of `size` sequences, all of one history."""
        prepared = self._prepared[self._rng.choice(len(self._prepared), p=self._chances)]
        last_start = len(prepared.clicks) - prepared.horizon - self.length
        starts = self._rng.integers(0, last_start + 1, size)
        # One in eight begins with the history itself, to learn the very first buckets.
        starts[: size // 8] = 0
        is_first = starts == 0
        rows = starts[:, None] + np.arange(self.length)
        genres = self._rng.integers(0, prepared.clicks.shape[1], size)[:, None]
        origins = self._origins(is_first)
        at = starts[:, None] + origins
        ahead = at[:, :, None] + np.arange(1, prepared.horizon + 1)
        return Batch(
            features=prepared.features[rows, genres],
            present=prepared.present[rows, genres],
            origins=origins,
            step_features=prepared.step_features[at, genres].astype(np.float32),
            reference=prepared.reference[at, genres],
            unit=prepared.unit[at, genres],
            target=prepared.clicks[ahead, genres[:, :, None]],
            weight=prepared.weight[at, genres] * prepared.present[at, genres],
        )

    def _origins(self, is_first: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return places in the sequences, `(N, P)`: one in each of P equal parts."""
        begin = np.where(is_first, 0.0, _BURN_IN_SHARE * self.length)
        parts = (np.arange(ORIGINS_PER_SEQUENCE) + self._rng.random((len(is_first), 1))) / (
            ORIGINS_PER_SEQUENCE
        )
        places = begin[:, None] + parts * (self.length - begin[:, None])
        origins: NDArray[np.int32] = np.minimum(places, self.length - 1).astype(np.int32)
        return origins
