"""Events to cells: the measures of events summed per (bucket, genre). Pure functions.

Events are grouped by (bucket, list of genres) first, and only the groups' sums are spread over
genres: there are few groups, and the work for one event does not know how many genres it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from consumer.events import Events
from contracts.measures import MEASURE_COUNT
from state.cells import BucketCells, CellTable

Integers = NDArray[np.int64]

LARGE_TABLE: Final = 65_536
"""Largest table of all groups that might be, entries; where more might be, they are sorted."""

_GENDERS: Final[Mapping[str | None, int]] = {None: 0, "f": 1, "m": 2, "x": 3}
"""Numbers of genders, in the order of their measures."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Events grouped by bucket and list of genres.

    Attributes:
        starts_ms: Bucket starts, ascending.
        names: Genres, in order of first appearance.
        genres_of: Each list's genres, by index in `names`; None where the n-th list has the n-th.
        list_count: How many lists there are.
        numbers: (G,) ascending; bucket index * list_count + list index of each group.
        group_of: (N,) each event's index in `numbers`.
    """

    starts_ms: list[int]
    names: list[str]
    genres_of: list[list[int]] | None
    list_count: int
    numbers: Integers
    group_of: Integers

    @classmethod
    def of(cls, events: Events, buckets_ms: Integers) -> Self:
        """Group events; `buckets_ms` (N,) int64 are the starts of their buckets."""
        if not len(events):
            nothing = np.zeros(0, np.int64)
            return cls([], [], None, 0, nothing, nothing)
        starts_ms, bucket_of = _distinct_in_runs(buckets_ms)
        list_ids, list_of = _by_first_appearance(events.genre_ids, len(events.genre_lists))
        count = len(list_ids)
        numbers, group_of = _distinct(bucket_of * count + list_of, len(starts_ms) * count)
        lists = [*map(events.genre_lists.__getitem__, list_ids.tolist())]
        return cls(starts_ms.tolist(), *_numbered(lists), count, numbers, group_of)

    def some(self, chosen: slice | Integers) -> Self:
        """Return the groups of some of the events, ascending."""
        group_of = self.group_of[chosen]
        if len(group_of) == len(self.group_of):
            return self
        kept, index = _distinct(group_of, len(self.numbers))
        return replace(self, numbers=self.numbers[kept], group_of=index)

    def cells(self, events: Events) -> CellTable:
        """Return the sums of the events' measures, by bucket and genre."""
        if not len(events):
            return CellTable(())
        sums = _sums(events, self.group_of, len(self.numbers))
        buckets, genre_of = np.divmod(self.numbers, self.list_count)
        if self.genres_of is not None:
            buckets, genre_of, sums = _spread(buckets, genre_of, sums, self.genres_of)
        genres = [*map(self.names.__getitem__, genre_of.tolist())]
        borders = np.searchsorted(buckets, np.arange(len(self.starts_ms) + 1)).tolist()
        rows = np.ascontiguousarray(sums.T)
        return CellTable(
            [
                BucketCells(start_ms, genres[first:last], rows[first:last])
                for start_ms, (first, last) in zip(self.starts_ms, pairwise(borders), strict=True)
                if first < last
            ]
        )

    def cuts(self, max_cells: int) -> list[int]:
        """Return before which events to cut, so that each piece has at most so many cells.

        One event stays whole, however many genres it has.
        """
        if len(self.starts_ms) * len(self.names) <= max_cells:
            return []
        cell_of, event_of = self._cells_of_events()
        cell_count = int(cell_of.max()) + 1
        found, first = list[int](), 0
        while True:
            appearances = _first_places(cell_of[first:], cell_count)
            if len(appearances) <= max_cells:
                return found
            # The event that would bring one cell too many begins the next piece.
            one_too_many = first + int(np.partition(appearances, max_cells)[max_cells])
            cut = max(int(event_of[one_too_many]), int(event_of[first]) + 1)
            if cut == len(self.group_of):
                return found
            found.append(cut)
            first = int(np.searchsorted(event_of, cut))

    def _cells_of_events(self) -> tuple[Integers, Integers]:
        """Return the cells that the events touch, one after the other, numbered from 0.

        Returns:
            Cells and, beside each, the index of its event, ascending; both `(sum of genres,)`.
        """
        if self.genres_of is None:
            return self.group_of, np.arange(len(self.group_of))
        buckets, lists = np.divmod(self.numbers[self.group_of], self.list_count)
        sizes, genre_of = _flat(self.genres_of, lists)
        numbers = np.repeat(buckets, sizes) * len(self.names) + genre_of
        _, cell_of = _distinct(numbers, len(self.starts_ms) * len(self.names))
        return cell_of, np.repeat(np.arange(len(self.group_of)), sizes)


