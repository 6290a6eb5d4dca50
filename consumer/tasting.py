"""Tastes beside the counts: events are gathered over some polls and added in one go per partition.

Tastes have offsets of their own in Redis, moved by the script that writes the records. What is
gathered and not written yet is only in memory; whoever reads a partition next begins where its
tastes end and takes the events up to the counts' offset for tastes alone. So each event of the log
is in its user's taste once, whatever happens, and counting knows nothing of it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from consumer import metrics
from consumer.aggregate import Aggregate
from consumer.gains import Gathered, Weights, add_gains
from contracts.clock import wall_clock_ms
from contracts.measures import OTHER_GENRE
from contracts.settings import Settings
from state.taste_store import (
    MAX_NUMBERED_GENRES,
    TasteBatch,
    TasteStore,
    WriteOutcome,
)

log = logging.getLogger(__name__)

GATHERED_SECONDS: Final = 1.0
"""How long events wait to be added, seconds: a user's many clicks cost one record then. It is
also what a crash has read again."""

GATHERED_USERS: Final = 20_000
"""Users of a partition whose events wait: more would keep Redis busy for longer at a time."""

LOOKED_OVER: Final = 64
"""Users looked over for old ones at each write, besides one for every `USERS_PER_LOOK` written."""

USERS_PER_LOOK: Final = 8


@dataclass(slots=True)
class _Strand:
    """One partition's tastes.

    Attributes:
        written: Its offset in Redis.
        taken: Next offset to take events from: those below are written or gathered.
        since: When the first of what is gathered came, monotonic seconds.
        front_ms: How far its events have come, epoch ms.
    """

    written: int
    taken: int
    since: float = 0.0
    front_ms: int = 0
    gathered: Gathered = field(default_factory=Gathered)


@dataclass(slots=True)
class Tasting:
    """One member's tastes; used from one thread.

    Attributes:
        prefix: Before a partition in its strand's name.
        lives_ms: When strands go as a whole, ms after the last write; None: never.
    """

    settings: Settings
    store: TasteStore
    prefix: str = ""
    lives_ms: int | None = None
    monotonic: Callable[[], float] = time.monotonic
    wall_ms: Callable[[], int] = wall_clock_ms
    _strands: dict[int, _Strand] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)  # of genres, in their order
    _weights: Weights = field(init=False)

    def __post_init__(self) -> None:
        self._weights = Weights.of(self.settings)

    def begin(self, partition: int, stored: int) -> int:
        """Return where a partition is to be read from: where its counts or its tastes end.

        Args:
            partition: One of ours.
            stored: Where its counts end; its tastes begin there when they have no offset yet.
        """
        strand = self._strands.get(partition)
        if strand is None:
            strand = self._strands[partition] = self._place(partition, stored)
        return min(stored, strand.taken)

    def _place(self, partition: int, stored: int) -> _Strand:
        name = self._name(partition)
        at = self.store.read_offsets().get(name)
        while at is None:  # at once: what is read before the first write must not be lost
            held = self.store.read(name, [])
            self._read_genres()
            self.store.write(
                TasteBatch(name, None, stored, forgets=held.forgets, genres=[*self._numbers])
            )
            at = self.store.read_offsets().get(name)
        if at < stored:
            log.info("partition %d: offsets %d-%d again for tastes", partition, at, stored - 1)
        return _Strand(at, at)

    def take(self, aggregate: Aggregate) -> None:
        """Gather a partition's events, those that are not in already."""
        batch = aggregate.batch
        strand = self._strands.get(batch.partition)
        if strand is None or batch.next_offset <= strand.taken:
            return
        if batch.expected_offset > strand.taken:  # never a gap in what is gathered
            self.drop(batch.partition)
            return
        offsets = aggregate.records.offsets[aggregate.every_place]
        known = int(np.searchsorted(offsets, strand.taken))
        events = aggregate.every[known:] if known else aggregate.every
        if strand.gathered.genre_lists is not events.genre_lists:
            if len(strand.gathered):
                self._flush(batch.partition)
                if batch.partition not in self._strands:
                    return
            strand.gathered = Gathered(events.genre_lists)
        if strand.taken == strand.written:
            strand.since = self.monotonic()
        strand.taken = batch.next_offset
        if batch.front is not None:
            strand.front_ms = max(strand.front_ms, batch.front[0])
        if len(events):
            strand.gathered.add(events, self._weights)

    def skip(self, partition: int, begin: int) -> None:
        """Go on at an offset: retention has passed those before it."""
        strand = self._strands[partition]
        if begin > strand.taken:
            log.error("partition %d: offsets %d-%d are lost for tastes, retention passed them",
                      partition, strand.taken, begin - 1)  # fmt: skip
            strand.taken = begin

    def drop(self, partition: int) -> None:
        """Let go of a partition; what is gathered is read again by whoever owns it."""
        self._strands.pop(partition, None)

    def drop_all(self) -> None:
        """Let go of all: what became of the last write is not known."""
        self._strands.clear()

    def look(self) -> None:
        """Let go of partitions whose tastes stand elsewhere in Redis than we believe."""
        if not self._strands:
            return
        stored = self.store.read_offsets()
        for partition, strand in list(self._strands.items()):
            if stored.get(self._name(partition)) != strand.written:
                self.drop(partition)

    def flush_due(self) -> None:
        """Add what was gathered long enough ago, or is much."""
        now = self.monotonic()
        for partition, strand in list(self._strands.items()):
            is_old = now - strand.since >= GATHERED_SECONDS
            is_much = len(strand.gathered.user_numbers) >= GATHERED_USERS
            if strand.taken > strand.written and (is_old or is_much):
                self._flush(partition)

    def flush(self) -> None:
        """Add all that is gathered."""
        for partition, strand in list(self._strands.items()):
            if strand.taken > strand.written:
                self._flush(partition)

    def _flush(self, partition: int) -> None:
        strand = self._strands[partition]
        outcome = self._add(self._name(partition), strand)
        while outcome in ("forgot", "genres"):
            if outcome == "genres":
                self._read_genres()
            outcome = self._add(self._name(partition), strand)
        if outcome == "moved":
            log.warning("partition %d: its tastes stand elsewhere in Redis", partition)
            self.drop(partition)
            return
        metrics.TASTED.inc(len(strand.gathered))
        strand.gathered = Gathered(strand.gathered.genre_lists)
        strand.written = strand.taken

    def _add(self, name: str, strand: _Strand) -> WriteOutcome:
        """Read the records of everybody who clicked, add what was gathered, write them."""
        gathered = strand.gathered
        users = list(gathered.user_numbers)
        held = self.store.read(name, users)
        if held.offset != strand.written:
            return "moved"
        entries, numbers = held.entries, self._numbers
        if users:
            numbered, numbers = self._number(gathered.lists)
            known, entries = add_gains(
                entries,
                [part.without(held.forgotten) for part in gathered.parts],
                numbered,
                half_life_ms=self.settings.taste_half_life_ms,
                most=self.settings.taste_genres,
            )
            if len(known) < len(users):
                users = [users[at] for at in known.tolist()]
        genres = list(numbers)
        outcome = self.store.write(
            TasteBatch(
                strand=name,
                expected_offset=strand.written,
                next_offset=strand.taken,
                forgets=held.forgets,
                genres=genres[: len(self._numbers)],
                new_genres=genres[len(self._numbers) :],
                users=users,
                entries=entries,
                look_over=LOOKED_OVER + len(users) // USERS_PER_LOOK,
                oldest_ms=min(strand.front_ms, self.wall_ms()) - self.settings.taste_ttl_ms,
                lives_ms=self.lives_ms,
            )
        )
        if outcome == "written":
            self._numbers = numbers
        return outcome

    def _read_genres(self) -> None:
        self._numbers = {genre: number for number, genre in enumerate(self.store.read_genres())}

    def _number(
        self, lists: Mapping[int, Iterable[str]]
    ) -> tuple[dict[int, list[int]], dict[str, int]]:
        """Return the numbers of the genres of lists, and of all genres with the new ones.

        Past the most that there may be, a genre has the number of `(other)`.
        """
        most, numbers = min(self.settings.max_genres, MAX_NUMBERED_GENRES), self._numbers.copy()

        def number_of(name: str) -> int:
            genre = name if name in numbers or len(numbers) < most else OTHER_GENRE
            return numbers.setdefault(genre, len(numbers))

        return {at: [*map(number_of, genres)] for at, genres in lists.items()}, numbers

    def _name(self, partition: int) -> str:
        return f"{self.prefix}{partition}"
