"""Clicks, journal, forecasts and side topics held against each other: the pure part.

What a bucket holds is a function of the log and of the journal's cuts: an event of the bucket that
is in time by its own partition's watermark and lies below the bucket's cut. In time but at or
above the cut, it came after its partition had been idle: it must be on the late topic.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from consumer.aggregate import Aggregate
from consumer.cells import count_cells
from contracts.forecasts import BucketRecord, ReplayPoint
from contracts.measures import MEASURE_COUNT, MEASURES, OTHER_GENRE
from contracts.moments import moment_text
from state.cells import Cell

SHOWN_DIFFERENCES: Final = 50
"""Differences told in words; further ones are only counted."""

ZEROS: Final[Cell] = (0,) * MEASURE_COUNT


class Position(NamedTuple):
    """A record of the clicks topic."""

    partition: int
    offset: int


@dataclass(slots=True)
class Differences:
    """What does not agree."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.shown) < SHOWN_DIFFERENCES:
            self.shown.append(text)


@dataclass(frozen=True, slots=True)
class Published:
    """One bucket as the journal has it."""

    cells: dict[str, Cell]
    cut: dict[int, int]


@dataclass(slots=True)
class Ledger:
    """The journal's buckets that the log can be held against.

    Attributes:
        buckets: By start, ms.
        begins: Per partition where reading the log begins, and the watermark there.
        tail: The journal's last record; None when nothing was published.
    """

    buckets: dict[int, Published] = field(default_factory=dict)
    begins: dict[int, ReplayPoint] = field(default_factory=dict)
    tail: BucketRecord | None = None

    def cut(self, bucket_ms: int, partition: int) -> int:
        """Return the offset below which a bucket's events count; -1 for one not looked at."""
        if self.tail is None or not self.buckets:
            return -1
        if not next(iter(self.buckets)) <= bucket_ms <= self.tail.bucket_start:
            return -1
        published = self.buckets.get(bucket_ms)
        return (published.cut if published else self.tail.cut).get(partition, 0)

    def reached(self, partition: int) -> int:
        """Return the offset below which every record has its place for sure."""
        return self.tail.cut.get(partition, 0) if self.tail else 0


def open_ledger(
    journal: Iterable[BucketRecord],
    log_begins: Mapping[int, int],
    since_ms: int | None,
    differences: Differences,
) -> Ledger:
    """Take up the journal, from the first bucket that the retained log covers whole.

    Args:
        journal: Its records, in order.
        log_begins: First offset that each partition of the clicks topic keeps.
        since_ms: Look at no bucket that begins before, epoch ms.
        differences: Told of buckets that are there twice, out of order or missing.
    """
    ledger = Ledger()
    is_whole = False
    before: BucketRecord | None = None
    for record in journal:
        _check_order(before, record, differences)
        if before is None and not any(log_begins.values()):
            is_whole = since_ms is None or record.bucket_start >= since_ms
        if is_whole:
            cells = {genre: tuple(cell) for genre, cell in record.counts.items()}
            ledger.buckets[record.bucket_start] = Published(cells, record.cut)
        elif _may_begin_after(record, log_begins, since_ms):
            ledger.begins, is_whole = dict(record.replay_from), True
        before = record
    ledger.tail = before
    return ledger


def _may_begin_after(
    record: BucketRecord, log_begins: Mapping[int, int], since_ms: int | None
) -> bool:
    end_ms = record.bucket_start + record.bucket_seconds * 1000
    is_kept = all(point.offset >= log_begins.get(p, 0) for p, point in record.replay_from.items())
    return is_kept and (since_ms is None or end_ms >= since_ms)


def _check_order(
    before: BucketRecord | None, record: BucketRecord, differences: Differences
) -> None:
    if before is None:
        return
    step = record.bucket_start - before.bucket_start
    bucket_ms = record.bucket_seconds * 1000
    if step < bucket_ms or (step > bucket_ms and not record.is_reset):
        differences.add(
            f"journal: bucket {moment_text(record.bucket_start)} follows "
            f"{moment_text(before.bucket_start)}"
        )


