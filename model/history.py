"""History: past counts of several genres on one grid, to train on and to backtest."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from model.calendar import NO_HOLIDAYS, Calendar


@dataclass(frozen=True, slots=True)
class History:
    """Counts per bucket and genre, without gaps.

    Attributes:
        names: The genres (or series), G of them.
        bucket_seconds: Bucket length.
        starts_ms: `(T,)` int64, consecutive bucket starts, epoch ms.
        cells: `(T, G, MEASURE_COUNT)` int64.
        first_row: `(G,)` int64, the row where each genre began; by default that of its first
            click (T when there is none).
        calendar: Its holidays.
    """

    names: tuple[str, ...]
    bucket_seconds: int
    starts_ms: NDArray[np.int64]
    cells: NDArray[np.int64]
    first_row: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    calendar: Calendar = NO_HOLIDAYS

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        shape = (len(self.starts_ms), len(self.names), MEASURE_COUNT)
        if self.cells.shape != shape:
            raise ValueError(f"cells have shape {self.cells.shape}, expected {shape}")
        if (np.diff(self.starts_ms) != self.bucket_ms).any():
            raise ValueError("bucket starts are not consecutive")
        if len(self.first_row) != len(self.names):
            counted = self.cells[:, :, 0] > 0
            first = np.where(counted.any(axis=0), counted.argmax(axis=0), len(self.cells))
            object.__setattr__(self, "first_row", first.astype(np.int64))

    @property
    def bucket_ms(self) -> int:
        """Bucket length in milliseconds."""
        return self.bucket_seconds * 1000

    @property
    def clicks(self) -> NDArray[np.int64]:
        """Clicks, `(T, G)` int64."""
        return self.cells[:, :, 0]

    @property
    def first_bucket_ms(self) -> NDArray[np.int64]:
        """Start of each genre's first bucket, `(G,)` int64, epoch ms."""
        origin = int(self.starts_ms[0]) if len(self.starts_ms) else 0
        return origin + self.first_row * self.bucket_ms

    def with_holidays(self, holidays_ms: tuple[int, ...]) -> "History":
        """Return the same counts, with holidays in the calendar."""
        return replace(self, calendar=Calendar(holidays_ms))

    def rows(self, first: int, stop: int) -> "History":
        """Return the buckets `[first, stop)` alone."""
        return History(
            names=self.names,
            bucket_seconds=self.bucket_seconds,
            starts_ms=self.starts_ms[first:stop],
            cells=self.cells[first:stop],
            first_row=self.first_row - first,
            calendar=self.calendar,
        )
