"""A batch's cells in columns: what a script call takes, without an object for each cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT

Cell = tuple[int, ...]
"""The numbers of one (bucket, genre), in the order of `contracts.measures.MEASURES`."""

Cells = Mapping[tuple[int, str], Sequence[int]]
"""Cells by bucket start, ms, and genre."""


@dataclass(frozen=True, slots=True)
class BucketCells:
    """Cells of one bucket.

    Attributes:
        bucket_ms: Its start, epoch ms.
        genres: Names, each once.
        sums: (len(genres), MEASURE_COUNT) int64.
    """

    bucket_ms: int
    genres: Sequence[str]
    sums: NDArray[np.int64]


class CellTable(Mapping[tuple[int, str], Cell]):
    """Cells by bucket and genre; `buckets` are the columns, each bucket once."""

    def __init__(self, buckets: Sequence[BucketCells]) -> None:
        self.buckets = buckets

    @classmethod
    def of(cls, cells: Cells) -> "CellTable":
        """Return cells as a table; those of a bucket lie together."""
        if isinstance(cells, CellTable):
            return cells
        buckets = []
        for bucket_ms, keys in groupby(cells, lambda key: key[0]):
            own = list(keys)
            sums = np.array([cells[key] for key in own], np.int64).reshape(-1, MEASURE_COUNT)
            buckets.append(BucketCells(bucket_ms, [genre for _, genre in own], sums))
        return cls(buckets)

    @cached_property
    def _by_key(self) -> dict[tuple[int, str], Cell]:
        return {
            (bucket.bucket_ms, genre): tuple(sums)
            for bucket in self.buckets
            for genre, sums in zip(bucket.genres, bucket.sums.tolist(), strict=True)
        }

    def __getitem__(self, key: tuple[int, str]) -> Cell:
        return self._by_key[key]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self._by_key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._by_key})"

    def __len__(self) -> int:
        return sum(len(bucket.genres) for bucket in self.buckets)
