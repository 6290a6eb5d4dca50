"""Records handed to the client together, and what became of them."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

NO_TIMESTAMP: Final = -1
"""What the broker answers where a record keeps the producer's timestamp."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one partition in the order of sending; arrays `(n,)`.

    Attributes:
        event_ms: Event times.
        genre_list: Index of their genres, NO_EVENT or IMPRESSION_LIST.
        due_s: When each was due, monotonic seconds; None where nobody measures.
        size_bytes: Of all values.
        timestamp_ms: The producer's.
    """

    event_ms: Integers
    genre_list: Integers
    due_s: NDArray[np.float64] | None
    size_bytes: int
    timestamp_ms: int

    def __len__(self) -> int:
        return len(self.event_ms)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the broker answered.

    Attributes:
        is_written: Which are on the topic, `(n,)`.
        offset: Offsets of those, in their order.
        timestamp_ms: Their timestamps.
        at_s: When the answer came, monotonic seconds.
        errors: Of those that are not written, in their order.
    """

    is_written: NDArray[np.bool_]
    offset: Integers
    timestamp_ms: Integers
    at_s: float
    errors: tuple[Exception, ...] = ()


@dataclass(slots=True)
class HandedBatch:
    """A whole batch in the client's queue (`bulk`)."""

    rows: Rows
    batch: Any
    at_s: float = 0.0

    def __post_init__(self) -> None:
        self.batch.produce_future.add_callback(self._note)

    def _note(self, _: object) -> None:
        # On the client's thread: the moment of the answer, however busy the caller is.
        self.at_s = time.monotonic()

    def outcome(self) -> Outcome | None:
        """Return what became of it; None while that is open."""
        future = self.batch.produce_future
        if not future.is_done:
            return (
                None if self.batch.singles is None else _outcome_of(self.batch.singles, self.rows)
            )
        first, appended_ms, error_of = future.value
        count = len(self.rows)
        if error_of is not None:
            nothing = np.empty(0, np.int64)
            is_written = np.zeros(count, np.bool_)
            errors = tuple(error_of(index) for index in range(count))
            return Outcome(is_written, nothing, nothing, self.at_s, errors)
        stamp_ms = self.rows.timestamp_ms if appended_ms in (None, NO_TIMESTAMP) else appended_ms
        return Outcome(
            np.ones(count, np.bool_),
            first + np.arange(count, dtype=np.int64),
            np.full(count, stamp_ms, np.int64),
            self.at_s or time.monotonic(),
        )


@dataclass(slots=True)
class HandedSingles:
    """Records sent one by one through the public `send`."""

    rows: Rows
    futures: list[Any] = field(default_factory=list)

    def outcome(self) -> Outcome | None:
        """Return what became of them; None while that is open."""
        return _outcome_of(self.futures, self.rows)


def _outcome_of(futures: list[Any], rows: Rows) -> Outcome | None:
    # The last is done last: a partition's records are acknowledged in order.
    if not (futures[-1].is_done and all(future.is_done for future in futures)):
        return None
    written = [future.value for future in futures if future.exception is None]
    errors = tuple(future.exception for future in futures if future.exception is not None)
    return Outcome(
        np.array([future.exception is None for future in futures], np.bool_),
        np.array([record.offset for record in written], np.int64),
        np.array([record.timestamp for record in written], np.int64),
        time.monotonic(),
        errors,
    )
