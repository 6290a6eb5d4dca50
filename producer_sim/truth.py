"""The exact truth: what any consumer must count, from the broker's acknowledgements.

Per partition, in offset order, the watermark before a record is the largest
min(event time, record timestamp) of the events before it minus `max_out_of_orderness`. An event
is late when its bucket's end is at or below that watermark; an event further ahead of its record's
timestamp than `max_future_skew` is a dead letter and moves nothing.

Exact means: for a topic that only this run writes to, read by consumers that never take a
partition for idle while records for it are still to come.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from producer_sim.outgoing import IMPRESSION_LIST, NO_EVENT, GenreLists

Integers = NDArray[np.int64]

NO_WATERMARK: Final = -(2**62)
"""Stands for "no event yet" in arrays: below any event time, ms."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide what is late and what is no event, ms."""

    bucket_ms: int
    max_out_of_orderness_ms: int
    max_future_skew_ms: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Records of one partition as the broker holds them, in offset order; arrays `(n,)`.

    Attributes:
        offset: Their offsets.
        timestamp_ms: Their timestamps.
        event_ms: Their event times.
        genre_list: Index of their genres, NO_EVENT or IMPRESSION_LIST.
    """

    offset: Integers
    timestamp_ms: Integers
    event_ms: Integers
    genre_list: Integers


@dataclass(slots=True)
class PartitionTruth:
    """How far one partition has been folded."""

    first_offset: int
    next_offset: int
    watermark_ms: int | None = None
    sent: int = 0
    late: int = 0
    dead_letters: int = 0
    impressions: int = 0


class Truth:
    """Folds acknowledgements into counts; memory grows with buckets times genre lists only.

    Args:
        rules: What decides.
        starts: Per partition the offset and the watermark that a run goes on from; partitions
            that are absent are taken to be empty.
    """

    def __init__(
        self, rules: Rules, starts: Mapping[int, tuple[int, int | None]] | None = None
    ) -> None:
        self._rules = rules
        self.partitions = {
            partition: PartitionTruth(offset, offset, watermark_ms)
            for partition, (offset, watermark_ms) in (starts or {}).items()
        }
        self.doubts: dict[str, None] = {}
        self._counted: Counter[tuple[int, int]] = Counter()
        self._late: Counter[tuple[int, int]] = Counter()

    def doubt(self, reason: str) -> None:
        """Note why the truth is not exact."""
        self.doubts.setdefault(reason)

    def fold(self, partition: int, records: Acknowledged) -> None:
        """Fold a partition's next records, in offset order."""
        if not records.offset.size:
            return
        at = self.partitions.setdefault(partition, PartitionTruth(0, 0))
        self._check_offsets(partition, at, records.offset)
        is_event = records.genre_list != NO_EVENT
        too_far_ms = records.timestamp_ms + self._rules.max_future_skew_ms
        is_event &= records.event_ms <= too_far_ms
        event_ms, lists = records.event_ms[is_event], records.genre_list[is_event]
        reached_ms = np.minimum(event_ms, records.timestamp_ms[is_event])
        start = NO_WATERMARK if at.watermark_ms is None else at.watermark_ms
        watermark_ms = np.maximum.accumulate(
            np.concatenate(([start], reached_ms - self._rules.max_out_of_orderness_ms))
        )
        buckets_ms = event_ms - event_ms % self._rules.bucket_ms
        is_late = buckets_ms + self._rules.bucket_ms <= watermark_ms[:-1]
        bucket_ms = self._rules.bucket_ms
        is_shown = lists == IMPRESSION_LIST
        for counts, chosen in ((self._counted, ~is_late), (self._late, is_late)):
            own = chosen & ~is_shown
            _add(counts, buckets_ms[own], lists[own], bucket_ms)
        at.sent += records.offset.size
        at.late += int(is_late.sum())
        at.impressions += int((is_shown & ~is_late).sum())
        at.dead_letters += records.offset.size - event_ms.size
        if event_ms.size:
            at.watermark_ms = int(watermark_ms[-1])

    def _check_offsets(self, partition: int, at: PartitionTruth, offset: Integers) -> None:
        if at.sent == 0 and at.next_offset != offset[0]:
            self.doubt(
                f"partition {partition} held records before this run (first offset {offset[0]}): "
                "their watermark is not known"
            )
            at.first_offset = int(offset[0])
        elif at.next_offset != offset[0] or (np.diff(offset) != 1).any():
            self.doubt(f"partition {partition}: others wrote to it during this run")
        at.next_offset = int(offset[-1]) + 1

    @property
    def sent(self) -> int:
        """Records acknowledged."""
        return sum(at.sent for at in self.partitions.values())

    @property
    def late(self) -> int:
        """Events that are late."""
        return sum(at.late for at in self.partitions.values())

    @property
    def dead_letters(self) -> int:
        """Records that are no click events."""
        return sum(at.dead_letters for at in self.partitions.values())

    @property
    def impressions(self) -> int:
        """Events that count in no genre, late ones left out."""
        return sum(at.impressions for at in self.partitions.values())

    def counted(self, genre_lists: GenreLists) -> dict[str, dict[int, int]]:
        """Return events per genre and bucket start in ms, late ones left out."""
        return _by_genre(self._counted, genre_lists)

    def late_by_genre(self, genre_lists: GenreLists) -> dict[str, int]:
        """Return late events per genre, impressions left out."""
        cells = _by_genre(self._late, genre_lists)
        return {genre: sum(buckets.values()) for genre, buckets in cells.items()}

    def report(self, genre_lists: GenreLists) -> dict[str, object]:
        """Return the truth as JSON values."""
        cells = self.counted(genre_lists)
        return {
            "is_exact": not self.doubts,
            "doubts": list(self.doubts),
            "sent": self.sent,
            "valid": self.sent - self.dead_letters,
            "counted": self.sent - self.dead_letters - self.late - self.impressions,
            "impressions": self.impressions,
            "late": self.late,
            "malformed": self.dead_letters,
            "bucket_seconds": self._rules.bucket_ms / 1000,
            "max_out_of_orderness_seconds": self._rules.max_out_of_orderness_ms / 1000,
            "max_future_skew_seconds": self._rules.max_future_skew_ms / 1000,
            "counted_per_genre": {genre: sum(cells[genre].values()) for genre in cells},
            "late_per_genre": self.late_by_genre(genre_lists),
            "events_per_bucket": {
                genre: {str(start): count for start, count in buckets.items()}
                for genre, buckets in cells.items()
            },
            "per_partition": {
                str(number): {
                    "first_offset": at.first_offset,
                    "next_offset": at.next_offset,
                    "watermark": at.watermark_ms,
                    "sent": at.sent,
                    "late": at.late,
                    "malformed": at.dead_letters,
                }
                for number, at in sorted(self.partitions.items())
            },
        }