@dataclass(slots=True)
class Recounted:
    """The log counted once more, as far as the journal reaches."""

    ledger: Ledger
    cells: dict[tuple[int, str], Cell] = field(default_factory=dict)
    late: set[Position] = field(default_factory=set)
    dead_letters: set[Position] = field(default_factory=set)
    events: int = 0
    impressions: int = 0

    def set_aside(self, replayed: Mapping[int, Iterable[int]]) -> None:
        """Note dead letters that were sent again, offsets by partition: they are no part of it."""
        for partition, offsets in replayed.items():
            begin = self.ledger.begins.get(partition)
            first, reached = begin.offset if begin else 0, self.ledger.reached(partition)
            own = (Position(partition, at) for at in offsets if first <= at < reached)
            self.dead_letters.update(own)

    def fold(self, partition: int, aggregate: Aggregate) -> None:
        """Add a partition's next records."""
        reached = self.ledger.reached(partition)
        for elsewhere, place in (
            (aggregate.late, self.late),
            (aggregate.dead_letters, self.dead_letters),
        ):
            own = (each.record.offset for each in elsewhere)
            place.update(Position(partition, offset) for offset in own if offset < reached)
        self.late.update(
            Position(partition, each.record.offset)
            for each in aggregate.repeated
            if self._came_after(partition, each.record.offset, each.bucket_ms)
        )
        shown = aggregate.records.offsets[aggregate.impressions]
        self.impressions += int((shown < reached).sum())
        if not aggregate.events:
            return
        starts, which = np.unique(aggregate.buckets_ms, return_inverse=True)
        cuts = np.array([self.ledger.cut(start, partition) for start in starts.tolist()])[which]
        offsets = aggregate.offsets
        is_after = (cuts >= 0) & (offsets >= cuts) & (offsets < reached)
        self.late.update(Position(partition, offset) for offset in offsets[is_after].tolist())
        chosen = np.flatnonzero(offsets < cuts)
        self.events += chosen.size
        events = aggregate.events.take(chosen)
        for key, cell in count_cells(events, aggregate.buckets_ms[chosen]).items():
            held = self.cells.get(key, ZEROS)
            self.cells[key] = tuple(a + b for a, b in zip(held, cell, strict=True))

    def _came_after(self, partition: int, offset: int, bucket_ms: int) -> bool:
        """Say whether a record's bucket had closed before it was read."""
        cut = self.ledger.cut(bucket_ms, partition)
        return 0 <= cut <= offset < self.ledger.reached(partition)


def compare_counts(recounted: Recounted, differences: Differences) -> None:
    """Hold the journal's counts against the log's, all measures of all genres."""
    ledger = recounted.ledger
    named = ledger.tail.counts.keys() if ledger.tail else ()
    found: dict[int, dict[str, Cell]] = {bucket: {} for bucket in ledger.buckets}
    for (bucket, genre), cell in recounted.cells.items():
        name = genre if genre in named else OTHER_GENRE
        genres = found.setdefault(bucket, {})
        held = genres.get(name, ZEROS)
        genres[name] = tuple(a + b for a, b in zip(held, cell, strict=True))
    for bucket, genres in sorted(found.items()):
        published = ledger.buckets.get(bucket)
        if published is None:
            differences.add(f"bucket {moment_text(bucket)}: in the log, not in the journal")
            continue
        for genre in sorted(genres.keys() | published.cells.keys()):
            said, counted = published.cells.get(genre, ZEROS), genres.get(genre, ZEROS)
            pairs = zip(MEASURES, said, counted, strict=True)
            told = [f"{measure} {a} (log {b})" for measure, a, b in pairs if a != b]
            if told:
                where = f"bucket {moment_text(bucket)}, genre {genre!r}"
                differences.add(f"{where}: the journal has {', '.join(told)}")


def compare_places(
    name: str, wanted: set[Position], found: set[Position], differences: Differences
) -> None:
    """Hold a side topic's records against those that belong there."""
    for position in sorted(wanted - found):
        differences.add(
            f"offset {position.offset} of partition {position.partition}: not on {name}"
        )
    for position in sorted(found - wanted):
        differences.add(
            f"offset {position.offset} of partition {position.partition}: on {name}, but counted "
            "or of another kind"
        )


@dataclass(slots=True)
class ForecastCheck:
    """Every bucket once per genre, in order, with the journal's count."""

    ledger: Ledger
    differences: Differences
    seen: int = 0
    _first: dict[str, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _buckets: Counter[str] = field(default_factory=Counter)

    def add(self, genre: str, bucket_ms: int, observed_clicks: int) -> None:
        """Take up the next forecast of a genre."""
        published = self.ledger.buckets.get(bucket_ms)
        if published is None:
            return
        self.seen += 1
        what = f"forecast of {genre!r}, bucket {moment_text(bucket_ms)}"
        last = self._last.get(genre)
        if last is not None and bucket_ms <= last:
            again = "there twice" if bucket_ms == last else f"after {moment_text(last)}"
            self.differences.add(f"{what}: {again}")
        else:
            self._first.setdefault(genre, bucket_ms)
            self._last[genre] = bucket_ms
            self._buckets[genre] += 1
        cell = published.cells.get(genre)
        if cell is None or cell[0] != observed_clicks:
            said = "does not know the genre" if cell is None else f"has {cell[0]}"
            self.differences.add(f"{what}: observed_clicks {observed_clicks}, the journal {said}")

    def finish(self, *, is_whole: bool) -> None:
        """Look for missing ones; from each genre's first one on when the topic has lost some."""
        wanted: Counter[str] = Counter()
        for bucket, published in self.ledger.buckets.items():
            for genre in published.cells:
                wanted[genre] += is_whole or bucket >= self._first.get(genre, 0)
        for genre, count in sorted(wanted.items()):
            if self._buckets[genre] != count:
                self.differences.add(
                    f"forecasts of {genre!r}: {self._buckets[genre]} buckets of {count}"
                )
