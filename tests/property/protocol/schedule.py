"""What happens in one run: traffic and faults, made of a few values so that it shrinks well."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

MAX_PARTITIONS: Final = 5
"""Most partitions a run ends with."""

RATES: Final = (0.5, 0.9, 0.25, 0.1, 0.03, 0.0)
"""Records per second of a partition."""

MOST_FAULTS: Final = 24
"""Most faults of a run."""

FAULTS: Final = (
    *(["crash"] * 4),
    *(["stop"] * 4),
    *(["continue"] * 3),
    *(["rebalance", "reassign", "lost reply", "unknown outcome"] * 2),
    *(["rollback"] * 4),
    "wipe",
    *(["partition away"] * 2),
    "partition added",
    "partitions noticed",
    "rate",
    *(["retention"] * 2),
)
"""Kinds of faults, as often as they are wanted."""

CALLS: Final = (
    "", "", "", "apply", "seal", "commit", "restore", "renew_idle", "open", "read_progress",
    "read_window", "side", "init", "begin", "transaction", "journal", "poll", "seek", "position",
)  # fmt: skip
"""Where a fault strikes: at the next call of this name, or ('') wherever some member is."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one partition gets.

    Attributes:
        rate: Records per second.
        delay_seconds: How long some of them take to arrive.
        kind: `live`; `slow` (the only device has a clock far behind); `dead` (dead letters only).
    """

    rate: float
    delay_seconds: int
    kind: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        second: When, from the start.
        turn: How many turns into that second.
        kind: One of `FAULTS`.
        call: One of `CALLS`, for those that strike at a call.
        size: How much, or which one.
    """

    second: int
    turn: int
    kind: str
    call: str
    size: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run.

    Attributes:
        seed: Of everything that is not below: contents, order of turns, where flaky calls fail.
        flakiness: Share of calls that fail or lose their reply.
        is_backfill: Whether events are from long ago, in batches with pauses between.
        window_buckets: A short one is reset by gaps.
        max_genres: A small one brings `(other)`.
        dedup: Whether repeated events, of which there are some then, count once.
    """

    seed: int
    traffic: tuple[Traffic, ...]
    members: int
    seconds: int
    flakiness: float
    is_backfill: bool
    window_buckets: int
    max_genres: int
    dedup: bool
    faults: tuple[Fault, ...]


class Chooser(Protocol):
    """Where choices come from: a seed, or hypothesis."""

    def whole(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        ...

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of some values."""
        ...

    def several(self, make: "Callable[[Chooser], T]", least: int, most: int) -> list[T]:
        """Return so many values."""
        ...


class Seeded:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def whole(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def one_of(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def several(self, make: Callable[[Chooser], T], least: int, most: int) -> list[T]:
        return [make(self) for _ in range(self._random.randint(least, most))]


class Drawn:
    """Choices from hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def whole(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def one_of(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def several(self, make: Callable[[Chooser], T], least: int, most: int) -> list[T]:
        each = st.composite(lambda draw: make(Drawn(draw)))()
        return self._draw(st.lists(each, min_size=least, max_size=most))


def make_schedule(choose: Chooser, seed: int) -> Schedule:
    """Choose a schedule."""
    is_backfill = choose.one_of([False] * 7 + [True])
    seconds = choose.one_of([60, 100, 150])
    kinds = ["live"] if is_backfill else ["live"] * 7 + ["slow", "dead"]

    def traffic(c: Chooser) -> Traffic:
        rate = c.one_of(RATES)
        return Traffic(rate, c.one_of([0, 0, 1, 2, 6]), c.one_of(kinds))

    def fault(c: Chooser) -> Fault:
        return Fault(
            second=c.whole(0, seconds - 1),
            turn=c.whole(0, 12),
            kind=c.one_of(FAULTS),
            call=c.one_of(CALLS),
            size=c.whole(0, 40),
        )

    return Schedule(
        seed=seed,
        traffic=tuple(choose.several(traffic, 1, 3)),
        members=choose.one_of([1, 2, 2, 3]),
        seconds=seconds,
        flakiness=choose.one_of([0.0, 0.01, 0.03]),
        is_backfill=is_backfill,
        window_buckets=choose.one_of([400, 400, 400, 12]),
        max_genres=choose.one_of([100, 100, 100, 2]),
        dedup=choose.one_of([False, True]),
        faults=tuple(sorted(choose.several(fault, 0, MOST_FAULTS), key=_when)),
    )


def _when(fault: Fault) -> tuple[int, int]:
    return fault.second, fault.turn


def schedule_of(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    return make_schedule(Seeded(seed), seed)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Draw schedules; faults drop out one by one when one fails."""
    return make_schedule(Drawn(draw), draw(st.integers(0, 2**32)))