def _add(
    counts: Counter[tuple[int, int]], buckets_ms: Integers, lists: Integers, bucket_ms: int
) -> None:
    if not buckets_ms.size:
        return
    # One number per cell: far fewer cells than events, so few tuples are made.
    span = int(lists.max()) + 1
    cells, events = np.unique(buckets_ms // bucket_ms * span + lists, return_counts=True)
    starts, numbers = np.divmod(cells, span)
    keys = zip((starts * bucket_ms).tolist(), numbers.tolist(), strict=True)
    for key, count in zip(keys, events.tolist(), strict=True):
        counts[key] += count


def _by_genre(
    cells: Mapping[tuple[int, int], int], genre_lists: GenreLists
) -> dict[str, dict[int, int]]:
    """Spread cells of genre lists over the genres in them, both sorted."""
    by_genre: dict[str, Counter[int]] = {}
    for (start_ms, number), count in cells.items():
        for genre in genre_lists[number]:
            by_genre.setdefault(genre, Counter())[start_ms] += count
    return {genre: dict(sorted(buckets.items())) for genre, buckets in _sorted(by_genre)}


def _sorted(by_genre: Mapping[str, Counter[int]]) -> Iterable[tuple[str, Counter[int]]]:
    return sorted(by_genre.items(), key=lambda item: item[0])
