"""Events to increments: lateness by the log, cells per (bucket, genre). Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from consumer.decode import Click, Decoded, decode_values
from consumer.dedup import Seen
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from state.store import Batch

NO_WATERMARK: Final = -(2**62)
"""Stands for "no event yet" in arrays: below any event time, ms."""


class Record(Protocol):
    """What is read of a Kafka record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A record that does not count: where it goes and why."""

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
        events: Valid events that are in the increments, with `records` and `buckets_ms` beside.
    """

    batch: Batch
    late: tuple[Elsewhere, ...]
    dead_letters: tuple[Elsewhere, ...]
    repeated: tuple[Elsewhere, ...]
    events: Sequence[Click]
    records: Sequence[Record]
    buckets_ms: NDArray[np.int64]


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
    decoded = decode_values([record.value for record in records], settings.max_event_bytes)
    valid = [records[i] for i in decoded.positions]
    event_ms = np.fromiter((e.event_time for e in decoded.events), np.int64, len(valid))
    stamp_ms = np.fromiter((r.timestamp for r in valid), np.int64, len(valid))

    is_timely = event_ms <= stamp_ms + settings.max_future_skew_ms
    dead_letters = _dead_letters(records, decoded, valid, event_ms, stamp_ms, is_timely)
    chosen = np.flatnonzero(is_timely).tolist()
    event_ms, reached_ms = event_ms[chosen], np.minimum(event_ms[chosen], stamp_ms[chosen])

    start = NO_WATERMARK if watermark_ms is None else watermark_ms
    ahead = np.maximum.accumulate(
        np.concatenate(([start], reached_ms - settings.max_out_of_orderness_ms))
    )
    buckets_ms = event_ms - event_ms % settings.bucket_ms
    is_late = buckets_ms + settings.bucket_ms <= ahead[:-1]

    front = None
    if chosen:
        top = int(np.argmax(reached_ms))
        front = (int(reached_ms[top]), int(stamp_ms[chosen[top]]))
    late = tuple(
        Elsewhere(valid[chosen[i]], int(buckets_ms[i])) for i in np.flatnonzero(is_late).tolist()
    )
    counted = np.flatnonzero(~is_late)
    repeated: tuple[Elsewhere, ...] = ()
    event_ids: dict[int, bytes] = {}
    if seen is not None:
        ids = [decoded.events[chosen[i]].event_id for i in counted.tolist()]
        known, event_ids = seen.sift(zip(buckets_ms[counted].tolist(), ids, strict=True))
        is_repeated = np.array(known, np.bool_)
        repeated = tuple(
            Elsewhere(valid[chosen[i]], int(buckets_ms[i])) for i in counted[is_repeated].tolist()
        )
        counted = counted[~is_repeated]
    places = [chosen[i] for i in counted.tolist()]
    is_all = len(places) == len(valid)
    events = decoded.events if is_all else [decoded.events[i] for i in places]
    return Aggregate(
        batch=Batch(
            partition=partition,
            expected_offset=span[0],
            next_offset=span[1],
            watermark_before_ms=watermark_ms,
            watermark_ms=int(ahead[-1]) if chosen else None,
            front=front,
            cells=count_cells(events, buckets_ms[counted]),
            event_ids=event_ids,
            counted=len(events),
            late=len(late),
            dead_letters=len(dead_letters),
            duplicates=len(repeated),
        ),
        late=late,
        dead_letters=dead_letters,
        repeated=repeated,
        events=events,
        records=valid if is_all else [valid[i] for i in places],
        buckets_ms=buckets_ms[counted],
    )


