"""Window: the last closed buckets of every genre, in memory, as prefix sums."""

import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from model.audience import AUDIENCE_COUNT, audience_of
from model.calendar import NO_HOLIDAYS, Calendar

MAX_CLICKS: Final = 2**40
"""Clicks per cell above this are read as this: keeps every sum exact and every ratio finite."""

_MIN_SLACK_ROWS: Final = 64
"""Least spare rows, so that short windows do not move their content at every append."""


@dataclass(frozen=True, slots=True)
class Past:
    """What features may read: closed buckets only, so the future is out of reach by type.

    Attributes:
        prefix: `(n + 1, G)` int64; `prefix[i]` is the sum of clicks of rows before `i`.
        first_row: `(G,)` int64; the row of a genre's first bucket (negative: before the window).
        audience: `(n, G, AUDIENCE_COUNT)` float16, see `audience_of`.
        starts_ms: `(n,)` int64, consecutive bucket starts, epoch ms.
        bucket_ms: Bucket length, ms.
        reach: Rows that may be read back from any row (the live window's capacity).
        calendar: Its holidays.
    """

    prefix: NDArray[np.int64]
    first_row: NDArray[np.int64]
    audience: NDArray[np.float16]
    starts_ms: NDArray[np.int64]
    bucket_ms: int
    reach: int
    calendar: Calendar = NO_HOLIDAYS

    def clicks(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return clicks of the rows `[first, stop)`, shape `(stop - first, G)`."""
        return self.prefix[first + 1 : stop + 1] - self.prefix[first:stop]


def past_of(
    cells: NDArray[np.int64],
    first_row: NDArray[np.int64],
    *,
    starts_ms: NDArray[np.int64],
    bucket_ms: int,
    reach: int,
    calendar: Calendar = NO_HOLIDAYS,
) -> Past:
    """Return the past over whole series, `cells` `(T, G, MEASURE_COUNT)`, for training."""
    clicks = np.clip(cells[:, :, 0], 0, MAX_CLICKS)
    prefix = np.zeros((len(cells) + 1, cells.shape[1]), np.int64)
    np.cumsum(clicks, axis=0, out=prefix[1:])
    return Past(prefix, first_row, audience_of(cells), starts_ms, bucket_ms, reach, calendar)


class Window:
    """The last `capacity` closed buckets of a growing row of genres.

    Prefix sums make the mean over any stretch of buckets two look-ups. Rows lie in one
    contiguous block that moves down when its slack is used up: O(genres) per append, amortised.
    """

    def __init__(self, capacity: int, bucket_ms: int, calendar: Calendar = NO_HOLIDAYS) -> None:
        if capacity < 1 or bucket_ms < 1:
            raise ValueError("capacity and bucket_ms must be positive")
        self.capacity = capacity
        self.bucket_ms = bucket_ms
        self.calendar = calendar
        self._row_limit = capacity + max(_MIN_SLACK_ROWS, capacity // 4)
        self._genre_count = 0
        self._first_ms = np.zeros(0, np.int64)
        self._starts = np.zeros(self._row_limit, np.int64)
        self._prefix = np.zeros((self._row_limit + 1, 0), np.int64)
        self._audience = np.zeros((self._row_limit, 0, AUDIENCE_COUNT), np.float16)
        self._low = 0
        self._length = 0
        self._is_view = False

    def __len__(self) -> int:
        return self._length

    @property
    def genre_count(self) -> int:
        """Genres known so far."""
        return self._genre_count

    @property
    def starts_ms(self) -> NDArray[np.int64]:
        """Starts of the buckets held, `(n,)` int64, epoch ms, consecutive."""
        return self._starts[self._low : self._low + self._length]

    @property
    def first_bucket_ms(self) -> NDArray[np.int64]:
        """Per genre the first bucket it was counted in, `(G,)` int64, epoch ms."""
        return self._first_ms

    def append(
        self, start_ms: int, cells: NDArray[np.int64], first_bucket_ms: NDArray[np.int64]
    ) -> None:
        """Add the bucket just closed; a gap before it clears the window first.

        Args:
            start_ms: The bucket's start, epoch ms.
            cells: `(G, MEASURE_COUNT)` int64; genres in their fixed order, G never shrinks.
            first_bucket_ms: `(G,)` int64; a genre that begins after `start_ms` is not there yet.

        Raises:
            ValueError: When shapes do not fit or genres went missing, or this is a view.
        """
        if self._is_view:
            raise ValueError("a view of another window cannot be appended to")
        genre_count = len(cells)
        if cells.shape != (genre_count, MEASURE_COUNT) or first_bucket_ms.shape != (genre_count,):
            raise ValueError(f"cells {cells.shape} and first buckets {first_bucket_ms.shape}")
        if genre_count < self._genre_count:
            raise ValueError(f"{genre_count} genres after {self._genre_count}")
        if self._length and start_ms != int(self.starts_ms[-1]) + self.bucket_ms:
            self.clear()
        self._reserve(genre_count)
        self._genre_count = genre_count
        self._first_ms = first_bucket_ms.astype(np.int64)
        self._write(start_ms, cells)

    def clear(self) -> None:
        """Forget every bucket; genres keep their order."""
        self._low = 0
        self._length = 0
        self._prefix[0] = 0

    def up_to(self, length: int) -> "Window":
        """Return a view (not a copy) of the first `length` buckets; valid until the next append."""
        view = copy.copy(self)
        view._length = min(max(length, 0), self._length)
        view._is_view = True
        return view

    def lag(self, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return clicks `buckets` before the last one `(G,)` and whether they are known `(G,)`."""
        row = self._length - 1 - buckets
        if buckets < 0 or row < 0:
            nothing = np.zeros(self._genre_count, np.int64)
            return nothing, nothing.astype(bool)
        known = self._first_ms <= self.starts_ms[row]
        return self.past().clicks(row, row + 1)[0], known

    def past(self) -> Past:
        """Return views (not copies) of the buckets held; valid until the next append."""
        rows = slice(self._low, self._low + self._length)
        starts = self.starts_ms
        origin_ms = int(starts[0]) if self._length else 0
        return Past(
            prefix=self._prefix[self._low : self._low + self._length + 1, : self._genre_count],
            # Rounded up: a first bucket is on the grid, but nothing here depends on it.
            first_row=-((origin_ms - self._first_ms) // self.bucket_ms),
            audience=self._audience[rows, : self._genre_count],
            starts_ms=starts,
            bucket_ms=self.bucket_ms,
            reach=self.capacity,
            calendar=self.calendar,
        )

    def _reserve(self, genre_count: int) -> None:
        allocated = self._prefix.shape[1]
        if genre_count <= allocated:
            return
        wider = max(genre_count, allocated + allocated // 4, 16)
        prefix = np.zeros((self._row_limit + 1, wider), np.int64)
        prefix[:, :allocated] = self._prefix
        audience = np.zeros((self._row_limit, wider, AUDIENCE_COUNT), np.float16)
        audience[:, :allocated] = self._audience
        self._prefix, self._audience = prefix, audience

    def _write(self, start_ms: int, cells: NDArray[np.int64]) -> None:
        if self._length == self.capacity:
            self._low += 1
            self._length -= 1
        if self._low + self._length == self._row_limit:
            self._move_down()
        row = self._low + self._length
        genres = slice(0, self._genre_count)
        # New columns need no back-filling: their sums are 0 in every earlier row.
        self._starts[row] = start_ms
        self._audience[row, genres] = audience_of(cells)
        self._prefix[row + 1] = self._prefix[row]
        self._prefix[row + 1, genres] += np.clip(cells[:, 0], 0, MAX_CLICKS)
        self._length += 1

    def _move_down(self) -> None:
        rows = slice(self._low, self._low + self._length)
        self._starts[: self._length] = self._starts[rows]
        self._audience[: self._length] = self._audience[rows]
        self._prefix[: self._length + 1] = self._prefix[self._low : self._low + self._length + 1]
        self._low = 0
