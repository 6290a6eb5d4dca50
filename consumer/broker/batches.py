"""Fetched batches read by column, below the client's objects per record.

kafka-python makes several objects for every record that it hands out, which costs more than all
that we do with it. Here its fetcher is given another reader of what it has fetched: whole batches
at once, as `Columns`. All else stays the client's: fetching, positions, pauses, rebalances, and
which transactions were aborted. Batches too large for that come record by record, a few at a time.
What is out of the ordinary (an older format, bytes that do not add up) the client reads itself, and
its verdict stands.
"""

from collections import deque
from collections.abc import Iterator
from itertools import chain, dropwhile, islice
from typing import Any, Final, NamedTuple

import numpy as np
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch

from consumer.broker.batch_format import (
    MOST_WHOLE_BYTES,
    Header,
    content_of,
    read_header,
    whole_content_of,
)
from consumer.broker.large_batches import LargeBatch
from consumer.broker.record_columns import OddRecordsError, Piece, read_columns
from consumer.records import Columns

ANY_OFFSET: Final = -(2**63)
"""From here on nothing is left out."""

BYTES_PER_RECORD: Final = 4_096
"""So many bytes count as one record of `max_poll_records`, that few large ones be a poll."""

Standing = tuple[int, frozenset[int], tuple[Any, ...]]
"""Where a batch begins; producers and transactions that are aborted there."""


class Begun(NamedTuple):
    """A large batch that is being read.

    Attributes:
        batch: Its records.
        begin: Where it begins.
        end: The offset after it.
    """

    batch: LargeBatch
    begin: Standing
    end: int


