"""Traffic that is valid and yet hard: a hot genre, a flood of new genres, a silent partition."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from producer_sim.traffic import Clicks

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEW_GENRE: Final = -1
"""Stands for the show of an event whose genre nobody has seen before: its number names both."""

_HOT, _NEW = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
"""Odd multipliers: which numbers are chosen has nothing to do with their order."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A partition that gets nothing for a while; its users' clicks come from others.

    Attributes:
        partition: Its number.
        after_ms: Since the beginning, event time.
        for_ms: How long, event time; None is to the end.
    """

    partition: int
    after_ms: int = 0
    for_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SkewPlan:
    """How traffic is skewed; ratios are of all events.

    Attributes:
        hot_genre: A genre that gets more.
        hot_ratio: Ratio of events that go to it, beside its own.
        new_genres: Ratio of events with a genre of their own that was never there before.
        silences: Partitions that fall silent.
    """

    hot_genre: str | None = None
    hot_ratio: float = 0.0
    new_genres: float = 0.0
    silences: tuple[Silence, ...] = ()


class Skew:
    """Skews clicks, before anything goes wrong with them; the same number is skewed alike.

    Args:
        plan: How much.
        hot_show: The show that hot events are of.
        partition_of_user: `(users,)`.
        start_ms: Event time at the beginning.
        owned: Partitions that get events at all; None is every one.
    """

    def __init__(
        self,
        plan: SkewPlan,
        *,
        hot_show: int,
        partition_of_user: Integers,
        start_ms: int,
        owned: Sequence[int] | None = None,
    ) -> None:
        self._plan = plan
        self._hot_show = hot_show
        self._partition_of_user = partition_of_user
        self._start_ms = start_ms
        is_owned = np.ones(len(partition_of_user), np.bool_)
        if owned is not None:
            is_owned = np.isin(partition_of_user, np.array(owned, np.int64))
        self._is_owned = is_owned
        self._moved_to = None if is_owned.all() else nearest(is_owned)
        self._stand_ins: dict[frozenset[int], Integers] = {}

    def apply(self, clicks: Clicks) -> Clicks:
        """Return the clicks skewed."""
        show = clicks.show
        if self._plan.hot_ratio:
            show = np.where(chosen(clicks.number, self._plan.hot_ratio, _HOT), self._hot_show, show)
        if self._plan.new_genres:
            show = np.where(chosen(clicks.number, self._plan.new_genres, _NEW), NEW_GENRE, show)
        user: Integers = clicks.user if self._moved_to is None else self._moved_to[clicks.user]
        if self._plan.silences and len(clicks):
            user = self._silence(clicks.event_ms, user)
        return replace(clicks, show=show, user=user)

    def _silence(self, event_ms: Integers, user: Integers) -> Integers:
        since_ms = event_ms - self._start_ms
        is_on = []
        for silence in self._plan.silences:
            end_ms = np.inf if silence.for_ms is None else silence.after_ms + silence.for_ms
            is_on.append((since_ms >= silence.after_ms) & (since_ms < end_ms))
        # Which partitions are silent changes a few times in a run: users are replaced for each set.
        sets, which = np.unique(np.array(is_on), axis=1, return_inverse=True)
        moved = user.copy()
        for number in range(sets.shape[1]):
            silent = frozenset(
                silence.partition
                for silence, on in zip(self._plan.silences, sets[:, number], strict=True)
                if on
            )
            rows = np.flatnonzero(np.ravel(which) == number)
            moved[rows] = self._stand_in(silent)[user[rows]]
        return moved

    def _stand_in(self, silent: frozenset[int]) -> Integers:
        if silent not in self._stand_ins:
            is_silent = np.isin(self._partition_of_user, np.array(sorted(silent), np.int64))
            may_speak = self._is_owned & ~is_silent
            everybody = np.arange(len(is_silent), dtype=np.int64)
            # Where no other partition is left the events have to go somewhere.
            self._stand_ins[silent] = nearest(may_speak) if may_speak.any() else everybody
        return self._stand_ins[silent]


def chosen(number: Integers, ratio: float, multiplier: int) -> Flags:
    """Return whether each click is among `ratio` of all; its number alone decides."""
    mixed = number.astype(np.uint64) * np.uint64(multiplier)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53 < ratio)


def nearest(is_allowed: Flags) -> Integers:
    """Return for every user the nearest that is allowed: neighbours like the same genre."""
    allowed = np.flatnonzero(is_allowed)
    users = np.arange(len(is_allowed))
    after = np.searchsorted(allowed, users).clip(0, len(allowed) - 1)
    before = (after - 1).clip(0)
    is_before_nearer = users - allowed[before] < allowed[after] - users
    found: Integers = np.where(is_before_nearer, allowed[before], allowed[after]).astype(np.int64)
    return found
