"""Letters to records of `clicks`: which are sent, in what order, in which transactions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from consumer.broker.transactions import Outgoing
from consumer.dead_letters.ledger import ledger_entry
from consumer.dead_letters.letters import Letter
from consumer.dead_letters.outlook import SENT, Outlook, Verdict, record_of
from contracts.reasons import kind_of
from contracts.settings import Settings

SHEAF_BYTES: Final = 64 * 1024 * 1024
"""Letters held at once to be sent in order, bytes of their values and a kilobyte each."""

TRANSACTION_LETTERS: Final = 500
"""Most letters of a transaction: consumers read none of it before its end."""

TRANSACTION_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of a transaction's values; a larger letter has one of its own."""


@dataclass(slots=True)
class Tally:
    """What became of letters, or would.

    Attributes:
        outcomes: Letters by outcome.
        refusals: Letters that are still refused, by kind of reason.
        is_complete: Whether all letters were looked at; a replay can be ended before.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    is_complete: bool = True

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Add verdicts."""
        for verdict in verdicts:
            self.outcomes[verdict.outcome] += 1
            if verdict.outcome == "refused":
                self.refusals[kind_of(verdict.reason)] += 1

    @property
    def sent(self) -> int:
        """Letters that were sent, or would be."""
        return sum(self.outcomes[name] for name in SENT)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "sent": self.sent,
            **self.outcomes,
            "refusals": dict(self.refusals.most_common()),
            "is_complete": self.is_complete,
        }


def send_again(
    letters: Iterable[Letter],
    outlook: Outlook,
    tally: Tally,
    *,
    write: Callable[[list[Outgoing]], None],
    now_ms: Callable[[], int],
    limit: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Send the letters that the contract takes now; with a `write` that does nothing, foretell it.

    Args:
        letters: What is chosen of the dead-letter topic.
        outlook: Judges them; made after the ledger was read.
        tally: Told of each letter, of those that are sent once they are.
        write: Writes records in one transaction.
        now_ms: The wall clock.
        limit: Most letters to send; None for all.
        should_stop: Asked before each letter and each transaction.

    Raises:
        FencedError: By `write`; what is in the tally is sent.
    """
    left = limit
    for verdicts in _judged(letters, outlook, now_ms, should_stop):
        tally.add(verdict for verdict in verdicts if not verdict.is_sent)
        sound = [verdict for verdict in verdicts if verdict.is_sent][:left]
        for some in _in_transactions(sound):
            if should_stop():
                break
            write(_records(outlook.settings, some))
            tally.add(some)
        left = None if limit is None else limit - tally.sent
        if left == 0 or should_stop():
            tally.is_complete = False
            return


def _judged(
    letters: Iterable[Letter],
    outlook: Outlook,
    now_ms: Callable[[], int],
    should_stop: Callable[[], bool],
) -> Iterator[list[Verdict]]:
    """Yield verdicts, those on letters that are sent in the order of sending."""
    sheaf: list[Letter] = []
    size = 0
    for letter in letters:
        if should_stop():
            break
        verdict = outlook.screen(letter)
        if verdict is not None:
            yield [verdict]
            continue
        sheaf.append(letter)
        size += 1024 + len(letter.value or b"")
        if size >= SHEAF_BYTES:
            yield outlook.judge(sheaf, now_ms())
            sheaf, size = [], 0
    yield outlook.judge(sheaf, now_ms())


def _in_transactions(verdicts: Iterable[Verdict]) -> Iterator[list[Verdict]]:
    some: list[Verdict] = []
    size = 0
    for verdict in verdicts:
        length = len(verdict.letter.value or b"")
        if some and (len(some) >= TRANSACTION_LETTERS or size + length > TRANSACTION_BYTES):
            yield some
            some, size = [], 0
        some.append(verdict)
        size += length
    if some:
        yield some


def _records(settings: Settings, verdicts: Iterable[Verdict]) -> list[Outgoing]:
    """Return the records of letters and the ledger's."""
    records = []
    for letter in (verdict.letter for verdict in verdicts):
        if (origin := letter.origin) is not None:
            records += [record_of(letter, origin), ledger_entry(settings, origin, letter)]
    return records