def count_cells(events: Events, buckets_ms: Integers) -> CellTable:
    """Sum the measures of events per (bucket start ms, genre)."""
    return Groups.of(events, buckets_ms).cells(events)


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
    order = np.argsort(_first_places(index, len(distinct)))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[index]


def _first_places(values: Integers, bound: int) -> Integers:
    """Return where each distinct value occurs first; they lie in [0, bound)."""
    count = len(values)
    first = np.full(bound, count)
    first[values[::-1]] = np.arange(count - 1, -1, -1)  # the last one written stays
    return first[first < count]


def _sums(events: Events, group_of: Integers, size: int) -> Integers:
    """Return the groups' sums of every measure, (MEASURE_COUNT, size), in the order of MEASURES.

    Sums stay below 2**53 (see MAX_WATCH_SECONDS): exact in the float64 of bincount.
    """
    sums = np.zeros((MEASURE_COUNT, size), np.int64)
    sums[0] = np.bincount(group_of, minlength=size)
    for row, unit, numbers in ((1, 1000, events.watch_seconds), (3, 1, events.ages)):
        has = ~np.isnan(numbers)
        if has.any():
            groups = group_of[has]
            sums[row] = np.bincount(groups, np.rint(numbers[has] * unit), minlength=size)
            sums[row + 1] = np.bincount(groups, minlength=size)
    genders = np.array([_GENDERS[click.gender] for click in events.clicks], np.int64)
    if genders.any():
        kinds = np.bincount(group_of * len(_GENDERS) + genders, minlength=size * len(_GENDERS))
        sums[5:] = kinds.reshape(size, len(_GENDERS)).T[1:]
    return sums


def _numbered(genre_lists: list[tuple[str, ...]]) -> tuple[list[str], list[list[int]] | None]:
    """Return the genres of different lists, in order of appearance, and each list's indices.

    No list is empty. No indices where every list is of one genre: the n-th list has the n-th.
    """
    each = [*chain.from_iterable(genre_lists)]
    if len(each) == len(genre_lists):
        return each, None
    names: dict[str, int] = {}
    ids_of = [[names.setdefault(g, len(names)) for g in genres] for genres in genre_lists]
    return list(names), ids_of


def _flat(ids_of: list[list[int]], lists: Integers) -> tuple[Integers, Integers]:
    """Return how many genres each of some lists has, and their indices one after the other."""
    sizes = np.array([*map(len, ids_of)], np.int64)[lists]
    chosen = chain.from_iterable(map(ids_of.__getitem__, lists.tolist()))
    return sizes, np.fromiter(chosen, np.int64, int(sizes.sum()))


def _spread(
    buckets: Integers, lists: Integers, sums: Integers, ids_of: list[list[int]]
) -> tuple[Integers, Integers, Integers]:
    """Add each group's sums to every genre of its list; return buckets, genres, sums of cells."""
    sizes, genre_of = _flat(ids_of, lists)
    genre_count = int(genre_of.max()) + 1
    numbers, cell_of = np.unique(
        np.repeat(buckets, sizes) * genre_count + genre_of, return_inverse=True
    )
    spread = np.zeros((MEASURE_COUNT, len(numbers)), np.int64)
    for row, own in zip(spread, np.repeat(sums, sizes, axis=1), strict=True):
        row[:] = np.bincount(cell_of, own, minlength=len(numbers))
    return *np.divmod(numbers, genre_count), spread
