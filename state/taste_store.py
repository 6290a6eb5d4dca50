"""The contract of the store of tastes: what counting them asks of Redis, and of its twin.

A *strand* is one way in which clicks reach tastes: a partition of `clicks`, or a stretch of it that
is read again for its tastes. It has an offset of its own and holds what its clicks have come to for
each user; a user's taste is the sum over the strands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

ENTRY: Final = np.dtype([("number", "<u2"), ("amount", "<f8")])
"""A record is a row of these: a head, then (number of a genre, affinity as of the latest click),
ascending by number."""

HEAD: Final = 65_535
"""Number of a record's head, whose amount is the user's latest click, epoch ms."""

MAX_NUMBERED_GENRES: Final = HEAD - 1
"""Genres that get a number besides `(other)`; the others count under that name."""

Entries = NDArray[np.void]
"""(N,) of ENTRY."""

NO_ENTRIES: Final[Entries] = np.empty(0, ENTRY)
"""No record."""


@dataclass(frozen=True, slots=True)
class HeldTastes:
    """What a strand holds of some users.

    Attributes:
        offset: Its next offset; None before it has one.
        forgets: How often anybody was forgotten, or everybody dropped.
        entries: The users' records, one after the other; of who has none, a head of 0 ms.
        forgotten: Index of each user who was forgotten, and up to when, epoch ms.
    """

    offset: int | None
    forgets: int
    entries: Entries
    forgotten: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class TasteBatch:
    """What a strand's users have come to, between two offsets.

    Attributes:
        strand: Which one.
        expected_offset: Where it stood; None before it has an offset.
        next_offset: Where it stands with this.
        forgets: As it was when the records were read.
        genres: Genres by number, as known before.
        new_genres: Those that follow them.
        users: Whose records are written, each once.
        entries: Their records, one after the other.
        look_over: How many other users to look at for old ones.
        oldest_ms: Whose latest click is before, of those, goes.
        lives_ms: When the whole strand goes, ms from now; None: it stays.
    """

    strand: str
    expected_offset: int | None
    next_offset: int
    forgets: int = 0
    genres: Sequence[str] = ()
    new_genres: Sequence[str] = ()
    users: Sequence[str] = ()
    entries: Entries = field(default_factory=NO_ENTRIES.copy)
    look_over: int = 0
    oldest_ms: int = 0
    lives_ms: int | None = None

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(len(users),) entries of each record."""
        heads = np.flatnonzero(self.entries["number"] == HEAD)
        return np.diff(heads, append=len(self.entries))


WriteOutcome = Literal["written", "moved", "forgot", "genres"]
"""Only `written` changes anything. The strand stands elsewhere; somebody has been forgotten since
the records were read; the genres are others than those known."""


class TasteStore(Protocol):
    """All tastes of one deployment. Each method is atomic; any may raise `StoreError`."""

    def read(self, strand: str, users: Sequence[str]) -> HeldTastes:
        """What a strand holds of some users."""
        ...

    def write(self, batch: TasteBatch) -> WriteOutcome:
        """Write records and move the strand's offset, if it still stands where expected."""
        ...

    def read_offsets(self) -> dict[str, int]:
        """Next offset of every strand that has one."""
        ...

    def read_genres(self) -> list[str]:
        """Genres by number."""
        ...

    def read_user(self, user: str) -> tuple[int, list[tuple[int, dict[str, float]]]]:
        """Half-life, ms (0 before any write); per strand latest click, ms, and affinities."""
        ...

    def forget(self, user: str, until_ms: int) -> bool:
        """Erase a user; their clicks up to a moment never count again. False: none was known."""
        ...

    def begin(self, offsets: Mapping[str, int]) -> None:
        """Drop all tastes; clicks count from these offsets on. Who was forgotten stays so."""
        ...


def unpack_entries(packed: Any) -> Entries:  # noqa: ANN401 (any buffer)
    """Return records as stored."""
    return np.frombuffer(packed, ENTRY)
