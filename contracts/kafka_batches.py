"""Kafka's record batches (format 2) made in bulk: many records joined at once, no object for each.

Knows the format and no client: https://kafka.apache.org/documentation/#recordbatch.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

Integers = NDArray[np.int64]

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and largest
timestamp, producer id and epoch, base sequence, record count."""

LENGTH_ENDS_AT: Final = 12
"""Bytes of a batch that its length does not count."""

CRC_AT: Final = 17
"""Where the CRC is; it is of everything after it."""

ATTRIBUTES_AT: Final = 21
"""Where the CRC begins to count."""

MAGIC: Final = 2
"""The format."""

RECORD_OVERHEAD: Final = 21
"""Most bytes of a record beside key, value and their lengths, as the client estimates it."""

MOST_RECORDS: Final = 8_192
"""Most records of a batch: their offsets take two bytes at most."""


def varint(number: int) -> bytes:
    """Return a zigzag varint.

    >>> list(varint(-1)), list(varint(64))
    ([1], [128, 1])
    """
    rest = number * 2 if number >= 0 else -number * 2 - 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


class _Varints(dict[int, bytes]):
    """Varints by number, made when first asked for."""

    def __missing__(self, number: int) -> bytes:
        made = self[number] = varint(number)
        return made


class _Heads(dict[int, bytes]):
    """By a record's length: the end of the record before it (no headers), then its own begin."""

    def __missing__(self, length: int) -> bytes:
        # Attributes and the distance to the batch's timestamp are 0.
        made = self[length] = b"\x00" + varint(length) + b"\x00\x00"
        return made


_VARINTS: Final = _Varints()
_HEADS: Final = _Heads()
_OFFSETS: Final = tuple(varint(number) for number in range(MOST_RECORDS))
_OFFSET_BYTES: Final = np.array([len(offset) for offset in _OFFSETS], np.int64)


def _varint_sizes(numbers: Integers) -> Integers:
    """Return how many bytes the varints of numbers from -1 to 2^34 take."""
    borders = np.array([64, 8_192, 1_048_576, 134_217_728])
    return np.searchsorted(borders, numbers, side="right") + 1


@dataclass(frozen=True, slots=True)
class Body:
    """The records of one batch, without its header.

    Attributes:
        first: Row of the first.
        count: How many.
        content: Their bytes.
    """

    first: int
    count: int
    content: bytes


def record_sizes(keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> Integers:
    """Return the most bytes `(n,)` that each record takes, as the client estimates it."""
    key, value = _lengths(keys), _lengths(values)
    return (
        np.maximum(key, 0) + np.maximum(value, 0) + _varint_sizes(key) + _varint_sizes(value)
        + RECORD_OVERHEAD + HEADER.size + 1
    )  # fmt: skip


def build_bodies(
    keys: Sequence[bytes | None], values: Sequence[bytes | None], batch_bytes: int
) -> Iterator[Body]:
    """Yield the records, in their order, in batches of about `batch_bytes`; one at least in each.

    All records of a batch have its timestamp.
    """
    sizes = np.cumsum(record_sizes(keys, values) - HEADER.size)
    first, count = 0, len(values)
    while first < count:
        before = int(sizes[first - 1]) if first else 0
        end = int(np.searchsorted(sizes, before + batch_bytes, side="right"))
        end = min(max(end, first + 1), first + MOST_RECORDS, count)
        yield Body(first, end - first, _join(keys[first:end], values[first:end]))
        first = end


def _join(keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> bytes:
    count = len(values)
    key, value = _lengths(keys), _lengths(values)
    lengths = (
        np.maximum(key, 0) + np.maximum(value, 0) + _varint_sizes(key) + _varint_sizes(value)
        + _OFFSET_BYTES[:count] + 3  # attributes, timestamp, number of headers
    )  # fmt: skip
    pieces = chain.from_iterable(
        zip(
            map(_HEADS.__getitem__, lengths.tolist()),
            _OFFSETS[:count],
            map(_VARINTS.__getitem__, key.tolist()),
            keys,
            map(_VARINTS.__getitem__, value.tolist()),
            values,
            strict=True,
        )
    )
    joined = b"".join(pieces if _is_whole(key, value) else (piece or b"" for piece in pieces))
    # The first head ends no record; the last record has no head after it.
    return joined[1:] + b"\x00"


def _is_whole(key: Integers, value: Integers) -> bool:
    return bool((key >= 0).all() and (value >= 0).all())


def _lengths(texts: Sequence[bytes | None]) -> Integers:
    """Return lengths, -1 for None."""
    return np.array([-1 if text is None else len(text) for text in texts], np.int64)


@dataclass(frozen=True, slots=True)
class Producer:
    """Who writes: what lets the broker refuse a repeated batch."""

    id: int
    epoch: int
    base_sequence: int
    is_transactional: bool


def seal_batch(
    content: bytes, *, count: int, timestamp_ms: int, codec: int, producer: Producer
) -> bytearray:
    """Return a batch: header, and the content of its records as it is (compressed by `codec`)."""
    attributes = codec | (0x10 if producer.is_transactional else 0)
    batch = bytearray(HEADER.size + len(content))
    HEADER.pack_into(
        batch, 0,
        0, len(batch) - LENGTH_ENDS_AT, 0, MAGIC, 0, attributes, count - 1, timestamp_ms,
        timestamp_ms, producer.id, producer.epoch, producer.base_sequence, count,
    )  # fmt: skip
    batch[HEADER.size :] = content
    struct.pack_into(">I", batch, CRC_AT, crc32c(memoryview(batch)[ATTRIBUTES_AT:]))
    return batch
