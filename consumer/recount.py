"""The retained clicks log counted once more, by the consumers' own code and beside any state."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consumer.aggregate import Aggregate, aggregate_records
from consumer.broker.topic_log import OnProgress, Stretch, TopicLog
from consumer.dead_letters.ledger import read_ledger
from consumer.dedup import Seen
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings

MAX_CELLS: Final = 50_000_000
"""Most (bucket, genre) pairs, 3 GB of counts: an event of a wrong year must not eat memory."""

Cells = dict[tuple[int, str], NDArray[np.int64]]


class RecountError(Exception):
    """The log can't be counted; the message says why."""


@dataclass(frozen=True, slots=True)
class Recount:
    """Counts of all buckets from the first to the last with an event.

    Attributes:
        genres: In order of first appearance in event time.
        starts_ms: `(T,)` int64, consecutive bucket starts, epoch ms.
        cells: `(T, G, MEASURE_COUNT)` int64.
    """

    genres: tuple[str, ...]
    starts_ms: NDArray[np.int64]
    cells: NDArray[np.int64]


def recount_topic(settings: Settings, on_progress: OnProgress | None = None) -> Recount:
    """Count what `clicks` keeps, up to its end as of now; late events and bad records left out.

    Args:
        settings: The deployment whose topic and rules are taken.
        on_progress: Told how far it is.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: The topic can't be read.
        RecountError: Its events span too many buckets.
    """
    cells: Cells = {}
    with TopicLog(settings, settings.topic_clicks, by_batch=True) as clicks:
        replayed = read_ledger(settings).of(settings.topic_clicks)
        log = without_replayed(clicks.read(on_progress=on_progress), replayed)
        for _, counted in aggregate_log(log, settings, {}):
            for key, cell in counted.batch.cells.items():
                cells[key] = cells.get(key, 0) + np.array(cell, np.int64)
    return _on_a_grid(cells, settings.bucket_ms)


def without_replayed(
    stretches: Iterable[Stretch], replayed: Mapping[int, Set[int]]
) -> Iterator[Stretch]:
    """Leave out dead letters that were sent again: the present rules may take them, theirs did not.

    The record that was sent again is one of the log, and judged as any.

    Args:
        stretches: The log.
        replayed: Their offsets by partition.
    """
    for stretch in stretches:
        gone = replayed.get(stretch.partition, frozenset())
        kept = [r for r in stretch.records if r.offset not in gone] if gone else stretch.records
        yield Stretch(stretch.partition, stretch.begin, stretch.end, kept)


def aggregate_log(
    stretches: Iterable[Stretch], settings: Settings, watermarks: Mapping[int, int | None]
) -> Iterator[tuple[int, Aggregate]]:
    """Put each record of the log where the consumers put it; yields (partition, aggregate).

    Args:
        stretches: The log, each partition in order.
        settings: The deployment's rules.
        watermarks: Per partition the watermark before its first record; absent before any event.
    """
    reached = dict(watermarks)
    seen: dict[int, Seen] = {}
    for stretch in stretches:
        p = stretch.partition
        aggregate = aggregate_records(
            stretch.records,
            partition=p,
            span=(stretch.begin, stretch.end),
            watermark_ms=reached.get(p),
            settings=settings,
            seen=seen.setdefault(p, Seen()) if settings.dedup else None,
        )
        if p in seen:
            seen[p].add(aggregate.batch.event_ids)
        watermark = aggregate.batch.watermark_ms
        if watermark is not None:
            reached[p] = watermark
            if p in seen:
                seen[p].forget(watermark - settings.bucket_ms)
        yield p, aggregate


def _on_a_grid(cells: Mapping[tuple[int, str], NDArray[np.int64]], bucket_ms: int) -> Recount:
    if not cells:
        nothing = np.zeros((0, 0, MEASURE_COUNT), np.int64)
        return Recount((), np.zeros(0, np.int64), nothing)
    genres = tuple(dict.fromkeys(genre for _, genre in sorted(cells)))
    column = {genre: i for i, genre in enumerate(genres)}
    first, last = min(cells)[0], max(cells)[0]
    size = ((last - first) // bucket_ms + 1) * len(genres)
    if size > MAX_CELLS:
        raise RecountError(
            f"the events span {size // len(genres):,} buckets of {bucket_ms // 1000} s for "
            f"{len(genres):,} genres, too many: is an event time wrong, or the bucket too short?"
        )
    starts = np.arange(first, last + bucket_ms, bucket_ms, dtype=np.int64)
    grid = np.zeros((len(starts), len(genres), MEASURE_COUNT), np.int64)
    for (start, genre), cell in cells.items():
        grid[(start - first) // bucket_ms, column[genre]] = cell
    return Recount(genres, starts, grid)
