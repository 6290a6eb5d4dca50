"""The data's way: poll -> decode -> aggregate -> apply. Closing and forecasting follow it.

One iteration: take what Kafka has, compare every owned offset with Redis, apply the batches,
renew idle leases, pause partitions that run ahead. Redis owns the offsets: whatever this process
believes, a batch counts only if Redis still stands where the batch begins.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from consumer import metrics
from consumer.aggregate import Aggregate, aggregate_pieces, aggregate_records, move_refused
from consumer.dead_letter_limit import DeadLetterLimit
from consumer.dedup import Seen
from consumer.errors import DeadLetterRatioError, InvariantError
from consumer.idleness import Idleness
from consumer.ports import Side, Source
from consumer.records import Columns, Record, offset_span
from consumer.stages import Stages
from consumer.tasting import Tasting
from consumer.tracing import UNTRACED, Traces
from contracts.clock import wall_clock_ms
from contracts.settings import Settings
from state.store import Batch, Progress, Store

log = logging.getLogger(__name__)

POLL_TIMEOUT_MS: Final = 100
"""Longest wait for records, ms: also how often quiet partitions are looked after."""

MAX_CELLS: Final = 2_000
"""Most cells of one script call: bounds how long Redis is busy with it (some 6 ms)."""

COMMIT_SECONDS: Final = 5.0
"""How often offsets are committed to Kafka, for lag tools, seconds."""

WAIT_SECONDS: Final = 0.02
"""Pause before a batch that touches a closed, unpublished bucket is read again, seconds."""


@dataclass(slots=True)
class Loop:
    """One member's reading and counting; used from one thread.

    Attributes:
        changed: Set when a bucket may have come due, so that closing looks at once.
        tasting: What tastes are made by, when they are on.
        positions: Next offset per owned partition, as stored in Redis; before that while events are
            read again for tastes alone.
        limit: Refuses batches with too many dead letters.
    """

    settings: Settings
    source: Source
    store: Store
    side: Side
    changed: threading.Event
    traces: Traces = UNTRACED
    tasting: Tasting | None = None
    monotonic: Callable[[], float] = time.monotonic
    wall_ms: Callable[[], int] = wall_clock_ms
    sleep: Callable[[float], None] = time.sleep
    positions: dict[int, int] = field(default_factory=dict)
    last_record_at: float = 0.0
    limit: DeadLetterLimit = field(init=False)
    _sent_aside: dict[int, set[int]] = field(default_factory=dict)
    _seen: dict[int, Seen] = field(default_factory=dict)  # with `dedup` only
    _committed_at: float = 0.0
    _paused: set[int] = field(default_factory=set)
    _idleness: Idleness = field(init=False)

    def __post_init__(self) -> None:
        self._idleness = Idleness(
            self.settings, self.source, self.store, self.monotonic, self.wall_ms
        )
        self.limit = DeadLetterLimit(self.settings.dead_letter_max_ratio)

    def step(self) -> int:
        """Do one iteration; return how many records were applied.

        Whatever ends it early, records in hand are read again from the stored offsets.
        """
        try:
            return self._step()
        except BaseException:
            self.positions.clear()
            if self.tasting is not None:
                self.tasting.drop_all()
            raise

    def finish(self) -> None:
        """Write what is only in memory: there is no further step."""
        if self.tasting is not None:
            self.tasting.flush()

    def _step(self) -> int:
        polled = self.source.poll(POLL_TIMEOUT_MS)
        owned = self.source.owned
        progress = self.store.read_progress(owned)
        moved = self._place(owned, progress)
        pieces: list[Aggregate] = []
        for partition, records in polled.items():
            if partition in self.positions and partition not in moved:
                pieces += self._aggregate(partition, records, progress)
        applied = self._apply_all(pieces)
        if polled:
            self.last_record_at = self.monotonic()
            metrics.POLL_RECORDS.observe(sum(map(len, polled.values())))
        is_due = self._idleness.is_due()
        # Quiet partitions are looked after now and then: not at every poll while there are records.
        if is_due or not polled:
            self._skip_control_records(progress, set(polled) | moved)
        if is_due:
            self._show(progress)
            self._idleness.renew(progress, self.positions)
        if self.tasting is not None:
            self.tasting.flush_due()
            if is_due:
                self.tasting.look()
        self._pause_ahead(progress)
        self._commit()
        return applied

    def _place(self, owned: Set[int], progress: Progress) -> set[int]:
        """Put every owned partition where Redis stands; return those that were elsewhere."""
        unplaced = self.source.unplaced
        moved = set()
        for partition in owned:
            stored = progress.offsets.get(partition, 0)
            if partition in progress.paused:
                self.limit.is_warned = True
            if self.tasting is not None:
                stored = self.tasting.begin(partition, stored)
            if partition in unplaced or self.positions.get(partition) != stored:
                self._seek(partition, stored)
                moved.add(partition)
        for partition in self._idleness.partitions - owned:
            self.positions.pop(partition, None)
            self._seen.pop(partition, None)
            self._idleness.forget(partition)
            if self.tasting is not None:
                self.tasting.drop(partition)
        return moved

    def _seek(self, partition: int, offset: int) -> None:
        if self.settings.dedup:
            stored, event_ids = self.store.read_event_ids(partition)
            self._seen[partition] = Seen(event_ids)
            offset = stored if self.tasting is None else min(offset, stored)
        self.source.seek(partition, offset)
        self.positions[partition] = offset
        self._idleness.restart(partition)

    def _aggregate(
        self, partition: int, records: Sequence[Record], progress: Progress
    ) -> list[Aggregate]:
        end = self.source.position(partition)
        start = self.positions[partition]
        first, last = offset_span(records)
        if end is None or first < start or end <= last:
            self._seek(partition, start)
            return []
        stored = progress.offsets.get(partition, 0)
        if start < stored:
            self._read_for_tastes(partition, records, (start, end), stored)
            return []
        seen = self._seen.get(partition)
        if seen is not None and progress.closed_ms is not None:
            seen.forget(progress.closed_ms)
        watermark = progress.watermarks.get(partition)
        return self._pieces(partition, records, (start, end), watermark, seen)

    def _read_for_tastes(
        self, partition: int, records: Sequence[Record], span: tuple[int, int], stored: int
    ) -> None:
        """Take records that are counted already, up to the counts' offset, for tastes alone."""
        if self.tasting is None:
            raise InvariantError(f"partition {partition} is read at {span[0]}, before {stored}")
        end = min(span[1], stored)
        columns = Columns.of(records)
        below = columns[: int(np.searchsorted(columns.offsets, end))]
        self.tasting.take(
            aggregate_records(
                below, partition=partition, span=(span[0], end), watermark_ms=None,
                settings=self.settings,
            )
        )  # fmt: skip
        self.positions[partition] = end
        if span[1] > stored:
            self._seek(partition, stored)

    def _apply_all(self, pieces: Sequence[Aggregate]) -> int:
        """Bring a poll's aggregates into Redis, in their order; return how many records.

        All that goes aside is written first, and waited for once.
        """
        applied = 0
        while pieces:
            count = self.limit.allowed([piece.batch for piece in pieces])
            some, pieces = pieces[:count], pieces[count:]
            if not some:
                self._refuse_dead_letters(pieces[0].batch)
            self._send_aside(some)
            halted: set[int] = set()
            for piece in some:
                partition = piece.batch.partition
                if partition in halted or not self._apply(piece):
                    halted.add(partition)
                    continue
                applied += piece.batch.records
                if piece.batch.watermark_ms is not None:
                    self._idleness.note_event(partition)
            pieces = [piece for piece in pieces if piece.batch.partition not in halted]
        return applied

    def _refuse_dead_letters(self, batch: Batch) -> None:
        try:
            self.limit.check(batch)
        except DeadLetterRatioError as error:
            self.store.note_pause(error.partition, error.offset, str(error))
            raise

    def _pieces(
        self,
        partition: int,
        records: Sequence[Record],
        span: tuple[int, int],
        watermark_ms: int | None,
        seen: Seen | None = None,
    ) -> list[Aggregate]:
        """Aggregate records, in pieces that have few enough cells each."""
        return aggregate_pieces(
            records,
            partition=partition,
            span=span,
            watermark_ms=watermark_ms,
            settings=self.settings,
            max_cells=MAX_CELLS,
            seen=seen,
        )

    def _apply(self, piece: Aggregate) -> bool:
        """Bring one aggregate into Redis; False when the partition is read again from there."""
        partition, stages = piece.batch.partition, Stages()
        while True:
            outcome = self.store.apply(piece.batch)
            if outcome.kind in ("applied", "already"):
                self.positions[partition] = piece.batch.next_offset
                metrics.count_batch(piece.batch)
                metrics.count_aside(piece.late, piece.dead_letters)
                if self.tasting is not None:
                    self.tasting.take(piece)
                self.traces.add_batch(piece.batch, stages)
                self.limit.add(piece.batch)
                if partition in self._seen:
                    self._seen[partition].add(piece.batch.event_ids)
                self._forget_sent(partition, piece.batch.next_offset)
                if _passes_border(piece.batch, self.settings.bucket_ms):
                    self.changed.set()
                return True
            if outcome.kind == "refused":
                piece, _ = move_refused(
                    piece, published_ms=outcome.published_ms, restored_cut=outcome.restored_cut
                )
                self._send_aside([piece])
                continue
            if outcome.kind == "wait":
                self.sleep(WAIT_SECONDS)
                self._seek(partition, piece.batch.expected_offset)
            else:
                log.warning("partition %d: Redis stands at offset %d", partition, outcome.offset)
                self._seek(partition, outcome.offset)
            return False

    def _send_aside(self, pieces: Sequence[Aggregate]) -> None:
        """Write to the side topics, but once what is read again and again while a batch waits."""
        written: list[tuple[set[int], int]] = []
        for piece in pieces:
            partition = piece.batch.partition
            sent = self._sent_aside.setdefault(partition, set())
            late = [e for e in piece.late if e.record.offset not in sent]
            dead_letters = [e for e in piece.dead_letters if e.record.offset not in sent]
            if late or dead_letters:
                self.side.send(partition, late, dead_letters)
            written += ((sent, e.record.offset) for e in (*late, *dead_letters))
        if written:
            self.side.flush()
        for sent, offset in written:
            sent.add(offset)

    def _forget_sent(self, partition: int, applied_to: int) -> None:
        sent = self._sent_aside.get(partition)
        if sent:
            sent.difference_update([offset for offset in sent if offset < applied_to])

    def _skip_control_records(self, progress: Progress, busy: set[int]) -> None:
        """Store a move over transaction markers alone, else the partition never looks idle."""
        for partition, start in list(self.positions.items()):
            end = None if partition in busy else self.source.position(partition)
            if end is not None and end > start:
                stored = progress.offsets.get(partition, 0)
                if start < stored:
                    self._read_for_tastes(partition, [], (start, end), stored)
                    continue
                watermark = progress.watermarks.get(partition)
                self._apply(self._pieces(partition, [], (start, end), watermark)[0])

    def _pause_ahead(self, progress: Progress) -> None:
        """Pause partitions far ahead of the global watermark: bounds the open buckets."""
        slowest = progress.global_watermark_ms
        ahead: set[int] = set()
        if slowest is not None:
            drift_ms = self.settings.max_partition_drift_buckets * self.settings.bucket_ms
            for p, at in self.positions.items():
                is_ahead = progress.watermarks.get(p, slowest) > slowest + drift_ms
                if is_ahead and at >= progress.restored_cut.get(p, 0):
                    ahead.add(p)
                    self._idleness.restart(p)
        self.source.pause_only(ahead)
        self._paused = ahead

    def _show(self, progress: Progress) -> None:
        ends = {p: end for p in self.positions if (end := self.source.last_end(p)) is not None}
        metrics.show_progress(
            progress,
            metrics.Partitions(self.positions, ends, self._paused),
            now_ms=self.wall_ms(),
            bucket_ms=self.settings.bucket_ms,
        )

    def _commit(self) -> None:
        now = self.monotonic()
        if self.positions and now - self._committed_at >= COMMIT_SECONDS:
            self._committed_at = now
            self.source.commit(self.positions)

    def close_gap(self, positions: Mapping[int, int]) -> None:
        """Go on where the log begins, after retention has passed a stored offset.

        Raises:
            InvariantError: When a stored offset is past the log's end.
        """
        wanted = set(positions)
        # Redis first: were the ends read first, others could read on past them before Redis is.
        progress = self.store.read_progress(wanted)
        begins, ends = self.source.begin_offsets(wanted), self.source.end_offsets(wanted)
        for partition, begin in begins.items():
            stored = progress.offsets.get(partition, 0)
            if stored > ends[partition]:
                raise InvariantError(
                    f"partition {partition} of {self.settings.topic_clicks} ends at "
                    f"{ends[partition]}, but {stored} was read: the topic was recreated. Use "
                    "another GENRECAST_APP for the new topic"
                )
            if stored < begin:
                lost = begin - stored if stored else 0  # a first start begins where the log does
                if lost:
                    log.error("partition %d: offsets %d-%d are lost, retention passed them",
                              partition, stored, begin - 1)  # fmt: skip
                watermark = progress.watermarks.get(partition)
                gap = self._pieces(partition, [], (stored, begin), watermark)[0]
                self._apply(replace(gap, batch=replace(gap.batch, lost=lost)))
            if self.tasting is not None:
                self.tasting.begin(partition, stored)
                self.tasting.skip(partition, begin)
            self._seek(partition, max(stored, begin))

    @property
    def is_refusing(self) -> bool:
        """Whether a partition of this member stands still for its dead letters."""
        return self.limit.refused in self.source.owned

    def is_caught_up(self) -> bool:
        """Say whether every owned partition is applied to the end of its log."""
        owned = self.source.owned
        if not owned or set(self.positions) != owned:
            return False
        return self.source.end_offsets(set(owned)) == self.positions


def _passes_border(batch: Batch, bucket_ms: int) -> bool:
    """Say whether a batch brings its partition's watermark into another bucket.

    Only then can one have come due, but for idle partitions: closing looks by itself for these.
    """
    before, after = batch.watermark_before_ms, batch.watermark_ms
    return after is not None and (before is None or after // bucket_ms > before // bucket_ms)
