"""The records of a load test, made shortly before they are due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.settings import Settings
from producer_sim.fault_options import find_genre
from producer_sim.faults import FaultPlan
from producer_sim.genres import GenreProfile
from producer_sim.outgoing import GenreLists, Outgoing
from producer_sim.skew import SkewPlan
from producer_sim.sources import Made, Simulation
from producer_sim.traffic import Traffic

Floats = NDArray[np.float64]

SEEDS_APART: Final = 1_000_003
"""Between the seeds of two processes: their event ids differ."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sent.

    Attributes:
        genres: Of the traffic.
        seed: Alike seeds draw alike.
        faults: What goes wrong.
        skew: How the traffic is skewed.
    """

    genres: tuple[GenreProfile, ...]
    seed: int
    faults: FaultPlan
    skew: SkewPlan


class Stream:
    """Makes as many records as are due; what disorder holds up is sent in a later one's turn.

    Args:
        kind: What is sent.
        settings: What is late, too large, too far ahead.
        start_ms: Wall clock at the beginning.
        process: Number of this process, and how many there are.
        partition_for: The partition of a key.
        owned: Partitions that this process writes to.
    """

    def __init__(
        self,
        kind: Kind,
        settings: Settings,
        *,
        start_ms: int,
        process: tuple[int, int],
        partition_for: Callable[[bytes], int],
        owned: Sequence[int],
    ) -> None:
        number, processes = process
        self._process = process
        self._traffic = Traffic(
            kind.genres, seed=kind.seed, events_per_second=1.0, start_ms=start_ms, slice_ms=1_000
        )
        self._simulation = Simulation(
            self._traffic,
            kind.faults,
            settings,
            seed=kind.seed + number * SEEDS_APART,
            partition_for=partition_for,
            skew=kind.skew,
            hot_genre=find_genre(kind.genres, kind.skew.hot_genre),
            owned=None if processes == 1 else owned,
        )
        self._index = 0
        self._clicks = 0
        self._left: Outgoing | None = None

    @property
    def genre_lists(self) -> GenreLists:
        """Lists of genres that records refer to."""
        return self._simulation.genre_lists

    @property
    def made(self) -> Made:
        """What was made on purpose."""
        return self._simulation.made

    def make(self, due_s: Floats, event_ms: NDArray[np.int64], now_ms: int) -> Outgoing:
        """Return a record for each time.

        Args:
            due_s: When each is due, monotonic seconds.
            event_ms: The same by the wall clock.
            now_ms: The wall clock.
        """
        parts: list[Outgoing] = [] if self._left is None else [self._left]
        count = 0 if self._left is None else len(self._left)
        while count < len(due_s):
            parts.append(self._more(event_ms[count:], now_ms))
            count += len(parts[-1])
        together = join(parts)
        taken = cut(together, 0, len(due_s))
        self._left = cut(together, len(due_s), count) if count > len(due_s) else None
        return replace(taken, due_s=due_s)

    def _more(self, event_ms: NDArray[np.int64], now_ms: int) -> Outgoing:
        number, processes = self._process
        index = self._index * processes + number
        clicks = self._traffic.at(index, event_ms, self._clicks)
        self._index += 1
        self._clicks += len(clicks)
        disturbed = self._simulation.disturbed(index, clicks, int(event_ms[-1]) + 1)
        return self._simulation.render(disturbed, now_ms)


def cut(outgoing: Outgoing, begin: int, end: int) -> Outgoing:
    """Return some of the records."""
    part = slice(begin, end)
    return Outgoing(
        outgoing.keys[part],
        outgoing.values[part],
        outgoing.partitions[part],
        outgoing.event_ms[part],
        outgoing.genre_list[part],
        None if outgoing.due_s is None else outgoing.due_s[part],
    )


def join(parts: Sequence[Outgoing]) -> Outgoing:
    """Return all records, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Outgoing(
        [key for part in parts for key in part.keys],
        [value for part in parts for value in part.values],
        np.concatenate([part.partitions for part in parts]),
        np.concatenate([part.event_ms for part in parts]),
        np.concatenate([part.genre_list for part in parts]),
    )
