"""The store of tastes on a real Redis: the scripts `taste_*` and what they are given."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from state.scripted import Scripted, pairs
from state.taste_store import HeldTastes, TasteBatch, WriteOutcome, unpack_entries

_encode = msgspec.msgpack.encode


class RedisTastes(Scripted):
    """`state.taste_store.TasteStore` on Redis; safe to use from several threads."""

    SCRIPTS = ("taste_read", "taste_write", "taste_look", "taste_forget", "taste_begin")

    def read(self, strand: str, users: Sequence[str]) -> HeldTastes:
        """See `TasteStore.read`."""
        keys = ("tastes", "taste_offsets", f"tastes:{strand}", "forgotten")
        offset, forgets, packed, forgotten = self._call(
            "taste_read", keys, [strand, _encode(users)]
        )
        return HeldTastes(
            offset=int(offset) if offset else None,
            forgets=int(forgets),
            entries=unpack_entries(packed),
            forgotten={
                int(index) - 1: int(until_ms)
                for index, until_ms in zip(forgotten[::2], forgotten[1::2], strict=True)
            },
        )

    def write(self, batch: TasteBatch) -> WriteOutcome:
        """See `TasteStore.write`."""
        names = "\n".join(batch.genres).encode()
        arguments: list[Any] = [
            batch.strand,
            "" if batch.expected_offset is None else batch.expected_offset,
            batch.next_offset,
            batch.forgets,
            self._settings.taste_half_life_ms,
            len(batch.genres),
            hashlib.sha1(names, usedforsecurity=False).hexdigest(),
            _encode(batch.new_genres),
            _encode(batch.users),
            batch.entries.tobytes(),
            batch.sizes.astype(np.uint8).tobytes(),
            max(1, batch.look_over),
            batch.oldest_ms,
            "" if batch.lives_ms is None else batch.lives_ms,
        ]
        keys = ("tastes", "taste_offsets", f"tastes:{batch.strand}", "taste_genres")
        outcome: WriteOutcome = self._call("taste_write", keys, arguments)[0].decode()
        return outcome

    def read_offsets(self) -> dict[str, int]:
        """See `TasteStore.read_offsets`."""
        offsets = pairs(self._read({"taste_offsets": "HGETALL"})[0])
        return {strand.decode(): int(offset) for strand, offset in offsets.items()}

    def read_genres(self) -> list[str]:
        """See `TasteStore.read_genres`."""
        return [genre.decode() for genre in self._read({"taste_genres": "LRANGE 0 -1"})[0]]

    def read_user(self, user: str) -> tuple[int, list[tuple[int, dict[str, float]]]]:
        """See `TasteStore.read_user`."""
        reply = self._call("taste_look", ("tastes", "taste_offsets", "taste_genres"), [user])
        return unpack_user(reply)

    def forget(self, user: str, until_ms: int) -> bool:
        """See `TasteStore.forget`."""
        keys = ("tastes", "taste_offsets", "forgotten")
        return bool(self._call("taste_forget", keys, [user, until_ms])[1])

    def begin(self, offsets: Mapping[str, int]) -> None:
        """See `TasteStore.begin`."""
        arguments = [part for item in offsets.items() for part in item]
        self._call("taste_begin", ("tastes", "taste_offsets"), arguments)


def unpack_user(reply: list[Any]) -> tuple[int, list[tuple[int, dict[str, float]]]]:
    """Return what `taste_look` found: half-life, ms, and per strand latest click and affinities."""
    held = []
    for latest_ms, *found in reply[1:]:
        amounts = [struct.unpack("<d", packed)[0] for packed in found[1::2]]
        names = [genre.decode() for genre in found[::2]]
        held.append((int(latest_ms), dict(zip(names, amounts, strict=True))))
    return int(reply[0] or 0), held
