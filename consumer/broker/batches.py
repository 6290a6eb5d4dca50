"""Fetched batches read by column, below the client's objects per record.

kafka-python makes several objects for every record that it hands out, which costs more than all
that we do with it. Here its fetcher is given another reader of what it has fetched: whole batches
at once, as `Columns`. All else stays the client's: fetching, positions, pauses, rebalances, and
which transactions were aborted. What is out of the ordinary (an older format, a codec that is not
there, bytes that do not add up) the client reads itself, and its verdict stands.
"""

import inspect
import struct
from collections import deque
from collections.abc import Callable, Iterator
from itertools import dropwhile, islice
from typing import Any, Final, NamedTuple

import numpy as np
from kafka import KafkaConsumer, TopicPartition, codec
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch

from consumer.broker.record_columns import OddRecordsError, Piece, read_columns
from consumer.records import Columns

BEFORE_LENGTH: Final = 12
"""Bytes of a batch that its length does not count."""

LENGTH_AT: Final = 8
"""Where a batch says its length, in every format."""

MAGIC_AT: Final = 16
"""Where a batch says its format, the same byte in every format."""

BATCH_MAGIC: Final = 2
"""The format that is read here; older ones hold a record each."""

ANY_OFFSET: Final = -(2**63)
"""From here on nothing is left out."""

CODEC_BITS, LOG_APPEND_TIME_BIT, TRANSACTIONAL_BIT, CONTROL_BIT = 0x07, 0x08, 0x10, 0x20

_DECODERS: Final[dict[int, tuple[Callable[[], bool], Callable[[bytes], bytes]]]] = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}

_LENGTH: Final = struct.Struct(">i")
_HEADER: Final = DefaultRecordBatch.HEADER_STRUCT


Standing = tuple[int, frozenset[int], tuple[Any, ...]]
"""Where a batch begins; producers and transactions that are aborted there."""


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
    def last_offset(self) -> int:
        """Offset of the last record that the batch had when it was written."""
        return self.base_offset + self.last_offset_delta


class Taken:
    """Records as the client collects them: it is as long as they are, and yields them at once."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[Columns]:
        return iter((self._columns,))


class BatchRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What was fetched of one partition; takes the place of the client's own class."""

    def __init__(
        self,
        fetch_offset: int,
        tp: TopicPartition,
        records: Any,  # noqa: ANN401 (the client's)
        **options: Any,  # noqa: ANN401
    ) -> None:
        self.aborted_producer_ids: set[int]
        self.aborted_transactions: deque[Any]
        super().__init__(fetch_offset, tp, records, **options)
        self._raw = memoryview(records._buffer or b"")
        self._at = 0
        self._is_read_up = False
        self._ready: Columns | None = None
        self._ready_until = fetch_offset
        self._has_begun = False
        self._client_from: Standing | None = None
        self._client_taken = 0
        if self.check_crcs:
            self._leave_to_client(self._standing())

    def take(self, n: int | None = None) -> Taken | tuple[()]:
        """Return at most so many records; where the next fetch begins is in `next_fetch_offset`."""
        limit = max(1, len(self._raw)) if n is None else n
        while self._client_from is None and self._ready is None and not self._is_read_up:
            self._read_on(limit)
        if self._client_from is not None:
            return self._take_from_client(self._client_from, n)
        return self._hand_out(limit)

    def _hand_out(self, limit: int) -> Taken | tuple[()]:
        ready, self._ready = self._ready, None
        if ready is not None and len(ready) > limit:
            ready, self._ready = ready[:limit], ready[limit:]
            self.next_fetch_offset = int(ready.offsets[-1]) + 1
            return Taken(ready)
        self.next_fetch_offset = self._ready_until
        if self._is_read_up:
            self.drain()
        return Taken(ready) if ready is not None else ()

    def _read_on(self, limit: int) -> None:
        """Read the next batches: as many as hold at most `limit` records, at least one."""
        begin = self._standing()
        pieces: list[Piece] = []
        try:
            count = 0
            while (added := self._add_batch(pieces, limit - count)) is not None:
                count += added
            columns = read_columns(pieces)
        except OddRecordsError:
            self._leave_to_client(begin)
            return
        self.records_read += len(columns)
        self.bytes_read += sum(len(piece.content) for piece in pieces)
        if not self._has_begun:
            columns = columns[self._first_wanted(columns) :]
        if len(columns):
            self._has_begun = True
            self._ready = columns

    def _first_wanted(self, columns: Columns) -> int:
        """Return the index of the first record wanted: a fetch may begin inside a batch."""
        wanted = np.flatnonzero(columns.offsets >= self.fetch_offset)
        return int(wanted[0]) if wanted.size else len(columns)

    def _add_batch(self, pieces: list[Piece], room: int) -> int | None:
        """Go past the next batch and add its records, if it has any for us.

        Returns:
            How many; None when there is no next batch, or no room for it: it waits.
        """
        header = self._header()
        if header is None:
            self._is_read_up = True
            return None
        is_data = self._has_data(header)
        if is_data:
            if pieces and header.record_count > room:
                return None
            pieces.append(self._piece(header))
        self.leader_epoch = header.leader_epoch
        self._at += BEFORE_LENGTH + header.length
        self._ready_until = header.last_offset + 1
        return header.record_count if is_data else 0

    def _header(self) -> Header | None:
        """Return the next batch's header; None at the end, which may cut a batch off."""
        left = len(self._raw) - self._at
        if left < BEFORE_LENGTH:
            return None
        (length,) = _LENGTH.unpack_from(self._raw, self._at + LENGTH_AT)
        size = BEFORE_LENGTH + length
        if size > left:
            return None
        if size < _HEADER.size or self._raw[self._at + MAGIC_AT] != BATCH_MAGIC:
            raise OddRecordsError
        return Header._make(_HEADER.unpack_from(self._raw, self._at))

    def _has_data(self, header: Header) -> bool:
        """Say whether a batch holds records for us, by the rules of `_unpack_records`."""
        is_control = bool(header.attributes & CONTROL_BIT)
        if self.isolation_level == IsolationLevel.READ_COMMITTED and header.producer_id >= 0:
            self._consume_aborted_transactions_up_to(header.last_offset)
            if is_control:
                if self._is_abort(header):
                    self.aborted_producer_ids.discard(header.producer_id)
            elif (
                header.attributes & TRANSACTIONAL_BIT
                and header.producer_id in self.aborted_producer_ids
            ):
                return False
        return not is_control

    def _is_abort(self, header: Header) -> bool:
        try:
            return bool(self._contains_abort_marker(DefaultRecordBatch(self._bytes_of(header))))
        except Exception as error:
            raise OddRecordsError from error

    def _bytes_of(self, header: Header) -> memoryview:
        return self._raw[self._at : self._at + BEFORE_LENGTH + header.length]

    def _piece(self, header: Header) -> Piece:
        content: bytes | memoryview = self._bytes_of(header)[_HEADER.size :]
        kind = header.attributes & CODEC_BITS
        if kind:
            is_there, decompress = _DECODERS.get(kind, (bool, bytes))
            if not is_there():
                raise OddRecordsError
            try:
                content = decompress(bytes(content))
            except Exception as error:
                raise OddRecordsError from error
        is_append_time = bool(header.attributes & LOG_APPEND_TIME_BIT)
        stamp_ms = header.max_timestamp if is_append_time else header.first_timestamp
        return Piece(content, header.record_count, header.base_offset, stamp_ms, is_append_time)

    def _standing(self) -> Standing:
        """Return where the next batch begins, and what is known there."""
        return self._at, frozenset(self.aborted_producer_ids), tuple(self.aborted_transactions)

    def _leave_to_client(self, begin: Standing) -> None:
        """Have the client read the rest of this fetch, from there on."""
        self._client_from = begin
        if self._has_begun:
            self.fetch_offset = ANY_OFFSET
        self._start_client(begin)

    def _start_client(self, begin: Standing) -> None:
        at, ids, transactions = begin
        self.aborted_producer_ids, self.aborted_transactions = set(ids), deque(transactions)
        records = MemoryRecords(self._raw[at:])
        found = self._unpack_records(self.topic_partition, records, None, None)
        wanted = dropwhile(self._maybe_skip_record, found)
        self.record_iterator = islice(wanted, self._client_taken, None)

    def _take_from_client(self, begin: Standing, n: int | None) -> Taken | tuple[()]:
        try:
            records = super().take(n)
        except Exception:
            # A generator that has raised is empty, and the client would go on asking it for ever.
            self._start_client(begin)
            raise
        self._client_taken += len(records)
        return Taken(Columns.of(records)) if records else ()


