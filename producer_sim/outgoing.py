"""What goes to the broker: bytes, and beside them what the truth needs to know of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from contracts.events import IMPRESSION, ClickEvent

NO_EVENT: Final = -1
"""Stands for the genre list of a record that is no event."""

IMPRESSION_LIST: Final = -2
"""Stands for the genre list of an impression: an event that counts in no genre."""

GenreLists = list[tuple[str, ...]]
"""Different lists of normalised genres; records refer to them by index."""


Column = Sequence[int] | NDArray[np.int64]
"""Whole numbers, one per record."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Records in the order of sending; sequences of equal length.

    Attributes:
        keys: Record keys.
        values: Record values; None is a tombstone.
        partitions: Where each goes.
        event_ms: Event times; 0 where the record is no event.
        genre_list: Index of its genres, NO_EVENT, or IMPRESSION_LIST.
        due_s: When each is due, monotonic seconds; None where nobody measures.
    """

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    partitions: Column
    event_ms: Column
    genre_list: Column
    due_s: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Portion:
    """Records that are due together.

    Attributes:
        until_ms: The event time by which all of them have happened and arrived.
        make: Makes them; takes the wall clock in epoch ms.
    """

    until_ms: int
    make: Callable[[int], Outgoing]


def judge(value: bytes | None, max_event_bytes: int) -> tuple[int, tuple[str, ...]] | None:
    """Return a value's event time and genres, or None when it is no click event.

    The same rules as the consumer's: size, JSON as orjson reads it, then ClickEvent. An impression
    has no genres here: it counts in none.
    """
    if value is None or len(value) > max_event_bytes:
        return None
    try:
        event = ClickEvent.model_validate(orjson.loads(value))
    except (orjson.JSONDecodeError, ValidationError):
        return None
    return event.event_time, () if event.action == IMPRESSION else tuple(event.genres)
