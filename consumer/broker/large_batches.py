"""Batches too large to be unpacked at once, read record by record.

What a producer sends in a few bytes may unpack to gigabytes. None of its records is lost and no
more is held than can be counted, however large the batch or any of its records is.
"""

from typing import Final

import numpy as np
from kafka.record.util import decode_varint

from consumer.broker.batch_format import Content, Header
from consumer.broker.record_columns import OddRecordsError
from consumer.records import Columns, CutValue, int64s
from contracts.events import MOST_EVENT_BYTES
from contracts.kafka_unpacking import UnpackingError

READ_BYTES: Final = 256 * 1024
"""How much is unpacked beyond what is looked at, bytes."""

MOST_HELD_BYTES: Final = 16 * 1024 * 1024
"""Records are handed out once their values and keys are as large, bytes."""

MOST_NUMBER_BYTES: Final = 10
"""Length of the longest varint."""

RECORD_BYTES: Final = 1_000
"""What a small record takes in memory, roughly, bytes."""


class LargeBatch:
    """The records of one batch, in their order.

    Args:
        content: Their bytes.
        header: The batch's.
    """

    def __init__(self, content: Content, header: Header) -> None:
        self._reader = _Reader(content)
        self._header = header
        self._left = header.record_count

    @property
    def is_read_up(self) -> bool:
        """Whether no record is left."""
        return self._left <= 0

    def take(self, most: int) -> Columns:
        """Return the next records: so many at most, fewer where they are large.

        Raises:
            OddRecordsError: They do not add up.
        """
        offsets: list[int] = []
        stamps: list[int | None] = []
        keys: list[bytes | None] = []
        values: list[bytes | None] = []
        held = 0
        try:
            while self._left > 0 and len(offsets) < most and held < MOST_HELD_BYTES:
                offset, stamp_ms, key, value = self._next()
                offsets.append(offset)
                stamps.append(stamp_ms)
                keys.append(key)
                values.append(value)
                held += len(key or b"") + len(value or b"") + RECORD_BYTES
                self._left -= 1
            if self.is_read_up and not self._reader.is_at_end():
                raise OddRecordsError
            return Columns(np.array(offsets, np.int64), int64s(stamps), values, keys)
        except (IndexError, ValueError, OverflowError, UnpackingError) as error:
            raise OddRecordsError from error

    def _next(self) -> tuple[int, int, bytes | None, bytes | None]:
        reader, header = self._reader, self._header
        length = reader.number()
        end = reader.position + length
        reader.skip(1)  # attributes, none in use
        after_ms = reader.number()
        stamp_ms = header.stamp_ms + (0 if header.is_append_time else after_ms)
        offset = header.base_offset + reader.number()
        key, value = reader.text(), reader.text()
        if isinstance(key, CutValue):  # no topic of ours could take it
            key = None
        reader.skip(end - reader.position)  # headers
        return offset, stamp_ms, key, value


class _Reader:
    """Numbers and texts out of bytes, of which little is held at a time."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._buffer, self._at, self._before = b"", 0, 0

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._before + self._at

    def is_at_end(self) -> bool:
        self._reach(1)
        return self._at == len(self._buffer)

    def number(self) -> int:
        self._reach(MOST_NUMBER_BYTES)
        number: int
        number, self._at = decode_varint(self._buffer, self._at)
        return number

    def text(self) -> bytes | None:
        """Return a text behind its length; its beginning, if it is longer than any event."""
        length = self.number()
        if length < 0:
            return None
        kept = min(length, MOST_EVENT_BYTES + 1)
        self._reach(kept)
        text = self._buffer[self._at : self._at + kept]
        self.skip(length)
        return CutValue.of(text, length) if kept < length else text

    def skip(self, size: int) -> None:
        """Go past bytes that have to be there."""
        if size < 0:
            raise ValueError("a record is longer than it says")
        while (missing := size - (len(self._buffer) - self._at)) > 0:
            self._before += len(self._buffer)
            self._buffer, self._at = self._content.read(READ_BYTES), 0
            size = missing
            if not self._buffer:
                raise ValueError("the records end too early")
        self._at += size

    def _reach(self, size: int) -> None:
        """Have so many bytes at hand, if there are as many."""
        if len(self._buffer) - self._at < size:
            self._before += self._at
            rest = self._buffer[self._at :]
            self._buffer, self._at = rest + self._content.read(size + READ_BYTES), 0
