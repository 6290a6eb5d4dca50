"""Kafka's compressed batches, unpacked no further than asked: a few bytes may hold gigabytes.

A broker bounds a batch as it is sent and not what it unpacks to, and kafka-python unpacks it whole.
Here it is read block by block, and the client is given decoders that have a limit.
"""

import gzip
import io
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final

import lz4.frame
import snappy
import zstandard
from kafka import codec
from kafka.errors import CorruptRecordError
from kafka.record import default_records, legacy_records

MOST_UNPACKED_BYTES: Final = 64 * 1024 * 1024
"""What the client itself unpacks of one batch, at most."""

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""What is unpacked at a time, at most; snappy has blocks of its own."""

SNAPPY_RATIO: Final = 22
"""A snappy block holds at most so many times its bytes: three of them repeat 64
(https://github.com/google/snappy/blob/main/format_description.txt)."""

XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
XERIAL_HEADER_BYTES: Final = 16
"""The Java client's framing of snappy: after this header, blocks each with its length."""

_BLOCK_LENGTH: Final = struct.Struct(">i")


class Codec(IntEnum):
    """How a batch is compressed (https://kafka.apache.org/documentation/#recordbatch)."""

    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class UnpackingError(CorruptRecordError):  # type: ignore[misc]
    """A compressed batch is broken, or holds more than it may."""


class Unpacking:
    """What compressed bytes hold, read from its beginning on."""

    def __init__(self, compressed: bytes, kind: Codec) -> None:
        self._blocks = _BLOCKS[kind](compressed)
        self._block, self._at = b"", 0

    def read(self, size: int) -> bytes:
        """Return the next bytes: so many, or fewer at the end.

        Raises:
            UnpackingError: They are not what the codec writes.
        """
        parts, missing = [], size
        try:
            while missing > 0:
                if self._at == len(self._block):
                    self._block, self._at = next(self._blocks, b""), 0
                part = self._block[self._at : self._at + missing]
                if not part:
                    break
                parts.append(part)
                self._at += len(part)
                missing -= len(part)
        except Exception as error:  # each library has errors of its own
            raise UnpackingError(f"a compressed batch is broken: {error}") from error
        return b"".join(parts)


def _gzip_blocks(compressed: bytes) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as unpacked:
        while block := unpacked.read(BLOCK_BYTES):
            yield block


def _snappy_blocks(compressed: bytes) -> Iterator[bytes]:
    if not compressed.startswith(XERIAL_MAGIC):
        yield _snappy_block(compressed)
        return
    at = XERIAL_HEADER_BYTES
    while at < len(compressed):
        (length,) = _BLOCK_LENGTH.unpack_from(compressed, at)
        at += _BLOCK_LENGTH.size
        if length < 0:
            raise ValueError("a block of negative length")
        if block := _snappy_block(compressed[at : at + length]):
            yield block
        at += length


def _snappy_block(compressed: bytes) -> bytes:
    claimed = 0
    for index, byte in enumerate(compressed[:5]):
        claimed |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            break
    # Room for what is claimed is made before anything is read.
    if claimed > SNAPPY_RATIO * len(compressed):
        raise ValueError("a block claims more than it can hold")
    unpacked: bytes = snappy.decompress(compressed)
    return unpacked


def _lz4_blocks(compressed: bytes) -> Iterator[bytes]:
    frame, given = lz4.frame.LZ4FrameDecompressor(), compressed
    while not frame.eof:
        block = frame.decompress(given, max_length=BLOCK_BYTES)
        given = b""
        if block:
            yield block
        elif frame.needs_input:
            raise EOFError("the frame ends too early")


def _zstd_blocks(compressed: bytes) -> Iterator[bytes]:
    # Its window is bounded by the library: 128 MiB.
    unpacker = zstandard.ZstdDecompressor()
    with unpacker.stream_reader(io.BytesIO(compressed), read_across_frames=True) as unpacked:
        while block := unpacked.read(BLOCK_BYTES):
            yield block


_BLOCKS: Final[dict[Codec, Callable[[bytes], Iterator[bytes]]]] = {
    Codec.GZIP: _gzip_blocks,
    Codec.SNAPPY: _snappy_blocks,
    Codec.LZ4: _lz4_blocks,
    Codec.ZSTD: _zstd_blocks,
}


def bound_unpacking() -> None:
    """Have every client of this process refuse a batch that holds too much, and say so.

    It raises an UnpackingError then, and stays where it is.
    """
    for kind in Codec:
        name = f"{kind.name.lower()}_decode"
        decode = _bounded(kind)
        for module in (codec, default_records, legacy_records):
            if hasattr(module, name):
                setattr(module, name, decode)


def _bounded(kind: Codec) -> Callable[[bytes], bytes]:
    def decode(compressed: bytes) -> bytes:
        unpacked = Unpacking(bytes(compressed), kind).read(MOST_UNPACKED_BYTES + 1)
        if len(unpacked) > MOST_UNPACKED_BYTES:
            raise UnpackingError(
                f"a batch compressed by {kind.name.lower()} holds more than "
                f"{MOST_UNPACKED_BYTES >> 20} MiB: the limit is there because a hostile producer "
                "could fill the memory"
            )
        return unpacked

    return decode
