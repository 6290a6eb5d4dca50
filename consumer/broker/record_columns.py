"""Kafka's records as bytes (message format 2) to columns: offsets, timestamps, keys, values.

    record = length, attributes, timestamp delta, offset delta, key, value, headers

All numbers are varints, zigzag. Lengths lead from record to record, one step of Python each; all
other numbers are read for all records at a time. Headers are gone past.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from kafka.record.util import decode_varint
from numpy.typing import NDArray

from consumer.records import Columns

Integers = NDArray[np.int64]
Bytes = NDArray[np.uint8]

MOST_SHIFT: Final = 56
"""Shift of a varint's ninth byte, bits: longer ones may not fit an int64 and are not read here."""

MOST_STAMP_MS: Final = 2**61
"""Largest time that timestamps may count from, ms: with a delta it still fits an int64."""


class OddRecordsError(Exception):
    """Bytes that the client has to read itself, or to refuse."""


class Piece(NamedTuple):
    """One batch's records.

    Attributes:
        content: Their bytes, not compressed.
        size: How many there are.
        base_offset: What their offsets count from.
        stamp_ms: What their timestamps count from, epoch ms; with `is_append_time` they are it.
    """

    content: bytes | memoryview
    size: int
    base_offset: int
    stamp_ms: int
    is_append_time: bool


class Spans(Sequence[bytes | None]):
    """Parts of a buffer, cut out when asked for; None where the length is negative."""

    def __init__(self, buffer: bytes, begins: Integers, lengths: Integers) -> None:
        self._buffer, self._begins, self._lengths = buffer, begins, lengths

    def __len__(self) -> int:
        return len(self._begins)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 (int to bytes, slice to Spans)
        if isinstance(index, slice):
            return Spans(self._buffer, self._begins[index], self._lengths[index])
        begin, length = int(self._begins[index]), int(self._lengths[index])
        return None if length < 0 else self._buffer[begin : begin + length]

    def cut(self) -> list[bytes | None]:
        """Return all of them."""
        buffer, ends = self._buffer, self._begins + self._lengths
        spans = zip(self._begins.tolist(), ends.tolist(), strict=True)
        found: list[bytes | None] = [buffer[begin:end] for begin, end in spans]
        for index in np.flatnonzero(self._lengths < 0).tolist():
            found[index] = None
        return found


def read_columns(pieces: Sequence[Piece]) -> Columns:
    """Return the records of batches, in their order.

    Raises:
        OddRecordsError: They do not add up, or are larger than anything sensible.
    """
    try:
        return _read(pieces)
    except (IndexError, ValueError, OverflowError) as error:
        raise OddRecordsError from error


def _read(pieces: Sequence[Piece]) -> Columns:
    counts = np.array([piece.size for piece in pieces], np.int64)
    buffer = b"".join([piece.content for piece in pieces])
    borders = _record_borders(buffer, int(counts.sum()))
    _check_borders(borders, counts, pieces)
    content, begins, ends = np.frombuffer(buffer, np.uint8), borders[:-1], borders[1:]

    lengths, at = _varints(content, begins)
    if (lengths < 0).any() or (content[at] & 0x80).any():  # attributes: one byte, none in use
        raise OddRecordsError
    stamp_deltas, at = _varints(content, at + 1)
    offset_deltas, at = _varints(content, at)
    keys, at = _spans(buffer, content, at)
    values, at = _spans(buffer, content, at)
    header_counts, at = _varints(content, at)
    for index in np.flatnonzero(header_counts).tolist():
        at[index] = _past_headers(buffer, int(at[index]), int(header_counts[index]))
    if (at != ends).any():
        raise OddRecordsError

    if any(abs(piece.stamp_ms) > MOST_STAMP_MS for piece in pieces):
        raise OddRecordsError
    is_append_time = np.array([piece.is_append_time for piece in pieces], np.bool_)
    stamps = np.repeat(np.array([piece.stamp_ms for piece in pieces], np.int64), counts)
    if not is_append_time.all():
        stamps += np.where(np.repeat(is_append_time, counts), 0, stamp_deltas)
    offsets = np.repeat(np.array([piece.base_offset for piece in pieces], np.int64), counts)
    return Columns(offsets + offset_deltas, stamps, values.cut(), keys)


def _record_borders(buffer: bytes, count: int) -> Integers:
    """Return where each of so many records begins, and the end of the last one."""
    borders: list[int] = []
    add, at = borders.append, 0
    for _ in range(count):
        add(at)
        low = buffer[at]
        if low < 0x80:
            at += 1 + (low >> 1)
        elif (high := buffer[at + 1]) < 0x80:
            at += 2 + (high << 6 | (low & 0x7F) >> 1)
        else:
            length, at = decode_varint(buffer, at)
            at += max(length, 0)
    add(at)
    return np.array(borders, np.int64)


def _check_borders(borders: Integers, counts: Integers, pieces: Sequence[Piece]) -> None:
    """Hold the records' borders against the batches': same numbers, ends where they end."""
    sizes = np.cumsum([0, *(len(piece.content) for piece in pieces)])
    firsts = np.cumsum(np.concatenate(([0], counts)))
    if len(borders) != firsts[-1] + 1 or (borders[firsts] != sizes).any():
        raise OddRecordsError


def _varints(content: Bytes, at: Integers) -> tuple[Integers, Integers]:
    """Return the numbers that begin at these places, and where each one ends."""
    low = content[at]
    numbers, at = (low & 0x7F).astype(np.int64), at + 1
    longer = np.flatnonzero(low & 0x80)
    shift = 7
    while longer.size:
        if shift > MOST_SHIFT:
            raise OddRecordsError
        more = content[at[longer]]
        numbers[longer] |= (more & 0x7F).astype(np.int64) << shift
        at[longer] += 1
        longer = longer[more >= 0x80]
        shift += 7
    return numbers >> 1 ^ -(numbers & 1), at


def _spans(buffer: bytes, content: Bytes, at: Integers) -> tuple[Spans, Integers]:
    """Return the byte strings that begin, with their lengths, at these places, and their ends."""
    lengths, begins = _varints(content, at)
    return Spans(buffer, begins, lengths), begins + np.maximum(lengths, 0)


def _past_headers(buffer: bytes, at: int, count: int) -> int:
    """Return where a record's headers end; what they say is nobody's business here."""
    if count < 0:
        raise OddRecordsError
    for _ in range(count):
        length, at = decode_varint(buffer, at)
        if length < 0:
            raise OddRecordsError
        at += length
        length, at = decode_varint(buffer, at)
        at += max(length, 0)
    return at
