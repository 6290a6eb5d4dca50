"""Pending forecasts: what was forecast of buckets that have not closed yet, in fixed slots.

The forecasts of step k that wait for their bucket are those of the last k origins. Bucket number
b's forecast of step k lies in slot b mod k of that step: the slot that the bucket closing now asks
for is the very one that its own forecast then takes. So nothing is ever moved, and where anything
lies follows from the bucket's start alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_SCORED_STEPS: Final = 24
"""Steps held against what comes, at most: what waits grows with their sum."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Where the waiting forecasts of one genre lie.

    Attributes:
        steps: `(S,)` int64, the steps kept, ascending from 1 to the horizon.
        offsets: `(S,)` int64, the first slot of each.
        slot_count: Slots of all steps together.
    """

    steps: NDArray[np.int64]
    offsets: NDArray[np.int64]
    slot_count: int

    @property
    def reach(self) -> int:
        """Buckets that the longest-waiting forecast waits."""
        return int(self.steps[-1])

    def slots(self, bucket: int) -> NDArray[np.int64]:
        """Return the slots `(S,)` of what was forecast of bucket number `bucket`."""
        return np.asarray(self.offsets + bucket % self.steps, np.int64)

    def origins(self, bucket: int) -> NDArray[np.int64]:
        """Return for each step `(S,)` where a ring of `reach` keeps the origin of that forecast."""
        return np.asarray((bucket - self.steps) % self.reach, np.int64)


def pending_of(horizon: int) -> Pending:
    """Return the slots for a horizon.

    >>> pending_of(3).slots(7).tolist()
    [0, 2, 4]
    """
    steps = scored_steps(horizon)
    offsets = np.cumsum(steps) - steps
    return Pending(steps, offsets, int(steps.sum()))


def scored_steps(horizon: int) -> NDArray[np.int64]:
    """Return the steps that are scored: all of a short horizon, thinning out towards a far one.

    >>> scored_steps(288)[[0, 1, 2, -2, -1]].tolist()
    [1, 2, 3, 225, 288]
    """
    if horizon <= MOST_SCORED_STEPS:
        return np.arange(1, horizon + 1, dtype=np.int64)
    spread = np.round(np.geomspace(1, horizon, MOST_SCORED_STEPS)).astype(np.int64)
    # Near steps must differ: at least one more than the step before.
    return np.maximum.accumulate(np.maximum(spread, np.arange(1, MOST_SCORED_STEPS + 1)))
