"""A batch as its bytes say: the header, and the records behind it, compressed or not.

Format 2, as in https://kafka.apache.org/documentation/#recordbatch.
"""

import io
import struct
from typing import Final, NamedTuple, Protocol

from kafka.record.default_records import DefaultRecordBatch

from consumer.broker.record_columns import OddRecordsError
from contracts.kafka_unpacking import Codec, Unpacking, UnpackingError

BEFORE_LENGTH: Final = 12
"""Bytes of a batch that its length does not count."""

LENGTH_AT: Final = 8
"""Where a batch says its length, in every format."""

MAGIC_AT: Final = 16
"""Where a batch says its format, the same byte in every format."""

BATCH_MAGIC: Final = 2
"""The format that is read here; older ones hold a record each."""

MOST_WHOLE_BYTES: Final = 16 * 1024 * 1024
"""A batch that unpacks to more is read record by record; about as much is read at a time."""

MOST_WHOLE_RECORDS: Final = 100_000
"""So is a batch of more records: each takes some hundred bytes besides its own."""

CODEC_BITS, LOG_APPEND_TIME_BIT, TRANSACTIONAL_BIT, CONTROL_BIT = 0x07, 0x08, 0x10, 0x20

_LENGTH: Final = struct.Struct(">i")
_HEADER: Final = DefaultRecordBatch.HEADER_STRUCT


class Content(Protocol):
    """A batch's records as bytes, from their beginning on: `io.BytesIO` or an `Unpacking`."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or fewer at the end."""
        ...


class Header(NamedTuple):
    """A batch's header, in the order of its bytes."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return BEFORE_LENGTH + self.length

    @property
    def end_offset(self) -> int:
        """The offset after the last record that the batch had when it was written."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def is_control(self) -> bool:
        """Whether it is a transaction's marker."""
        return bool(self.attributes & CONTROL_BIT)

    @property
    def is_transactional(self) -> bool:
        """Whether it belongs to a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_append_time(self) -> bool:
        """Whether all records have the batch's time."""
        return bool(self.attributes & LOG_APPEND_TIME_BIT)

    @property
    def stamp_ms(self) -> int:
        """What the records' timestamps count from, epoch ms; with `is_append_time` they are it."""
        return self.max_timestamp if self.is_append_time else self.first_timestamp


def read_header(raw: memoryview, at: int) -> Header | None:
    """Return the header of the batch that begins there; None at the end, which may cut one off.

    Raises:
        OddRecordsError: It is of another format.
    """
    left = len(raw) - at
    if left < BEFORE_LENGTH:
        return None
    (length,) = _LENGTH.unpack_from(raw, at + LENGTH_AT)
    size = BEFORE_LENGTH + length
    if size > left:
        return None
    if size < _HEADER.size or raw[at + MAGIC_AT] != BATCH_MAGIC:
        raise OddRecordsError
    return Header._make(_HEADER.unpack_from(raw, at))


def content_of(header: Header, batch: memoryview) -> Content:
    """Return a batch's records, to be unpacked as they are read.

    Raises:
        OddRecordsError: There is no such codec.
    """
    content, kind = batch[_HEADER.size :], header.attributes & CODEC_BITS
    try:
        return Unpacking(bytes(content), Codec(kind)) if kind else io.BytesIO(content)
    except ValueError as error:
        raise OddRecordsError from error


def whole_content_of(header: Header, batch: memoryview) -> bytes | memoryview | None:
    """Return a batch's records, unpacked; None when it is too large for that.

    Raises:
        OddRecordsError: They can't be unpacked.
    """
    if header.record_count > MOST_WHOLE_RECORDS:
        return None
    if not header.attributes & CODEC_BITS:
        return batch[_HEADER.size :]
    try:
        content = content_of(header, batch).read(MOST_WHOLE_BYTES + 1)
    except UnpackingError as error:
        raise OddRecordsError from error
    return content if len(content) <= MOST_WHOLE_BYTES else None


def difference_in_format() -> str | None:
    """Say what the client's batches have that is not as expected here."""
    if _HEADER.format.lstrip(">") != "qiibIhiqqqhii":
        return "a batch's header has other fields"
    return None
