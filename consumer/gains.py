"""Clicks to gains of affinity, and gains into users' records. Pure functions.

A record holds affinities as of the user's latest click. A click's weight counts in each of its
genres and halves with every half-life between the click and that moment, so that neither the order
of clicks nor where batches end matters: sums commute, and nothing grows beyond what was clicked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consumer.decode import Click, Events
from contracts.settings import Settings
from state.taste_store import ENTRY, HEAD, Entries

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

NUMBERS: Final = HEAD + 1
"""More than any genre's number."""

SECONDS_PER_HOUR: Final = 3_600.0

_user_of: Final = attrgetter("user_id")
_action_of: Final = attrgetter("action")
_watch_of: Final = attrgetter("watch_seconds")


@dataclass(frozen=True, slots=True)
class Weights:
    """What an event adds to the affinity to each of its genres."""

    of_action: Mapping[str, float]
    of_watch_hour: float

    @classmethod
    def of(cls, settings: Settings) -> "Weights":
        """Return a deployment's weights."""
        actions = {
            "click": settings.taste_weight_click,
            "play": settings.taste_weight_play,
            "like": settings.taste_weight_like,
            "share": settings.taste_weight_share,
        }
        return cls(actions, settings.taste_weight_watch_hour)

    def weigh(self, clicks: Sequence[Click]) -> Floats:
        """Return the weight of each event, (N,)."""
        actions = list(map(_action_of, clicks))
        if actions.count("click") == len(actions):
            weights = np.full(len(actions), self.of_action["click"])
        else:
            known = map(self.of_action.__getitem__, actions)
            weights = np.fromiter(known, np.float64, len(actions))
        watched = list(map(_watch_of, clicks))
        if watched.count(None) < len(watched):
            hours = np.nan_to_num(np.array(watched, np.float64)) / SECONDS_PER_HOUR
            weights += self.of_watch_hour * hours
        return weights


