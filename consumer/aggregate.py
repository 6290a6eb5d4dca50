"""Events to increments: lateness by the log, cells per (bucket, genre). Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consumer.cells import Groups, Integers, count_cells
from consumer.decode import Decoded, decode_values
from consumer.dedup import Seen
from consumer.events import Events
from consumer.records import Columns, Record
from contracts.settings import Settings
from state.store import Batch

NO_WATERMARK: Final = -(2**62)
"""Stands for "no event yet" in arrays: below any event time, ms."""


CLOSED_WHILE_IDLE: Final = "idle"
"""Why an event is late that is not behind its partition's watermark."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A record that does not count: where it goes and why (late by the watermark: no reason)."""

    record: Record
    bucket_ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One partition's records between two offsets, every record in one place.

    Attributes:
        batch: What `Store.apply` takes.
        late: Records for the late topic; `dead_letters`: for the dead-letter topic.
        repeated: Records whose event id was counted already, with `dedup`.
        impressions: (K,) index in `records` of the impressions that are in time: they count in no
            genre and touch no bucket.
        events: Valid events that are in the increments, with their `buckets_ms` beside.
        records: All records of the poll; the events' are at `places`.
        every: All valid events but impressions, late and repeated ones too, in log order: what
            tastes are made of.
        every_place: Index of each one's record.
    """

    batch: Batch
    late: tuple[Elsewhere, ...]
    dead_letters: tuple[Elsewhere, ...]
    repeated: tuple[Elsewhere, ...]
    impressions: Integers
    events: Events
    buckets_ms: Integers
    records: Columns
    places: Integers
    every: Events
    every_place: Integers

    @property
    def offsets(self) -> Integers:
        """Offsets of the events' records, (N,) int64."""
        return self.records.offsets[self.places]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A partition's records, each event's lateness known; the events of the future are out.

    Attributes:
        places: (N,) index of each event's record; all below are per event.
        own: The events with the genres that are counted here; `is_foreign` (N,): with none.
        ahead_ms: (N + 1,) the watermark before each event and after the last one.
        dead_letters: With the index of each one's record, ascending.
        counted: (M,) index of each event that goes into its bucket; `groups` are those events'.
    """

    partition: int
    records: Columns
    dead_letters: list[tuple[int, Elsewhere]]
    events: Events
    places: Integers
    stamps_ms: Integers
    reached_ms: Integers
    buckets_ms: Integers
    ahead_ms: Integers
    is_late: NDArray[np.bool_]
    is_impression: NDArray[np.bool_]
    own: Events
    is_foreign: NDArray[np.bool_]
    watermark_ms: int | None
    counted: Integers
    groups: Groups

    def piece(self, begin: int, end: int, span: tuple[int, int], seen: Seen | None) -> Aggregate:
        """Aggregate the records with these indices, between these positions."""
        first, last = np.searchsorted(self.places, (begin, end)).tolist()
        here = slice(first, last)
        late = first + np.flatnonzero(self.is_late[here] & ~self.is_foreign[here])
        shown = first + np.flatnonzero(
            self.is_impression[here] & ~(self.is_late[here] | self.is_foreign[here])
        )
        every = first + np.flatnonzero(~self.is_impression[here])
        chosen, repeated, event_ids = self._sift(first, last, seen)
        counted = self.counted[chosen]
        dead_letters = tuple(e for place, e in self.dead_letters if begin <= place < end)
        events, buckets_ms = self.own.take(counted), self.buckets_ms[counted]
        return Aggregate(
            batch=Batch(
                partition=self.partition,
                expected_offset=span[0],
                next_offset=span[1],
                watermark_before_ms=int(self.ahead_ms[first]) if first else self.watermark_ms,
                watermark_ms=int(self.ahead_ms[last]) if last > first else None,
                front=self._front(first, last),
                cells=self.groups.some(chosen).cells(events),
                event_ids=event_ids,
                counted=len(events),
                late=len(late),
                dead_letters=len(dead_letters),
                duplicates=len(repeated),
                impressions=len(shown),
                attributed=events.attributed_count,
                other_shares=int(self.is_foreign[here].sum()),
            ),
            late=self._elsewhere(late),
            dead_letters=dead_letters,
            repeated=self._elsewhere(repeated),
            impressions=self.places[shown],
            events=events,
            buckets_ms=buckets_ms,
            records=self.records,
            places=self.places[counted],
            every=self.events.take(every),
            every_place=self.places[every],
        )

    def _front(self, first: int, last: int) -> tuple[int, int] | None:
        if first == last:
            return None
        top = first + int(np.argmax(self.reached_ms[first:last]))
        return int(self.reached_ms[top]), int(self.stamps_ms[top])

    def _sift(
        self, first: int, last: int, seen: Seen | None
    ) -> tuple[slice | Integers, Integers, dict[int, bytes]]:
        """Say which of `counted` count, of the events between two indices.

        Returns:
            Their indices there, the repeated events, and the new digests.
        """
        begin, end = np.searchsorted(self.counted, (first, last)).tolist()
        if seen is None:
            return slice(begin, end), self.counted[:0], {}
        some = self.counted[begin:end]
        ids = [self.events.clicks[i].event_id for i in some.tolist()]
        known, event_ids = seen.sift(zip(self.buckets_ms[some].tolist(), ids, strict=True))
        is_repeated = np.array(known, np.bool_)
        return begin + np.flatnonzero(~is_repeated), some[is_repeated], event_ids

    def _elsewhere(self, chosen: Integers) -> tuple[Elsewhere, ...]:
        return tuple(
            Elsewhere(self.records[place], bucket_ms)
            for place, bucket_ms in zip(
                self.places[chosen].tolist(), self.buckets_ms[chosen].tolist(), strict=True
            )
        )

    def cuts(self, max_cells: int) -> list[int]:
        """Return before which records to cut, so that each piece has at most so many cells."""
        found = self.groups.cuts(max_cells)
        return self.places[self.counted[found]].tolist() if found else []


def aggregate_records(
    records: Sequence[Record],
    *,
    partition: int,
    span: tuple[int, int],
    watermark_ms: int | None,
    settings: Settings,
    seen: Seen | None = None,
) -> Aggregate:
    """Decode and count one partition's records.

    Args:
        records: In offset order.
        partition: Their partition.
        span: (position before the poll, position after it).
        watermark_ms: The partition's watermark before the first record; None before any event.
        settings: Bucket length, out-of-orderness, skew and size limits.
        seen: Event ids counted already; None to count repeated ones as they come.
    """
    judged = _judge(Columns.of(records), partition, watermark_ms, settings)
    return judged.piece(0, len(records), span, seen)


def aggregate_pieces(
    records: Sequence[Record],
    *,
    partition: int,
    span: tuple[int, int],
    watermark_ms: int | None,
    settings: Settings,
    max_cells: int,
    seen: Seen | None = None,
) -> list[Aggregate]:
    """As `aggregate_records`, cut into pieces of at most `max_cells` cells each.

    A single record makes a piece, however many cells it has.
    """
    columns = Columns.of(records)
    judged = _judge(columns, partition, watermark_ms, settings)
    places = [0, *judged.cuts(max_cells), len(columns)]
    positions = [span[0], *columns.offsets[places[1:-1]].tolist(), span[1]]
    pieces = []
    for own, own_span in zip(pairwise(places), pairwise(positions), strict=True):
        piece = judged.piece(*own, own_span, seen)
        seen = seen.after(piece.batch.event_ids) if seen is not None else None
        pieces.append(piece)
    return pieces


def _judge(
    records: Columns, partition: int, watermark_ms: int | None, settings: Settings
) -> _Judged:
    decoded = decode_values(records.values, settings.max_event_bytes)
    events, places = decoded.events, decoded.positions
    event_ms, stamps_ms = events.times_ms, records.timestamps[places]
    timely = np.flatnonzero(event_ms - settings.max_future_skew_ms <= stamps_ms)
    dead_letters = _dead_letters(records, decoded, event_ms, stamps_ms, timely)
    if len(timely) < len(events):
        events, places = events.take(timely), places[timely]
        event_ms, stamps_ms = event_ms[timely], stamps_ms[timely]
    reached_ms = np.minimum(event_ms, stamps_ms)
    start = NO_WATERMARK if watermark_ms is None else watermark_ms
    ahead_ms = np.maximum.accumulate(
        np.concatenate(([start], reached_ms - settings.max_out_of_orderness_ms))
    )
    buckets_ms = event_ms - event_ms % settings.bucket_ms
    own, is_foreign = events, np.zeros(len(events), np.bool_)
    if settings.genre_share is not None:
        own = events.of_share(settings.genre_share)
        is_foreign = own.has_no_genre
    is_late = buckets_ms + settings.bucket_ms <= ahead_ms[:-1]
    is_impression = events.is_impression
    counted = np.flatnonzero(~(is_late | is_impression | is_foreign))
    return _Judged(
        partition=partition,
        records=records,
        dead_letters=dead_letters,
        events=events,
        places=places,
        stamps_ms=stamps_ms,
        reached_ms=reached_ms,
        buckets_ms=buckets_ms,
        ahead_ms=ahead_ms,
        is_late=is_late,
        is_impression=is_impression,
        own=own,
        is_foreign=is_foreign,
        watermark_ms=watermark_ms,
        counted=counted,
        groups=Groups.of(own.take(counted), buckets_ms[counted]),
    )


def _dead_letters(
    records: Columns, decoded: Decoded, event_ms: Integers, stamps_ms: Integers, timely: Integers
) -> list[tuple[int, Elsewhere]]:
    refused = [(i, Elsewhere(records[i], reason=reason)) for i, reason in decoded.refused]
    if len(timely) < len(event_ms):
        for i in np.setdiff1d(np.arange(len(event_ms)), timely, assume_unique=True).tolist():
            ahead = (event_ms[i] - stamps_ms[i]) / 1000
            reason = f"event_time: {ahead:.3f} s ahead of the record's timestamp, more than allowed"
            place = int(decoded.positions[i])
            refused.append((place, Elsewhere(records[place], reason=reason)))
        refused.sort(key=lambda placed: placed[0])
    return refused


def move_refused(
    aggregate: Aggregate, *, published_ms: int, restored_cut: int
) -> tuple[Aggregate, tuple[Elsewhere, ...]]:
    """Take the events of published buckets out of an aggregate that the store refused.

    Below the restored cut they were decided before a restore: skipped. At or above it the bucket
    closed without them (its partition had been idle): late.

    Returns:
        The rest, and the records that are now late.
    """
    is_open = aggregate.buckets_ms > published_ms
    kept = np.flatnonzero(is_open)
    gone = [
        Elsewhere(aggregate.records[int(aggregate.places[i])], int(aggregate.buckets_ms[i]))
        for i in np.flatnonzero(~is_open).tolist()
    ]
    gone += [e for e in aggregate.repeated if e.bucket_ms <= published_ms]
    repeated = tuple(e for e in aggregate.repeated if e.bucket_ms > published_ms)
    late = tuple(
        replace(e, reason=CLOSED_WHILE_IDLE) for e in gone if e.record.offset >= restored_cut
    )
    events, buckets_ms = aggregate.events.take(kept), aggregate.buckets_ms[kept]
    batch = replace(
        aggregate.batch,
        cells=count_cells(events, buckets_ms),
        event_ids={b: ids for b, ids in aggregate.batch.event_ids.items() if b > published_ms},
        counted=len(events),
        late=aggregate.batch.late + len(late),
        duplicates=len(repeated),
        attributed=events.attributed_count,
        skipped=aggregate.batch.skipped + len(gone) - len(late),
    )
    rest = replace(
        aggregate,
        batch=batch,
        late=(*aggregate.late, *late),
        repeated=repeated,
        events=events,
        buckets_ms=buckets_ms,
        places=aggregate.places[kept],
    )
    return rest, late
