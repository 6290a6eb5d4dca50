"""Events to cells: the measures of events summed per (bucket, genre). Pure functions.

Events are grouped by (bucket, list of genres) first, and only the groups' sums are spread over
genres: there are few groups, and the work for one event does not know how many genres it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from consumer.decode import Click, Events
from contracts.measures import MEASURE_COUNT

Integers = NDArray[np.int64]
Cells = dict[tuple[int, str], tuple[int, ...]]

LARGE_TABLE: Final = 65_536
"""Largest table of all groups that might be, entries; where more might be, they are sorted."""

_watch_of: Final = attrgetter("watch_seconds")
_age_of: Final = attrgetter("age")
_gender_of: Final = attrgetter("gender")

_GENDERS: Final[Mapping[str | None, int]] = {None: 0, "f": 1, "m": 2, "x": 3}
"""Numbers of genders, in the order of their measures."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Events grouped by bucket and list of genres.

    Attributes:
        starts_ms: Bucket starts, ascending.
        genre_lists: The lists that occur, in order of first appearance.
        numbers: (G,) ascending; bucket index * len(genre_lists) + list index of each group.
        group_of: (N,) each event's index in `numbers`.
    """

    starts_ms: list[int]
    genre_lists: list[tuple[str, ...]]
    numbers: Integers
    group_of: Integers

    @classmethod
    def of(cls, events: Events, buckets_ms: Integers) -> Self:
        """Group events, at least one; `buckets_ms` (N,) int64 are the starts of their buckets."""
        starts_ms, bucket_of = _distinct_in_runs(buckets_ms)
        list_ids, list_of = _by_first_appearance(events.genre_ids, len(events.genre_lists))
        numbers, group_of = _distinct(
            bucket_of * len(list_ids) + list_of, len(starts_ms) * len(list_ids)
        )
        genre_lists = [events.genre_lists[at] for at in list_ids.tolist()]
        return cls(starts_ms.tolist(), genre_lists, numbers, group_of)

    def has_more_cells(self, than: int) -> bool:
        """Say whether more (bucket, genre) pairs occur."""
        buckets, lists = np.divmod(self.numbers, len(self.genre_lists))
        sizes = np.array([len(genres) for genres in self.genre_lists], np.int64)
        if int(sizes[lists].sum()) <= than:
            return False
        genres_of = map(self.genre_lists.__getitem__, lists.tolist())
        held = zip(buckets.tolist(), genres_of, strict=True)
        return len({(bucket, genre) for bucket, genres in held for genre in genres}) > than

    def cells(self, events: Events) -> Cells:
        """Return the sums of the events' measures, by bucket and genre."""
        sums = _sums(events.clicks, self.group_of, len(self.numbers))
        names: dict[str, int] = {}
        ids_of = [[names.setdefault(g, len(names)) for g in genres] for genres in self.genre_lists]
        buckets, lists = np.divmod(self.numbers, len(ids_of))
        if len(names) == len(ids_of) and max(map(len, ids_of)) == 1:
            genre_of = lists
        else:
            buckets, genre_of, sums = _spread(buckets, lists, sums, ids_of)
        genres = list(names)
        starts = map(self.starts_ms.__getitem__, buckets.tolist())
        keys = zip(starts, map(genres.__getitem__, genre_of.tolist()), strict=True)
        return dict(zip(keys, map(tuple, sums.T.tolist()), strict=True))


def cuts(events: Events, buckets_ms: Integers, max_cells: int) -> list[int]:
    """Return before which events to cut, so that each piece has at most so many cells.

    One event stays whole, however many genres it has.
    """
    size = len(events)
    if size <= 1 or not Groups.of(events, buckets_ms).has_more_cells(max_cells):
        return []
    middle = size // 2
    before = cuts(events[:middle], buckets_ms[:middle], max_cells)
    after = cuts(events[middle:], buckets_ms[middle:], max_cells)
    return [*before, middle, *(middle + cut for cut in after)]


def count_cells(events: Events, buckets_ms: Integers) -> Cells:
    """Sum the measures of events per (bucket start ms, genre)."""
    return Groups.of(events, buckets_ms).cells(events) if len(events) else {}


def _distinct_in_runs(values: Integers) -> tuple[Integers, Integers]:
    """Return the distinct values, ascending, and each one's index; neighbours are mostly equal."""
    begins = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    distinct, index = np.unique(values[begins], return_inverse=True)
    return distinct, np.repeat(index, np.diff(begins, append=len(values)))


def _distinct(values: Integers, bound: int) -> tuple[Integers, Integers]:
    """Return the distinct values, ascending, and each one's index; they lie in [0, bound)."""
    if bound > LARGE_TABLE:
        distinct, index = np.unique(values, return_inverse=True)
        return distinct, index
    distinct = np.flatnonzero(np.bincount(values, minlength=bound))
    index_of = np.empty(bound, np.int64)
    index_of[distinct] = np.arange(len(distinct))
    return distinct, index_of[values]


def _by_first_appearance(values: Integers, bound: int) -> tuple[Integers, Integers]:
    """As `_distinct`, in order of first appearance."""
    distinct, index = _distinct(values, bound)
    first = np.empty(len(distinct), np.int64)
    first[index[::-1]] = np.arange(len(values) - 1, -1, -1)  # the last one written stays
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[index]


def _sums(clicks: Sequence[Click], group_of: Integers, size: int) -> Integers:
    """Return the groups' sums of every measure, (MEASURE_COUNT, size), in the order of MEASURES.

    Sums stay below 2**53 (see MAX_WATCH_SECONDS): exact in the float64 of bincount.
    """
    sums = np.zeros((MEASURE_COUNT, size), np.int64)
    sums[0] = np.bincount(group_of, minlength=size)
    for row, unit, values in ((1, 1000, map(_watch_of, clicks)), (3, 1, map(_age_of, clicks))):
        known = list(values)
        if known.count(None) < len(known):
            numbers = np.array(known, np.float64)  # None becomes NaN
            has = ~np.isnan(numbers)
            groups = group_of[has]
            sums[row] = np.bincount(groups, np.rint(numbers[has] * unit), minlength=size)
            sums[row + 1] = np.bincount(groups, minlength=size)
    genders = np.fromiter(map(_GENDERS.__getitem__, map(_gender_of, clicks)), np.int64, len(clicks))
    if genders.any():
        kinds = np.bincount(group_of * len(_GENDERS) + genders, minlength=size * len(_GENDERS))
        sums[5:] = kinds.reshape(size, len(_GENDERS)).T[1:]
    return sums


def _spread(
    buckets: Integers, lists: Integers, sums: Integers, ids_of: list[list[int]]
) -> tuple[Integers, Integers, Integers]:
    """Add each group's sums to every genre of its list; return buckets, genres, sums of cells."""
    sizes = np.array([len(ids) for ids in ids_of], np.int64)[lists]
    genre_of = np.fromiter(
        chain.from_iterable(map(ids_of.__getitem__, lists.tolist())), np.int64, int(sizes.sum())
    )
    genre_count = int(genre_of.max()) + 1
    numbers, cell_of = np.unique(
        np.repeat(buckets, sizes) * genre_count + genre_of, return_inverse=True
    )
    spread = np.zeros((MEASURE_COUNT, len(numbers)), np.int64)
    for row, own in zip(spread, np.repeat(sums, sizes, axis=1), strict=True):
        row[:] = np.bincount(cell_of, own, minlength=len(numbers))
    return *np.divmod(numbers, genre_count), spread
