"""Records of the dead-letter topic as what they are: a record of clicks, and why it is there."""

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from contracts.reasons import kind_of

NO_REASON: Final = "(no reason given: not put there by genrecast)"
"""Stands for the reason of a record that somebody else has written."""

MAX_DIGITS: Final = 19
"""Longest number read from a header, digits: an int64."""

_PLACE: Final = re.compile(r"([0-9]{1,10}):([0-9]{1,18})")


class Place(NamedTuple):
    """Where a letter lies on the dead-letter topic; written PARTITION:OFFSET."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that a text means.

        Raises:
            ValueError: It means none.
        """
        found = _PLACE.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is no place of a letter such as 3:1042, see ls")
        return cls(int(found[1]), int(found[2]))


class Origin(NamedTuple):
    """The record of `clicks` that a letter is: copies of a letter have the same one."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of the dead-letter topic.

    Attributes:
        place: Where it lies.
        put_aside_ms: When it was put there, epoch ms.
        key, value: As they came; a value may be cut, see `cut_from_bytes`.
        reason: Why it is no click event, in the words of that time.
        origin: Which record it is; None where somebody else has written it.
        origin_ms: That record's timestamp, epoch ms; None on letters of older releases.
        cut_from_bytes: The value's length before it was cut; None when it is whole.
        headers: All headers of the letter.
    """

    place: Place
    put_aside_ms: int
    key: bytes | None
    value: bytes | None
    reason: str
    origin: Origin | None
    origin_ms: int | None
    cut_from_bytes: int | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def kind(self) -> str:
        """What letters are grouped by."""
        return kind_of(self.reason)


def read_letter(record: Any) -> Letter:  # noqa: ANN401 (the client's record)
    """Return a record of the dead-letter topic as a letter; takes any bytes."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    named = dict(headers)
    reason = named.get("genrecast-reason")
    return Letter(
        place=Place(record.partition, record.offset),
        put_aside_ms=record.timestamp,
        key=record.key,
        value=record.value,
        reason=reason.decode(errors="backslashreplace") if reason else NO_REASON,
        origin=origin_of(named),
        origin_ms=_number(named.get("genrecast-timestamp")),
        cut_from_bytes=_number(named.get("genrecast-cut-from-bytes")),
        headers=headers,
    )


def origin_of(headers: Mapping[str, bytes]) -> Origin | None:
    """Return the record that headers name; None when they name none."""
    topic = headers.get("genrecast-topic")
    partition = _number(headers.get("genrecast-partition"))
    offset = _number(headers.get("genrecast-offset"))
    if topic is None or partition is None or offset is None:
        return None
    return Origin(sys.intern(topic.decode(errors="backslashreplace")), partition, offset)


def _number(text: bytes | None) -> int | None:
    if text is None or not text.isdigit() or len(text) > MAX_DIGITS:
        return None
    return int(text)


@dataclass(slots=True)
class Origins:
    """A set of records of `clicks`, kept small: there may be millions."""

    _offsets: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, origin: Origin) -> bool:
        """Add one; False when it was there already."""
        offsets = self._offsets[origin.topic, origin.partition]
        if origin.offset in offsets:
            return False
        offsets.add(origin.offset)
        return True

    def __contains__(self, origin: Origin) -> bool:
        return origin.offset in self._offsets.get((origin.topic, origin.partition), ())

    def __len__(self) -> int:
        return sum(map(len, self._offsets.values()))

    def of(self, topic: str) -> dict[int, frozenset[int]]:
        """Return the offsets of a topic's records, by partition."""
        return {p: frozenset(some) for (name, p), some in self._offsets.items() if name == topic}
