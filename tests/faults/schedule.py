"""What goes wrong and when, drawn from a seed: the same seed makes the same schedule."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.faults.seam import POINTS

FAULTS: Final = {
    "kill": 10,
    "freeze": 8,
    "restart": 5,
    "crash-at": 14,
    "stop-at": 5,
    "sleep-at": 3,
    "add": 3,
    "kill-all": 2,
    "empty-state": 5,
    "lose-reply": 4,
    "cut-kafka": 4,
    "cut-redis": 4,
    "deaf-kafka": 2,
    "deaf-redis": 2,
    "slow-links": 3,
    "crash-broker": 3,
    "stop-broker": 1,
    "freeze-broker": 4,
    "crash-redis": 4,
    "freeze-redis": 3,
    "forget-scripts": 2,
}
"""How often each fault is drawn, relative to the others."""

LONGEST: Final = {
    "freeze": 8.0,  # longer than the session: a zombie
    "deaf-kafka": 4.0,
    "deaf-redis": 4.0,
    "slow-links": 4.0,
    "freeze-broker": 4.0,
    "freeze-redis": 3.0,
}
"""Faults that last, and how long at most, seconds."""

MOST_PASSINGS: Final = 8
"""A crash point is hit at its first to eighth passing."""


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """One fault, or the end of one that lasts.

    Attributes:
        at_seconds: Since the beginning.
        name: The fault, or `end-` and the fault.
        lane: Which deployment, where it hits one.
        member: Which of its running consumers, modulo their number.
        point: Crash point and passing, for faults at one.
    """

    at_seconds: float
    name: str
    lane: int
    member: int
    point: str = ""

    def __str__(self) -> str:
        where = f" at {self.point}" if self.point else ""
        return f"{self.at_seconds:7.2f} s  {self.name}{where} (lane {self.lane}, {self.member})"


def draw(seed: int, *, seconds: float, every_seconds: float, lanes: int) -> list[Act]:
    """Draw a schedule in order of time.

    Args:
        seed: Alike seeds, alike schedules.
        seconds: No fault begins after it.
        every_seconds: Mean time between faults.
        lanes: How many deployments there are.
    """
    return sorted(_acts(random.Random(seed), seconds, every_seconds, lanes))


def _acts(rng: random.Random, seconds: float, every_seconds: float, lanes: int) -> Iterator[Act]:
    names, weights = list(FAULTS), list(FAULTS.values())
    at = 0.0
    while (at := at + rng.expovariate(1 / every_seconds)) < seconds:
        name = rng.choices(names, weights)[0]
        lane, member = rng.randrange(lanes), rng.randrange(12)
        point = f"{rng.choice(list(POINTS))}:{rng.randint(1, MOST_PASSINGS)}"
        yield Act(at, name, lane, member, point if name.endswith("-at") else "")
        if name in LONGEST:
            end = at + rng.uniform(0.3, LONGEST[name])
            yield Act(end, f"end-{name}", lane, member)