def _dead_letters(
    records: Sequence[Record],
    decoded: Decoded,
    valid: Sequence[Record],
    event_ms: NDArray[np.int64],
    stamp_ms: NDArray[np.int64],
    is_timely: NDArray[np.bool_],
) -> tuple[Elsewhere, ...]:
    refused = [Elsewhere(records[i], reason=reason) for i, reason in decoded.refused]
    for i in np.flatnonzero(~is_timely).tolist():
        ahead = (event_ms[i] - stamp_ms[i]) / 1000
        reason = f"event_time: {ahead:.3f} s ahead of the record's timestamp, more than allowed"
        refused.append(Elsewhere(valid[i], reason=reason))
    return tuple(sorted(refused, key=lambda elsewhere: elsewhere.record.offset))


def count_cells(
    events: Sequence[Click], buckets_ms: NDArray[np.int64]
) -> dict[tuple[int, str], tuple[int, ...]]:
    """Sum the measures of events per (bucket start ms, genre)."""
    if not events:
        return {}
    names: dict[str, int] = {}
    genre_ids = [names.setdefault(g, len(names)) for e in events for g in e.genres]
    repeats = np.fromiter((len(e.genres) for e in events), np.intp, len(events))
    starts, bucket_ids = np.unique(buckets_ms, return_inverse=True)
    cell_ids = np.repeat(bucket_ids, repeats) * len(names) + np.array(genre_ids, np.intp)
    used, cell_ids = np.unique(cell_ids, return_inverse=True)

    sums = np.zeros((MEASURE_COUNT, used.size), np.int64)
    for measure, per_event in enumerate(_measures(events)):
        if measure == 0:
            sums[0] = np.bincount(cell_ids, minlength=used.size)
        elif per_event is not None and per_event.any():
            # Sums stay below 2**53 (see MAX_WATCH_SECONDS): exact in the float64 of bincount.
            weights = np.repeat(per_event, repeats)
            sums[measure] = np.bincount(cell_ids, weights, minlength=used.size)
    genres = list(names)
    return {
        (int(starts[cell // len(genres)]), genres[cell % len(genres)]): tuple(values)
        for cell, values in zip(used.tolist(), sums.T.tolist(), strict=True)
    }


def _measures(events: Sequence[Click]) -> list[NDArray[np.int64] | None]:
    """Return each event's share of every measure, in the order of MEASURES; None for clicks."""
    size = len(events)
    watch = [e.watch_seconds for e in events]
    age = [e.age for e in events]
    gender = [e.gender for e in events]
    watch_ms = np.fromiter((0 if w is None else round(w * 1000) for w in watch), np.int64, size)
    ages = np.fromiter((a or 0 for a in age), np.int64, size)
    return [
        None,
        watch_ms,
        np.fromiter((w is not None for w in watch), np.int64, size),
        ages,
        np.fromiter((a is not None for a in age), np.int64, size),
        *(np.fromiter((g == sign for g in gender), np.int64, size) for sign in "fmx"),
    ]


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
    kept = np.flatnonzero(is_open).tolist()
    gone = [
        Elsewhere(aggregate.records[i], int(aggregate.buckets_ms[i]))
        for i in np.flatnonzero(~is_open).tolist()
    ]
    gone += [e for e in aggregate.repeated if e.bucket_ms <= published_ms]
    repeated = tuple(e for e in aggregate.repeated if e.bucket_ms > published_ms)
    late = tuple(e for e in gone if e.record.offset >= restored_cut)
    events = [aggregate.events[i] for i in kept]
    batch = replace(
        aggregate.batch,
        cells=count_cells(events, aggregate.buckets_ms[kept]),
        event_ids={b: ids for b, ids in aggregate.batch.event_ids.items() if b > published_ms},
        counted=len(events),
        late=aggregate.batch.late + len(late),
        duplicates=len(repeated),
        skipped=aggregate.batch.skipped + len(gone) - len(late),
    )
    rest = replace(
        aggregate,
        batch=batch,
        late=(*aggregate.late, *late),
        repeated=repeated,
        events=events,
        records=[aggregate.records[i] for i in kept],
        buckets_ms=aggregate.buckets_ms[kept],
    )
    return rest, late
