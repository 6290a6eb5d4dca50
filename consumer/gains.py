"""Clicks to gains of affinity, and gains into users' records. Pure functions.

A record holds affinities as of the user's latest click. A click's weight counts in each of its
genres and halves with every half-life between the click and that moment, so that neither the order
of clicks nor where batches end matters: sums commute, and nothing grows beyond what was clicked.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consumer.events import Events
from contracts.taste_settings import TasteSettings
from state.taste_store import ENTRY, Entries

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

SECONDS_PER_HOUR: Final = 3_600.0

SPARSE: Final = 10
"""A table of all keys there might be is slower than sorting where it is so many times longer."""

_user_of: Final = attrgetter("user_id")
_action_of: Final = attrgetter("action")


@dataclass(frozen=True, slots=True)
class Weights:
    """What an event adds to the affinity to each of its genres."""

    of_action: Mapping[str, float]
    of_watch_hour: float

    @classmethod
    def of(cls, settings: TasteSettings) -> "Weights":
        """Return a deployment's weights."""
        actions = {
            "click": settings.taste_weight_click,
            "play": settings.taste_weight_play,
            "like": settings.taste_weight_like,
            "share": settings.taste_weight_share,
        }
        return cls(actions, settings.taste_weight_watch_hour)

    def weigh(self, events: Events) -> Floats:
        """Return the weight of each event, (N,)."""
        actions = map(self.of_action.__getitem__, map(_action_of, events.clicks))
        weights = np.fromiter(actions, np.float64, len(events))
        hours = np.nan_to_num(events.watch_seconds) / SECONDS_PER_HOUR
        return weights + self.of_watch_hour * hours


@dataclass(frozen=True, slots=True)
class Gains:
    """Events as tastes take them, by column.

    Attributes:
        user_of: (N,) int64, index of each event's user.
        times_ms: (N,) int64, event times.
        weights: (N,) float64.
        list_ids: (N,) int64, index of each event's list of genres.
    """

    user_of: Integers
    times_ms: Integers
    weights: Floats
    list_ids: Integers

    def __len__(self) -> int:
        return len(self.user_of)

    def without(self, forgotten: Mapping[int, int]) -> "Gains":
        """Leave out events of users up to the moment at which they were forgotten, epoch ms."""
        if not forgotten:
            return self
        until_ms = np.zeros(max(int(self.user_of.max()), *forgotten) + 1, np.int64)
        until_ms[list(forgotten)] = list(forgotten.values())
        kept = self.times_ms > until_ms[self.user_of]
        return Gains(
            self.user_of[kept], self.times_ms[kept], self.weights[kept], self.list_ids[kept]
        )


@dataclass(frozen=True, slots=True)
class Gathered:
    """Events that wait to be added.

    Attributes:
        genre_lists: Lists of normalised genres, the same object for all events.
        user_numbers: Index of each user, in order of appearance; who is looked up gets one.
        lists: Those that occur, by their index.
        parts: The events, some thousand at a time: arrays that the processor's caches hold.
    """

    genre_lists: Sequence[tuple[str, ...]] = ()
    user_numbers: defaultdict[str, int] = field(
        default_factory=lambda: defaultdict(itertools.count().__next__)
    )
    lists: dict[int, tuple[str, ...]] = field(default_factory=dict)
    parts: list[Gains] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def add(self, events: Events, weights: Weights) -> None:
        """Gather more events."""
        users = map(self.user_numbers.__getitem__, map(_user_of, events.clicks))
        user_of = np.fromiter(users, np.int64, len(events))
        self.lists.update((i, self.genre_lists[i]) for i in np.unique(events.genre_ids).tolist())
        self.parts.append(Gains(user_of, events.times_ms, weights.weigh(events), events.genre_ids))


