"""Calendar: the time of day and of week as waves, UTC, and holidays; the same for every genre."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from model.profile import MONDAY_MS

_HARMONICS: Final = (("day", DAY_MS, 0, 3), ("week", 7 * DAY_MS, MONDAY_MS, 3))
"""Cycle, its length, where it begins, and how many harmonics of it are read."""

CALENDAR: Final = tuple(
    f"{cycle}_{wave}{harmonic}"
    for cycle, _, _, count in _HARMONICS
    for harmonic in range(1, count + 1)
    for wave in ("sin", "cos")
)
"""Names of the waves, in their order."""


_SUNDAY: Final = 6
"""Days from Monday."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which day of the week a day is like: a holiday is like a Sunday.

    Attributes:
        holidays_ms: When each holiday begins, epoch ms; it lasts a day.
    """

    holidays_ms: tuple[int, ...] = ()

    def like_ms(self, starts_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return bucket starts `(...,)`, epoch ms, those on holidays moved to a Sunday.

        Moved by whole days: the time of day stays.
        """
        moved = starts_ms
        for begin_ms in self.holidays_ms:
            # The weekday that most of it lies on, where it begins at some time zone's midnight.
            weekday = (begin_ms + DAY_MS // 2 - MONDAY_MS) // DAY_MS % 7
            is_holiday = (starts_ms >= begin_ms) & (starts_ms < begin_ms + DAY_MS)
            moved = np.where(is_holiday, starts_ms + (_SUNDAY - weekday) * DAY_MS, moved)
        return moved


NO_HOLIDAYS: Final = Calendar()


def calendar_waves(starts_ms: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the waves at bucket starts `(...,)` epoch ms, `(..., len(CALENDAR))` float32."""
    waves = np.empty((*starts_ms.shape, len(CALENDAR)))
    column = 0
    for _, period, origin, count in _HARMONICS:
        # Reduced as whole numbers first: epoch milliseconds are too long for float32.
        turn = 2.0 * np.pi * ((starts_ms - origin) % period) / period
        turns = turn[..., None] * np.arange(1, count + 1)
        stop = column + 2 * count
        np.sin(turns, out=waves[..., column:stop:2])
        np.cos(turns, out=waves[..., column + 1 : stop : 2])
        column = stop
    return waves.astype(np.float32)
