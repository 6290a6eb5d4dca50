"""Records of the clicks topic as the loop takes them: one by one, or a partition's by column."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from operator import attrgetter
from typing import NamedTuple, Protocol, Self, cast, overload

import numpy as np
from numpy.typing import NDArray

_offset_of = attrgetter("offset")
_timestamp_of = attrgetter("timestamp")
_value_of = attrgetter("value")


class CutValue(bytes):
    """The beginning of a value too large to be held.

    Attributes:
        size: How long the value is, bytes.
    """

    size: int

    @classmethod
    def of(cls, beginning: bytes, size: int) -> Self:
        """Return the beginning of a value of so many bytes."""
        value = cls(beginning)
        value.size = size
        return value


def size_of(value: bytes) -> int:
    """Return how long a value is, or was before it was cut, bytes."""
    return value.size if isinstance(value, CutValue) else len(value)


class Record(Protocol):
    """What is read of a Kafka record."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class LogRecord(NamedTuple):
    """One record, taken out of columns."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class KeysOf(Sequence[bytes | None]):
    """The keys of records, taken out of them when asked for: only what goes aside needs one."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> bytes | Self | None:
        if isinstance(index, slice):
            return type(self)(self._records[index])
        return self._records[index].key


class Chained(Sequence[bytes | None]):
    """Sequences one after the other, none of them copied."""

    def __init__(self, parts: Sequence[Sequence[bytes | None]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes | None]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes | None] | None:
        if isinstance(index, slice):
            return list(islice(self, *index.indices(len(self))))
        at = range(len(self))[index]
        part = bisect_right(self._ends, at)
        return self._parts[part][at - self._ends[part]]


@dataclass(frozen=True, slots=True, eq=False)
class Columns(Sequence[LogRecord]):
    """Records of one partition in offset order, by column: no object per record.

    Attributes:
        offsets: (N,) int64.
        timestamps: (N,) int64, epoch ms.
        values: N values; None is a tombstone.
        keys: N keys; None where a record has none.
    """

    offsets: NDArray[np.int64]
    timestamps: NDArray[np.int64]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Columns":
        """Return records by column; columns as they are."""
        if isinstance(records, cls):
            return records
        return cls(
            _offsets_of(records),
            _timestamps_of(records),
            list(map(_value_of, records)),
            KeysOf(records),
        )

    @classmethod
    def joined(cls, parts: Sequence["Columns"]) -> "Columns":
        """Return the records of several columns, in their order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.timestamps for part in parts]),
            list(chain.from_iterable(part.values for part in parts)),
            Chained([part.keys for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> LogRecord: ...
    @overload
    def __getitem__(self, index: slice) -> "Columns": ...
    def __getitem__(self, index: int | slice) -> "LogRecord | Columns":
        if isinstance(index, slice):
            return Columns(
                self.offsets[index], self.timestamps[index], self.values[index], self.keys[index]
            )
        offset, timestamp = int(self.offsets[index]), int(self.timestamps[index])
        return LogRecord(offset, timestamp, self.keys[index], self.values[index])


def offset_span(records: Sequence[Record]) -> tuple[int, int]:
    """Return the first and the last offset of some records."""
    if isinstance(records, Columns):
        return cast("tuple[int, int]", tuple(records.offsets[[0, -1]].tolist()))
    return records[0].offset, records[-1].offset


def _offsets_of(records: Sequence[Record]) -> NDArray[np.int64]:
    if records:
        first, last = records[0].offset, records[-1].offset
        # They ascend: where none is missing, none has to be asked.
        if last - first == len(records) - 1:
            return np.arange(first, last + 1)
    return np.fromiter(map(_offset_of, records), np.int64, len(records))


def _timestamps_of(records: Sequence[Record]) -> NDArray[np.int64]:
    try:
        return np.fromiter(map(_timestamp_of, records), np.int64, len(records))
    except (OverflowError, TypeError):
        return int64s([record.timestamp for record in records])


def int64s(numbers: list[int | None]) -> NDArray[np.int64]:
    """Return timestamps; the oldest format has none (-1), hostile ones may not fit (cut off)."""
    try:
        return np.array(numbers, np.int64)
    except (OverflowError, TypeError):
        limits = np.iinfo(np.int64)
        known = (-1 if number is None else number for number in numbers)
        return np.array([min(max(n, limits.min), limits.max) for n in known], np.int64)
