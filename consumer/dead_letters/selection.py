"""Which dead letters a command is about, and reading them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from consumer.broker.topic_log import OnProgress, TopicLog
from consumer.dead_letters.letters import Letter, read_letter
from contracts.settings import Settings

LAST_OFFSET: Final = 2**63 - 1
"""The largest offset there can be."""

_RANGE: Final = re.compile(r"([0-9]{1,18})|([0-9]{1,18})?-([0-9]{1,18})?")


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets from the first to the last one, both among them."""

    first: int = 0
    last: int = LAST_OFFSET

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the range that a text means: `7`, `7-9`, `7-` or `-9`.

        Raises:
            ValueError: It means none.
        """
        found = _RANGE.fullmatch(text)
        if not found or text == "-":
            raise ValueError(f"{text!r} is no range of offsets such as 7, 7-9, 7- or -9")
        only, begin, end = found.groups()
        first = int(only or begin or 0)
        last = int(only or end or LAST_OFFSET)
        if last < first:
            raise ValueError(f"{text!r} ends before it begins")
        return cls(first, last)


@dataclass(frozen=True, slots=True)
class Selection:
    """What letters must be like; an empty part asks for nothing.

    Attributes:
        reason: Text in the reason, upper or lower case alike, numbers as they are or `N`.
        partitions: Partitions of the dead-letter topic.
        since_ms, until_ms: When they were put aside, epoch ms; until is exclusive.
        offsets: Offsets on the dead-letter topic.
    """

    reason: str = ""
    partitions: frozenset[int] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    offsets: tuple[OffsetRange, ...] = ()

    def takes(self, letter: Letter) -> bool:
        """Say whether a letter is meant."""
        at = letter.place
        return (
            (not self.reason or self._is_reason(letter))
            and (not self.partitions or at.partition in self.partitions)
            and (self.since_ms is None or letter.put_aside_ms >= self.since_ms)
            and (self.until_ms is None or letter.put_aside_ms < self.until_ms)
            and (not self.offsets or any(r.first <= at.offset <= r.last for r in self.offsets))
        )

    def _is_reason(self, letter: Letter) -> bool:
        return self.reason.casefold() in f"{letter.reason}\n{letter.kind}".casefold()

    def bounds(self, log: TopicLog) -> tuple[dict[int, int], dict[int, int]]:
        """Return per partition where reading may begin, and before which offset it may end."""
        begins = dict(log.begins if self.since_ms is None else log.offsets_at(self.since_ms))
        ends = dict(log.ends)
        for p in log.begins:
            if self.partitions and p not in self.partitions:
                ends[p] = begins[p]
            if self.offsets:
                begins[p] = max(begins[p], min(r.first for r in self.offsets))
                ends[p] = min(ends[p], max(r.last for r in self.offsets) + 1)
        return begins, ends


def select_letters(
    settings: Settings, selection: Selection, on_progress: OnProgress | None = None
) -> Iterator[Letter]:
    """Yield the letters that are meant, up to the topic's end as of now.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: The dead-letter topic can't be read.
    """
    with TopicLog(settings, settings.topic_dead_letter) as log:
        begins, ends = selection.bounds(log)
        for stretch in log.read(begins, on_progress, ends):
            yield from filter(selection.takes, map(read_letter, stretch.records))