def add_gains(
    held: Entries,
    parts: Collection[Gains],
    numbered: Mapping[int, Sequence[int]],
    *,
    half_life_ms: int,
    most: int,
) -> tuple[Integers, Entries]:
    """Add gains to records.

    Args:
        held: The records of all users, in their order; a head of 0 ms where there is none.
        parts: What comes.
        numbered: By the index of each list that occurs the numbers of its genres.
        half_life_ms: After so long an affinity is half of what it was.
        most: Genres kept per user: those of most affinity, among equals those of lower number.

    Returns:
        Indices of the users that have a record then, and the records, one after the other.
    """
    numbers = (held["number"] + np.uint16(1)).astype(np.int64)  # HEAD becomes 0: records ascend
    heads, users = np.flatnonzero(numbers == 0), np.cumsum(numbers == 0) - 1
    genres = _table(numbered)
    bits = int(max(numbers.max(), genres.max())).bit_length()
    held_ms = held["amount"][heads]
    latest_ms = held_ms.copy()
    for part in parts:
        np.maximum.at(latest_ms, part.user_of, part.times_ms.astype(np.float64))
    amounts = held["amount"] * np.exp2((held_ms - latest_ms) / half_life_ms)[users]
    amounts[heads] = np.inf  # a head stays however many genres come
    pairs = [(users << bits | numbers, amounts)]
    for part in parts:
        since_ms = part.times_ms - latest_ms[part.user_of]
        gained = part.weights * np.exp2(since_ms / half_life_ms)
        for number_of in genres[:, part.list_ids]:
            has = np.flatnonzero(number_of)
            pairs.append((part.user_of[has] << bits | number_of[has], gained[has]))
    keys, amounts = _summed(pairs, len(heads) << bits)
    kept = _is_kept(keys >> bits, amounts, most)
    keys, amounts = keys[kept], amounts[kept]
    numbers = keys & (1 << bits) - 1
    heads = np.flatnonzero(numbers == 0)
    known = keys[heads] >> bits
    amounts[heads] = latest_ms[known]
    entries = np.empty(len(keys), ENTRY)
    entries["number"], entries["amount"] = numbers - 1, amounts
    return known, entries


def _table(numbered: Mapping[int, Sequence[int]]) -> Integers:
    """Return the genres of each list, (most genres of one, highest index + 1): number + 1, or 0."""
    table = np.zeros((max(map(len, numbered.values())), max(numbered) + 1), np.int64)
    rows = [*itertools.zip_longest(*numbered.values(), fillvalue=-1)]
    table[:, list(numbered)] = np.array(rows) + 1
    return table


def _summed(pairs: Iterable[tuple[Integers, Floats]], bound: int) -> tuple[Integers, Floats]:
    """Return the distinct keys, ascending, and the sums of their amounts; all are below `bound`."""
    keys, amounts = map(np.concatenate, zip(*pairs, strict=True))
    if bound > SPARSE * len(keys):
        # With first places it sorts stably: quicker, as the first keys are in order already.
        distinct, _, index = np.unique(keys, return_index=True, return_inverse=True)
        return distinct, np.asarray(np.bincount(index, amounts), np.float64)
    sums = np.asarray(np.bincount(keys, amounts, minlength=bound), np.float64)
    occurs = np.zeros(bound, np.bool_)
    occurs[keys] = True
    distinct = np.flatnonzero(occurs)
    return distinct, sums[distinct]


def _is_kept(user_of: Integers, amounts: Floats, most: int) -> NDArray[np.bool_]:
    """Return whether each entry stays: not a head alone, nor one of too many genres."""
    sizes = np.bincount(user_of)
    starts = np.cumsum(sizes) - sizes
    kept = (sizes > 1)[user_of]
    for size in np.unique(sizes[sizes > most + 1]).tolist():
        places = starts[sizes == size][:, np.newaxis] + np.arange(size)  # (users, entries)
        ranked = np.argsort(-amounts[places], kind="stable")  # among equals lower numbers first
        kept[np.take_along_axis(places, ranked[:, most + 1 :], axis=1)] = False
    return kept