@dataclass(frozen=True, slots=True)
class Gains:
    """Events as tastes take them, by column.

    Attributes:
        users: N ids.
        times_ms: (N,) int64, event times.
        weights: (N,) float64.
        list_ids: (N,) int64, index of each event's genres in `genre_lists`.
        genre_lists: Lists of normalised genres.
    """

    users: list[str]
    times_ms: Integers
    weights: Floats
    list_ids: Integers
    genre_lists: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, events: Events, weights: Weights) -> "Gains":
        """Return what events add."""
        clicks = events.clicks
        return cls(
            list(map(_user_of, clicks)),
            events.times_ms,
            weights.weigh(clicks),
            events.genre_ids,
            events.genre_lists,
        )

    @classmethod
    def joined(cls, parts: Sequence["Gains"]) -> "Gains":
        """Return some, at least one and all with the same lists of genres, as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            list(chain.from_iterable(part.users for part in parts)),
            np.concatenate([part.times_ms for part in parts]),
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.list_ids for part in parts]),
            parts[0].genre_lists,
        )

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, slots=True)
class Grouped:
    """Gains with users and genres numbered.

    Attributes:
        users: Distinct ids.
        user_of: (N,) index of each event's user.
        times_ms: (N,) event times.
        gained: (P,) weight of each (event, genre).
        event_of: (P,) its event.
        number_of: (P,) number of its genre.
    """

    users: list[str]
    user_of: Integers
    times_ms: Integers
    gained: Floats
    event_of: Integers
    number_of: Integers

    def without(self, forgotten: Mapping[int, int]) -> "Grouped":
        """Leave out events of users up to the moment at which they were forgotten, epoch ms."""
        if not forgotten:
            return self
        until_ms = np.zeros(len(self.users), np.int64)
        until_ms[list(forgotten)] = list(forgotten.values())
        kept = self.times_ms > until_ms[self.user_of]
        pairs = kept[self.event_of]
        places = np.cumsum(kept) - 1
        return Grouped(
            self.users,
            self.user_of[kept],
            self.times_ms[kept],
            self.gained[pairs],
            places[self.event_of[pairs]],
            self.number_of[pairs],
        )


def genres_in(gains: Gains) -> Iterable[str]:
    """Return the genres that occur, in order of their lists."""
    used = np.flatnonzero(np.bincount(gains.list_ids)).tolist()
    return dict.fromkeys(chain.from_iterable(map(gains.genre_lists.__getitem__, used)))


def group_gains(gains: Gains, users: list[str], numbers: Mapping[str, int]) -> Grouped:
    """Number users, by their place in `users`, and genres: `numbers` knows all of `genres_in`."""
    index_of = dict(zip(users, range(len(users)), strict=True))
    user_of = np.fromiter(map(index_of.__getitem__, gains.users), np.int64, len(gains))
    used, list_of = np.unique(gains.list_ids, return_inverse=True)
    numbered = [[numbers[g] for g in gains.genre_lists[i]] for i in used.tolist()]
    sizes = np.array([*map(len, numbered)], np.int64)
    starts = np.cumsum(sizes) - sizes
    flat = np.fromiter(chain.from_iterable(numbered), np.int64)
    counts = sizes[list_of]
    event_of = np.repeat(np.arange(len(gains)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    number_of = flat[starts[list_of][event_of] + np.arange(len(event_of)) - first]
    gained = gains.weights[event_of]
    return Grouped(users, user_of, gains.times_ms, gained, event_of, number_of)


def add_gains(
    held: Entries, grouped: Grouped, *, half_life_ms: int, most: int
) -> tuple[list[str], Entries]:
    """Add gains to records.

    Args:
        held: The records of `grouped.users`, in their order; a head of 0 ms where there is none.
        grouped: What comes.
        half_life_ms: After so long an affinity is half of what it was.
        most: Genres kept per user: those of most affinity, among equals those of lower number.

    Returns:
        Users with a record, and the records, one after the other.
    """
    heads = held["number"] == HEAD
    held_ms = held["amount"][heads]
    latest_ms = held_ms.copy()
    np.maximum.at(latest_ms, grouped.user_of, grouped.times_ms.astype(np.float64))
    old_user = (np.cumsum(heads) - 1)[~heads]
    old = held["amount"][~heads] * _decay(held_ms - latest_ms, half_life_ms)[old_user]
    since_ms = grouped.times_ms - latest_ms[grouped.user_of]
    new = grouped.gained * _decay(since_ms, half_life_ms)[grouped.event_of]
    places = np.concatenate(
        (
            old_user * NUMBERS + held["number"][~heads],
            grouped.user_of[grouped.event_of] * NUMBERS + grouped.number_of,
        )
    )
    pairs, pair_of = np.unique(places, return_inverse=True)
    amounts: Floats = np.concatenate((old, new))
    affinity: Floats = np.bincount(pair_of, amounts, minlength=len(pairs)).astype(np.float64)
    user_of, number_of = np.divmod(pairs, NUMBERS)
    kept = _most(user_of, number_of, affinity, most)
    return _records(grouped.users, latest_ms, user_of[kept], number_of[kept], affinity[kept])


def _decay(ahead_ms: Floats, half_life_ms: int) -> Floats:
    """Return what is left after times, given as negative; no time leaves all."""
    return np.exp2(np.minimum(ahead_ms, 0.0) / half_life_ms)


def _most(user_of: Integers, number_of: Integers, affinity: Floats, most: int) -> Integers:
    """Return which pairs to keep, ascending; they are sorted by user and number."""
    counts = np.bincount(user_of)
    if not len(counts) or counts.max() <= most:
        return np.arange(len(user_of))
    order = np.lexsort((number_of, -affinity, user_of))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[rank < most])


def _records(
    users: list[str], latest_ms: Floats, user_of: Integers, number_of: Integers, affinity: Floats
) -> tuple[list[str], Entries]:
    counts = np.bincount(user_of, minlength=len(users))
    known = np.flatnonzero(counts)
    sizes = counts[known] + 1
    entries = np.empty(int(sizes.sum()), ENTRY)
    heads = np.cumsum(sizes) - sizes
    is_pair = np.ones(len(entries), np.bool_)
    is_pair[heads] = False
    entries["number"][heads] = HEAD
    entries["amount"][heads] = latest_ms[known]
    entries["number"][is_pair] = number_of
    entries["amount"][is_pair] = affinity
    if len(known) < len(users):
        users = [users[i] for i in known.tolist()]
    return users, entries
