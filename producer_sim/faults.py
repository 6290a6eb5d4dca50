"""What goes wrong on the way to the broker: disorder, lateness, duplicates, broken records."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from producer_sim.hostile import FUTURE, KINDS
from producer_sim.traffic import Clicks

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

DISORDERED_RATIO: Final = 0.05
"""Part of the events that are held up on their way when there is disorder at all."""

SOUND: Final = -1
"""Stands for "not malformed" where a kind of malformation is expected."""

CLOCK_MARGIN_MS: Final = 1_000
"""How much behind ours the broker's clock may run with late events still certainly late, ms."""

OLDEST_BUCKETS: Final = 3
"""Late events lie this many buckets back at most, counted from the last closed one."""

NO_FRONT: Final = -(2**62)
"""Stands for "no event yet" in arrays of event times."""

_FUTURE_KIND: Final = KINDS.index(FUTURE)

_FAULTS: Final = 31


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How much goes wrong; ratios are of all records sent.

    Attributes:
        disorder_ms: Some events arrive up to so much after later ones.
        late: Ratio of events made late for sure.
        duplicates: Ratio of events that are sent twice.
        malformed: Ratio of records that are no events.
        future: Ratio of events by clocks that run two hours ahead: dead letters.
    """

    disorder_ms: int = 0
    late: float = 0.0
    duplicates: float = 0.0
    malformed: float = 0.0
    future: float = 0.0


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Clicks in the order of sending, with what has been done to them; arrays `(n,)`.

    Attributes:
        clicks: With the times of late ones moved back.
        kind: Index in `hostile.KINDS`, or SOUND.
        is_late: Made late.
        is_copy: Sent before already.
    """

    clicks: Clicks
    kind: Integers
    is_late: Flags
    is_copy: Flags

    def head(self, count: int) -> "Disturbed":
        """Return the first `count`."""
        return Disturbed(
            self.clicks.take(np.arange(count)),
            self.kind[:count],
            self.is_late[:count],
            self.is_copy[:count],
        )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Clicks on their way: when they arrive, and whether they are, or have, a copy."""

    clicks: Clicks
    arrival_ms: Integers
    is_paired: Flags
    is_copy: Flags

    def take(self, rows: NDArray[np.intp]) -> "_Waiting":
        return _Waiting(
            self.clicks.take(rows), self.arrival_ms[rows], self.is_paired[rows], self.is_copy[rows]
        )


class Disturber:
    """Disturbs slices of traffic, in their order; alike for alike seeds.

    Disorder and duplicates stay within `max_out_of_orderness` where `disorder_ms` does, so
    they make nothing late; lateness then happens on purpose only.

    Args:
        plan: How much goes wrong.
        seed: Alike seeds disturb alike.
        partition_of_user: `(users,)`: lateness is a matter of the event's own partition.
        max_out_of_orderness_ms: As the consumer has it.
        bucket_ms: As the consumer has it.
    """

    def __init__(
        self,
        plan: FaultPlan,
        *,
        seed: int,
        partition_of_user: Integers,
        max_out_of_orderness_ms: int,
        bucket_ms: int,
    ) -> None:
        self._plan = plan
        self._seed = seed
        self._partition_of_user = partition_of_user
        self._out_of_orderness_ms = max_out_of_orderness_ms
        self._bucket_ms = bucket_ms
        self._front_ms = np.full(int(partition_of_user.max()) + 1, NO_FRONT, np.int64)
        self._waiting: _Waiting | None = None
        self._late_owed = 0

    def disturb(self, index: int, clicks: Clicks, until_ms: int) -> Disturbed:
        """Return what arrives before `until_ms`: of slice `index`, and of those before it."""
        rng = np.random.default_rng([self._seed, _FAULTS, index])
        arrived = self._arrive(rng, clicks, until_ms)
        size = len(arrived.arrival_ms)
        is_broken = (rng.random(size) < self._plan.malformed) & ~arrived.is_paired
        kind = np.where(is_broken, rng.integers(0, len(KINDS), size), SOUND)
        wanted = (rng.random(size) < self._plan.late) & ~is_broken & ~arrived.is_paired
        is_ahead = (rng.random(size) < self._plan.future) & ~arrived.is_paired & ~is_broken
        kind[is_ahead] = _FUTURE_KIND
        is_broken |= is_ahead
        wanted &= ~is_broken
        is_late, event_ms = self._make_late(rng, arrived, wanted, ~is_broken)
        return Disturbed(replace(arrived.clicks, event_ms=event_ms), kind, is_late, arrived.is_copy)

    def _arrive(self, rng: np.random.Generator, clicks: Clicks, until_ms: int) -> _Waiting:
        size = len(clicks)
        is_held_up = rng.random(size) < DISORDERED_RATIO
        delay_ms = np.where(is_held_up, rng.integers(0, self._plan.disorder_ms + 1, size), 0)
        is_paired = rng.random(size) < self._plan.duplicates
        parts = [_Waiting(clicks, clicks.event_ms + delay_ms, is_paired, np.zeros(size, np.bool_))]
        twice = np.flatnonzero(is_paired)
        if twice.size:
            copies = parts[0].take(twice)
            # A copy comes after its original, and in time, when the original does.
            room_ms = np.maximum(self._out_of_orderness_ms - delay_ms[twice], 0)
            after_ms = (rng.random(twice.size) * room_ms).astype(np.int64)
            parts.append(
                replace(
                    copies,
                    arrival_ms=copies.arrival_ms + after_ms,
                    is_copy=np.ones(twice.size, np.bool_),
                )
            )
        if self._waiting is not None:
            parts.insert(0, self._waiting)
        together = _join(parts) if len(parts) > 1 else parts[0]
        # By arrival, then number, then original before copy: a full order, whatever the slices.
        keys = (together.is_copy, together.clicks.number, together.arrival_ms)
        together = together.take(np.lexsort(keys))
        border = int(np.searchsorted(together.arrival_ms, until_ms))
        rows = np.arange(len(together.arrival_ms))
        self._waiting = together.take(rows[border:]) if border < rows.size else None
        return together.take(rows[:border])

    def _make_late(
        self, rng: np.random.Generator, arrived: _Waiting, wanted: Flags, is_sound: Flags
    ) -> tuple[Flags, Integers]:
        """Move the wanted events back before their partition's watermark, where it has one."""
        event_ms = arrived.clicks.event_ms
        partition = self._partition_of_user[arrived.clicks.user]
        back_ms = rng.integers(1, OLDEST_BUCKETS + 1, len(event_ms)) * self._bucket_ms
        back_ms -= (rng.random(len(event_ms)) * self._bucket_ms).astype(np.int64)

        def moved(is_late: Flags) -> Integers:
            before = self._front_before(event_ms, partition, is_sound & ~is_late)
            closed_ms = before - self._out_of_orderness_ms - CLOCK_MARGIN_MS
            return closed_ms // self._bucket_ms * self._bucket_ms - back_ms

        can_be_late = moved(wanted) >= 1
        spare = np.flatnonzero(can_be_late & is_sound & ~wanted & ~arrived.is_paired)
        chosen = wanted.copy()
        # At the start there is no watermark to be behind: what is owed from then is made up here.
        chosen[rng.permutation(spare)[: self._late_owed]] = True
        moved_ms = moved(chosen)
        is_late = chosen & (moved_ms >= 1)
        self._late_owed += int(wanted.sum()) - int(is_late.sum())
        event_ms = np.where(is_late, moved_ms, event_ms)
        self._advance_fronts(event_ms, partition, is_sound)
        return is_late, event_ms

    def _front_before(self, event_ms: Integers, partition: Integers, moves: Flags) -> Integers:
        """Return the largest event time among `moves` before each row in its partition."""
        before = np.full(len(event_ms), NO_FRONT, np.int64)
        for number, front in enumerate(self._front_ms.tolist()):
            rows = np.flatnonzero(partition == number)
            times = np.where(moves[rows], event_ms[rows], NO_FRONT)
            before[rows] = np.maximum.accumulate(np.concatenate(([front], times)))[:-1]
        return before

    def _advance_fronts(self, event_ms: Integers, partition: Integers, is_sound: Flags) -> None:
        for number in range(self._front_ms.size):
            times = event_ms[(partition == number) & is_sound]
            if times.size:
                self._front_ms[number] = max(int(self._front_ms[number]), int(times.max()))


def _join(parts: list[_Waiting]) -> _Waiting:
    def column(name: str) -> Integers:
        return np.concatenate([getattr(part.clicks, name) for part in parts])

    return _Waiting(
        Clicks(*(column(name) for name in ("event_ms", "number", "show", "user", "action"))),
        np.concatenate([part.arrival_ms for part in parts]),
        np.concatenate([part.is_paired for part in parts]),
        np.concatenate([part.is_copy for part in parts]),
    )
