"""The in-memory twin of the store of tastes: the same rules in plain Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.settings import Settings
from state.taste_store import ENTRY, HEAD, Entries, HeldTastes, TasteBatch, WriteOutcome


@dataclass(slots=True)
class MemoryTastes:
    """`state.taste_store.TasteStore` in memory; no strand expires by itself here."""

    settings: Settings
    offsets: dict[str, int] = field(default_factory=dict)
    records: dict[str, dict[str, Entries]] = field(default_factory=dict)  # by strand and user
    genres: list[str] = field(default_factory=list)
    forgotten: dict[str, int] = field(default_factory=dict)
    forgets: int = 0
    half_life_ms: int = 0

    def read(self, strand: str, users: Sequence[str]) -> HeldTastes:
        """See `TasteStore.read`."""
        empty = np.array([(HEAD, 0.0)], ENTRY)
        held = self.records.get(strand, {})
        return HeldTastes(
            offset=self.offsets.get(strand),
            forgets=self.forgets,
            entries=np.concatenate([empty[:0], *(held.get(user, empty) for user in users)]),
            forgotten={i: self.forgotten[u] for i, u in enumerate(users) if u in self.forgotten},
        )

    def write(self, batch: TasteBatch) -> WriteOutcome:
        """See `TasteStore.write`."""
        if self.offsets.get(batch.strand) != batch.expected_offset:
            return "moved"
        if self.forgets != batch.forgets:
            return "forgot"
        if self.genres != list(batch.genres):
            return "genres"
        self.genres += batch.new_genres
        held = self.records.setdefault(batch.strand, {})
        records = np.split(batch.entries, np.cumsum(batch.sizes)[:-1]) if batch.users else []
        held.update(zip(batch.users, records, strict=True))
        # Redis looks over some at each call; all of them at once comes to the same in the end.
        for user in [u for u, record in held.items() if record["amount"][0] < batch.oldest_ms]:
            del held[user]
        self.offsets[batch.strand] = batch.next_offset
        self.half_life_ms = self.settings.taste_half_life_ms
        return "written"

    def read_offsets(self) -> dict[str, int]:
        """See `TasteStore.read_offsets`."""
        return dict(self.offsets)

    def read_genres(self) -> list[str]:
        """See `TasteStore.read_genres`."""
        return list(self.genres)

    def read_user(self, user: str) -> tuple[int, list[tuple[int, dict[str, float]]]]:
        """See `TasteStore.read_user`."""
        found = []
        for strand in self.offsets:
            record = self.records.get(strand, {}).get(user)
            if record is not None:
                (_, latest_ms), *rest = record.tolist()
                found.append((int(latest_ms), {self.genres[n]: amount for n, amount in rest}))
        return self.half_life_ms, found

    def forget(self, user: str, until_ms: int) -> bool:
        """See `TasteStore.forget`."""
        self.forgotten[user] = max(until_ms, self.forgotten.get(user, until_ms))
        self.forgets += 1
        known = [self.records.get(strand, {}).pop(user, None) for strand in self.offsets]
        return any(record is not None for record in known)

    def begin(self, offsets: Mapping[str, int]) -> None:
        """See `TasteStore.begin`."""
        self.records.clear()
        self.forgets += 1
        self.offsets = dict(offsets)