class Taken:
    """Records as the client collects them: yields them at once, and is as long as they weigh."""

    __slots__ = ("_columns", "_size")

    def __init__(self, columns: Columns, size: int) -> None:
        self._columns, self._size = columns, max(len(columns), size // BYTES_PER_RECORD)

    def __len__(self) -> int:
        return self._size

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
        self._ready_bytes = 0
        self._large: Begun | None = None
        self._ready_until = fetch_offset
        self._has_begun = False
        self._client_from: Standing | None = None
        self._client_taken = 0
        if self.check_crcs:
            self._leave_to_client(self._standing(), ANY_OFFSET)

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
            share = self._ready_bytes * limit // len(ready)
            self._ready_bytes -= share
            ready, self._ready = ready[:limit], ready[limit:]
            self.next_fetch_offset = int(ready.offsets[-1]) + 1
            return Taken(ready, share)
        self.next_fetch_offset = self._ready_until
        if self._is_read_up:
            self.drain()
        return Taken(ready, self._ready_bytes) if ready is not None else ()

    def _read_on(self, limit: int) -> None:
        """Read the next batches: as many as hold at most `limit` records, at least one."""
        if self._large is not None:
            self._read_large(self._large, limit)
            return
        begin = self._standing()
        pieces: list[Piece] = []
        count = size = 0
        try:
            while size < MOST_WHOLE_BYTES:
                added = self._add_batch(pieces, limit - count)
                if added is None:
                    break
                count += added
                size += len(pieces[-1].content) if added else 0
            columns = read_columns(pieces)
        except OddRecordsError:
            self._leave_to_client(begin, ANY_OFFSET)
            return
        self._make_ready(columns, size)

    def _read_large(self, large: Begun, limit: int) -> None:
        try:
            columns = large.batch.take(limit)
        except OddRecordsError:
            self._large = None
            self._leave_to_client(large.begin, self._ready_until)
            return
        if large.batch.is_read_up:
            self._large = None
            self._ready_until = large.end
        else:
            self._ready_until = int(columns.offsets[-1]) + 1
        texts = chain(columns.keys, columns.values)
        self._make_ready(columns, sum(len(text) for text in texts if text))

    def _make_ready(self, columns: Columns, size: int) -> None:
        self.records_read += len(columns)
        self.bytes_read += size
        if not self._has_begun:
            columns = columns[self._first_wanted(columns) :]
        if len(columns):
            self._has_begun = True
            self._ready, self._ready_bytes = columns, size

    def _first_wanted(self, columns: Columns) -> int:
        """Return the index of the first record wanted: a fetch may begin inside a batch."""
        wanted = np.flatnonzero(columns.offsets >= self.fetch_offset)
        return int(wanted[0]) if wanted.size else len(columns)

    def _add_batch(self, pieces: list[Piece], room: int) -> int | None:
        """Go past the next batch and add its records, if it has any for us.

        Returns:
            How many; None when there is no next batch, or it waits: for room, or for others to
            be read before it, one that is too large to be read with others.
        """
        header = read_header(self._raw, self._at)
        if header is None:
            self._is_read_up = True
            return None
        is_data = self._has_data(header)
        if is_data:
            if pieces and header.record_count > room:
                return None
            content = whole_content_of(header, self._bytes_of(header))
            if content is None:
                if not pieces:
                    self._begin_large(header)
                return None
            pieces.append(
                Piece(content, header.record_count, header.base_offset, header.stamp_ms,
                      header.is_append_time)
            )  # fmt: skip
        self._go_past(header)
        self._ready_until = header.end_offset
        return header.record_count if is_data else 0

    def _go_past(self, header: Header) -> None:
        self.leader_epoch = header.leader_epoch
        self._at += header.size

    def _begin_large(self, header: Header) -> None:
        begin = self._standing()
        content = content_of(header, self._bytes_of(header))
        self._large = Begun(LargeBatch(content, header), begin, header.end_offset)
        self._ready_until = header.base_offset
        self._go_past(header)

    def _has_data(self, header: Header) -> bool:
        """Say whether a batch holds records for us, by the rules of `_unpack_records`."""
        if self.isolation_level == IsolationLevel.READ_COMMITTED and header.producer_id >= 0:
            self._consume_aborted_transactions_up_to(header.end_offset - 1)
            if header.is_control:
                if self._is_abort(header):
                    self.aborted_producer_ids.discard(header.producer_id)
            elif header.is_transactional and header.producer_id in self.aborted_producer_ids:
                return False
        return not header.is_control

    def _is_abort(self, header: Header) -> bool:
        try:
            return bool(self._contains_abort_marker(DefaultRecordBatch(self._bytes_of(header))))
        except Exception as error:
            raise OddRecordsError from error

    def _bytes_of(self, header: Header) -> memoryview:
        return self._raw[self._at : self._at + header.size]

    def _standing(self) -> Standing:
        """Return where the next batch begins, and what is known there."""
        return self._at, frozenset(self.aborted_producer_ids), tuple(self.aborted_transactions)

    def _leave_to_client(self, begin: Standing, wanted_from: int) -> None:
        """Have the client read the rest of this fetch, from there on.

        Args:
            begin: Where the first batch begins that it reads.
            wanted_from: The first offset that is not handed out yet, once any is.
        """
        self._client_from = begin
        if self._has_begun:
            self.fetch_offset = wanted_from
        self._start_client(begin)

    def _start_client(self, begin: Standing) -> None:
        at, ids, transactions = begin
        self.aborted_producer_ids, self.aborted_transactions = set(ids), deque(transactions)
        records = MemoryRecords(self._raw[at:])
        found = self._unpack_records(self.topic_partition, records, None, None)
        wanted = dropwhile(self._maybe_skip_record, found)
        self.record_iterator = islice(wanted, self._client_taken, None)

    def _take_from_client(self, begin: Standing, n: int | None) -> Taken | tuple[()]:
        records: list[Any] = []
        size = 0
        try:
            # One by one: each may be as large as a batch may be.
            while (n is None or len(records) < n) and size < MOST_WHOLE_BYTES:
                some = super().take(1)
                if not some:
                    break
                records += some
                size += len(some[0].value or b"")
        except Exception:
            self._client_taken += len(records)
            # A generator that has raised is empty, and the client would go on asking it for ever.
            self._start_client(begin)
            if not records:
                raise
        else:
            self._client_taken += len(records)
        return Taken(Columns.of(records), size) if records else ()