def install(consumer: KafkaConsumer) -> str | None:
    """Have a consumer's `poll()` return `Columns`, one or several per partition, in lists.

    Returns:
        None; or what this client has that is not as expected: it is left as it is then.
    """
    try:
        difference = _difference(consumer)
    except Exception as error:  # noqa: BLE001 (whatever another release raises when it is tried)
        difference = f"{type(error).__name__}: {error}"
    if difference is None:
        consumer._fetcher.PartitionRecords = BatchRecords
    return difference


def _difference(consumer: KafkaConsumer) -> str | None:
    theirs = Fetcher.PartitionRecords
    wanted = ["key_deserializer", "value_deserializer", "check_crcs", "isolation_level",
              "aborted_transactions", "metric_aggregator", "on_drain"]  # fmt: skip
    signatures: dict[str, list[str]] = {
        "__init__": ["self", "fetch_offset", "tp", "records", *wanted],
        "take": ["self", "n"],
        "_unpack_records": ["self", "tp", "records", "key_deserializer", "value_deserializer"],
        "_maybe_skip_record": ["self", "record"],
        "_consume_aborted_transactions_up_to": ["self", "offset"],
        "_contains_abort_marker": ["self", "batch"],
        "drain": ["self"],
    }
    for name, parameters in signatures.items():
        if list(inspect.signature(getattr(theirs, name)).parameters) != parameters:
            return f"PartitionRecords.{name} takes other arguments"
    if consumer._fetcher.PartitionRecords is not theirs:
        return "its fetcher has another PartitionRecords"
    if consumer.config["key_deserializer"] or consumer.config["value_deserializer"]:
        return "it has deserializers"
    if _HEADER.format.lstrip(">") != "qiibIhiqqqhii":
        return "a batch's header has other fields"
    return _difference_in_reading()


def _difference_in_reading() -> str | None:
    """Read an empty fetch, which shows whether the parts used here are there."""
    some = BatchRecords(7, TopicPartition("none", 0), MemoryRecords(b""), check_crcs=False)
    wanted = {"record_iterator", "next_fetch_offset", "leader_epoch", "aborted_producer_ids",
              "aborted_transactions", "bytes_read", "records_read", "isolation_level"}  # fmt: skip
    missing = wanted - vars(some).keys()
    if missing:
        return f"PartitionRecords has no {', '.join(sorted(missing))}"
    if some.take(1) or some or some.next_fetch_offset != 7:
        return "an empty fetch is read in another way"
    return None
