"""When events were counted, told from outside: offsets stored in Redis, seen again and again."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

Sighting = tuple[int, float, int]
"""A partition, when its stored offset was seen to have moved, monotonic seconds, and the offset."""

REMEMBERED: Final = 4_000
"""Sightings kept per partition: a record may be acknowledged after it was seen to be counted."""


@dataclass(slots=True)
class Counted:
    """Matches acknowledged records with the stored offsets that pass them.

    A record counts as counted at the first look that saw its partition's stored offset past it:
    never too early, and too late by the time between two looks at most.
    """

    _waiting: dict[int, deque[tuple[Integers, Floats]]] = field(default_factory=dict)
    _seen: dict[int, deque[tuple[float, int]]] = field(default_factory=dict)
    uncounted: int = 0

    def expect(self, partition: int, offset: Integers, due_s: Floats) -> None:
        """Take acknowledged records of a partition, in offset order."""
        if offset.size:
            self._waiting.setdefault(partition, deque()).append((offset, due_s))
            self.uncounted += offset.size

    def see(self, sightings: Iterable[Sighting]) -> list[tuple[Floats, Floats]]:
        """Return (due, counted at) of the records that were passed; sightings in their order."""
        for partition, at_s, next_offset in sightings:
            seen = self._seen.setdefault(partition, deque(maxlen=REMEMBERED))
            seen.append((at_s, next_offset))
        found: list[tuple[Floats, Floats]] = []
        for partition, waiting in self._waiting.items():
            seen = self._seen.get(partition, deque())
            if waiting and seen and waiting[0][0][0] < seen[-1][1]:
                found += self._match(waiting, *zip(*seen, strict=True))
        return found

    def _match(
        self,
        waiting: deque[tuple[Integers, Floats]],
        at_s: tuple[float, ...],
        next_offset: tuple[int, ...],
    ) -> list[tuple[Floats, Floats]]:
        times, nexts = np.array(at_s), np.array(next_offset, np.int64)
        found = []
        while waiting and waiting[0][0][0] < nexts[-1]:
            offset, due_s = waiting.popleft()
            passed = int(np.searchsorted(offset, nexts[-1]))
            which = np.searchsorted(nexts, offset[:passed], side="right")
            found.append((due_s[:passed], times[which]))
            self.uncounted -= passed
            if passed < len(offset):
                waiting.appendleft((offset[passed:], due_s[passed:]))
                break
        return found

    def give_up(self) -> list[Floats]:
        """Return when those that nobody counted were due; they are forgotten."""
        left = [due_s for waiting in self._waiting.values() for _, due_s in waiting]
        self._waiting.clear()
        self.uncounted = 0
        return left
