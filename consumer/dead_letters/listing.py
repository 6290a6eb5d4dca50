"""Dead letters by reason: how many, where, from when to when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from consumer.dead_letters.letters import Letter, Origins, Place

MAX_KINDS: Final = 1_000
"""Most kinds of reasons told apart: other writers may put anything into a header."""

OTHER_KINDS: Final = "(other reasons)"
"""Stands for kinds beyond `MAX_KINDS`."""


@dataclass(slots=True)
class Kind:
    """Letters of one kind of reason.

    Attributes:
        letters: How many, copies left out; `replayed` of them were sent again.
        partitions: Partitions of the dead-letter topic.
        first_ms, last_ms: When the first and the last one were put aside, epoch ms.
        example: One of them; `reason` is its reason as it stands there.
    """

    example: Place
    reason: str
    first_ms: int
    last_ms: int
    letters: int = 0
    replayed: int = 0
    partitions: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Listing:
    """What is on the dead-letter topic.

    Attributes:
        kinds: By kind of reason.
        copies: Letters that are there once more, as a crash may leave them.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    copies: int = 0

    @property
    def letters(self) -> int:
        """How many letters, copies left out."""
        return sum(kind.letters for kind in self.kinds.values())

    @property
    def replayed(self) -> int:
        """How many of them were sent again."""
        return sum(kind.replayed for kind in self.kinds.values())

    def ordered(self) -> list[tuple[str, Kind]]:
        """Return the kinds, the largest first."""
        return sorted(self.kinds.items(), key=lambda pair: (-pair[1].letters, pair[0]))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "letters": self.letters,
            "replayed": self.replayed,
            "copies": self.copies,
            "reasons": [
                {
                    "reason": name,
                    "letters": kind.letters,
                    "replayed": kind.replayed,
                    "partitions": sorted(kind.partitions),
                    "first_ms": kind.first_ms,
                    "last_ms": kind.last_ms,
                    "example": str(kind.example),
                    "example_reason": kind.reason,
                }
                for name, kind in self.ordered()
            ],
        }


def list_letters(letters: Iterable[Letter], replayed: Origins) -> Listing:
    """Sum letters up by kind of reason.

    Args:
        letters: In any order.
        replayed: Records that were sent again.
    """
    listing, seen = Listing(), Origins()
    for letter in letters:
        if letter.origin is not None and not seen.add(letter.origin):
            listing.copies += 1
            continue
        kind = _kind_of(listing, letter)
        kind.letters += 1
        kind.replayed += letter.origin is not None and letter.origin in replayed
        kind.partitions.add(letter.place.partition)
        kind.first_ms = min(kind.first_ms, letter.put_aside_ms)
        kind.last_ms = max(kind.last_ms, letter.put_aside_ms)
    return listing


def _kind_of(listing: Listing, letter: Letter) -> Kind:
    name, kinds = letter.kind, listing.kinds
    if name not in kinds and len(kinds) >= MAX_KINDS:
        name = OTHER_KINDS
    if name not in kinds:
        at_ms = letter.put_aside_ms
        kinds[name] = Kind(letter.place, letter.reason, first_ms=at_ms, last_ms=at_ms)
    return kinds[name]
