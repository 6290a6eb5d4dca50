"""Batches that unpack to far more than they are, never whole in memory."""

from collections.abc import Iterable, Iterator
from itertools import repeat

import zstandard

from contracts.kafka_batches import HEADER, varint
from contracts.kafka_unpacking import Codec

MIB = 1024 * 1024
GIANT = 300 * MIB


def record(value: bytes, offset: int) -> Iterator[bytes]:
    """A record's bytes: no key, no header, as many ms after its batch as it is records after."""
    return _parts([value], len(value), offset)


def giant(offset: int) -> Iterator[bytes]:
    """The bytes of a record of `GIANT` spaces."""
    return _parts(repeat(b" " * MIB, GIANT // MIB), GIANT, offset)


def _parts(value: Iterable[bytes], size: int, offset: int) -> Iterator[bytes]:
    head = b"\0" + varint(offset) + varint(offset) + varint(-1) + varint(size)
    yield varint(len(head) + size + 1) + head
    yield from value
    yield b"\0"


def pack(parts: Iterable[bytes]) -> bytes:
    """Return records compressed by zstd."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return b"".join([*map(compressor.compress, parts), compressor.flush()])


def batch_of(parts: Iterable[bytes], count: int) -> bytes:
    """Return a batch of records, at offset 100 and 5,000 ms."""
    content = pack(parts)
    length = HEADER.size - 12 + len(content)
    header = HEADER.pack(100, length, 0, 2, 0, Codec.ZSTD, count - 1, 5_000, 0, -1, -1, -1, count)
    return header + content
