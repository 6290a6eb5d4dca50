"""Book: what a live forecaster keeps of its forecasts, laid out in the rows of its state."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from model.forecaster import Float32
from model.pending import Pending
from model.record import SHARED_COUNT, SOURCE_COUNT

BOUNDS: Final = 3
"""Numbers kept of a pending forecast: lower bound, median, upper bound."""

MODEL, BASELINE, PUBLISHED = range(3)
"""Sources of forecasts in the record; where the model is the baseline there is only the first."""


@dataclass(frozen=True, slots=True)
class Book:
    """Views into the rows of a state; writing to them writes there.

    Attributes:
        held: `(G,)` origins whose forecasts are held, up to the horizon.
        on_baseline: `(G,)` 1 where the baseline is published now.
        ring: `(G, R)` the same at the last R origins, see `Pending.origins`.
        factors: `(G, K, 2, S)` calibration of the K sources that forecast.
        sums: `(G, sums, S)` the record, see `record.tally_of`.
        pending: `(G, P, K, BOUNDS)` waiting forecasts, see `Pending.slots`.
    """

    held: Float32
    on_baseline: Float32
    ring: Float32
    factors: Float32
    sums: Float32
    pending: Float32


@dataclass(frozen=True, slots=True)
class BookLayout:
    """Where a book lies in a state row.

    Attributes:
        pending: Slots of the waiting forecasts.
        source_count: Sources that forecast: the model, and the baseline where it is another.
        first: Column where it begins; the sources' own states come before it.
    """

    pending: Pending
    source_count: int
    first: int

    @property
    def width(self) -> int:
        """Float32 numbers of a row's book."""
        return sum(int(np.prod(shape)) for shape in self._shapes().values())

    def book(self, rows: Float32) -> Book:
        """Return the book in the rows of a state `(G, first + width)`."""
        views, first = {}, self.first
        for name, shape in self._shapes().items():
            stop = first + int(np.prod(shape))
            views[name] = rows[:, first:stop].reshape(len(rows), *shape)
            first = stop
        return Book(**views)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        steps, has_choice = len(self.pending.steps), self.source_count > 1
        # The third to be scored is what was published, now of one, now of the other.
        scored = 3 if has_choice else 1
        return {
            "held": (),
            "on_baseline": (),
            "ring": (self.pending.reach if has_choice else 0,),
            "factors": (self.source_count, 2, steps),
            "sums": (SHARED_COUNT + SOURCE_COUNT * scored, steps),
            "pending": (self.pending.slot_count, self.source_count, BOUNDS),
        }
