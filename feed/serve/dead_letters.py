"""Dead letters by reason: the tail of their topic, then what comes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.reasons import kind_of
from contracts.settings import Settings
from feed.serve.answers import DeadLetterReason, DeadLetters
from feed.serve.tails import Tail

REASON_HEADER: Final = "genrecast-reason"
"""Names the field and what is wrong with it."""

TAIL_RECORDS: Final = 500
"""Records per partition that are counted at the start."""

MOST_REASONS: Final = 50
"""Kinds of reasons told apart; who may write to the topic can make many."""

MOST_CHARACTERS: Final = 200
"""Longest reason that is shown, characters."""

OTHER: Final = "(other)"
"""What is counted under it once there are too many reasons."""

MOST_RECORDS_AT_ONCE: Final = 2_000
"""Records read in one look: a flood of dead letters costs no more than this."""


@dataclass(slots=True)
class Reasons:
    """Counts per kind of reason, at most so many of them."""

    _counts: dict[str, list[int]] = field(default_factory=dict)
    _since: int | None = None

    def add(self, reason: str, at_ms: int) -> None:
        """Count a dead letter."""
        name = kind_of(reason)[:MOST_CHARACTERS] or OTHER
        if name not in self._counts and len(self._counts) >= MOST_REASONS:
            name = OTHER
        entry = self._counts.setdefault(name, [0, at_ms])
        entry[0] += 1
        entry[1] = max(entry[1], at_ms)
        self._since = at_ms if self._since is None else min(self._since, at_ms)

    def answer(self) -> DeadLetters:
        """Return them, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: -item[1][0])
        reasons = [DeadLetterReason(reason=r, count=c, latest_at=at) for r, (c, at) in ordered]
        return DeadLetters(reasons=reasons, since=self._since)


class DeadLetterTail:
    """Follows the topic of dead letters."""

    def __init__(self, settings: Settings) -> None:
        self._reasons = Reasons()
        self._tail = Tail(
            settings,
            settings.topic_dead_letter,
            "dead letters",
            last=TAIL_RECORDS,
            most_at_once=MOST_RECORDS_AT_ONCE,
        )

    def look(self) -> DeadLetters:
        """Count what is new, and return all."""
        for record in self._tail.look():
            self._reasons.add(reason_of(record.headers), record.timestamp)
        return self._reasons.answer()

    @property
    def problem(self) -> str | None:
        """The right that is missing, in words; None when none is."""
        return self._tail.problem

    def close(self) -> None:
        """Close the connection."""
        self._tail.close()


def reason_of(headers: Iterable[tuple[str, Any]] | None) -> str:
    """Return the reason that a record's headers give."""
    for name, value in headers or ():
        if name == REASON_HEADER and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return ""
