"""What becomes of dead letters that are sent again now, by the consumers' own rules."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from consumer.aggregate import Elsewhere, aggregate_records, move_refused
from consumer.broker.transactions import MAX_REQUEST_BYTES, Outgoing
from consumer.dead_letters.letters import Letter, Origin, Origins
from consumer.decode import decode_values
from consumer.dedup import Seen
from consumer.records import LogRecord
from contracts.settings import Settings
from state.store import Progress

REPLAY_OF: Final = "genrecast-replay-of"
"""Header of a record that was sent again: topic/partition/offset of the one that it was."""

Outcome = Literal[
    "counted", "late", "duplicate", "impression",
    "refused", "too_large", "unsettled", "cut", "elsewhere", "unknown", "replayed", "copy",
]  # fmt: skip
"""What a letter is, or would be once it is sent again.

counted: in a bucket; late: on the late topic, its bucket is closed; duplicate: its event id is
counted already (`dedup`); impression: it counts in no genre. These are sent. Not sent: refused: the
contract has something against it still; too_large: the contract takes it, the topic does not;
unsettled: the consumers are about to read the record anew; cut: only its beginning is there;
elsewhere: it came from another topic, or from a partition that is no more; unknown: it was not put
there by genrecast; replayed: sent before; copy: here once more.
"""


SENT: Final[tuple[Outcome, ...]] = ("counted", "late", "duplicate", "impression")
"""Outcomes of letters that a replay sends."""


class Verdict(NamedTuple):
    """A letter and what would become of it."""

    letter: Letter
    outcome: Outcome
    reason: str = ""

    @property
    def is_sent(self) -> bool:
        """Whether a replay sends it."""
        return self.outcome in SENT


def record_of(letter: Letter, origin: Origin) -> Outgoing:
    """Return the record that a letter is sent again as: as it was, on its old partition."""
    headers = ((REPLAY_OF, str(origin).encode()),)
    return Outgoing(origin.topic, letter.value, letter.key, origin.partition, headers)


@dataclass(slots=True)
class Outlook:
    """Judges letters as the owner of their partition would, were they its next records.

    Attributes:
        settings: The deployment, with the settings that its consumers have.
        progress: Where it stands.
        replayed: Records that were sent again.
        partition_count: Partitions of `clicks`.
        seen: With `dedup`: event ids counted, by partition.
        max_record_bytes: Largest record that `clicks` takes.
    """

    settings: Settings
    progress: Progress
    replayed: Origins
    partition_count: int
    seen: dict[int, Seen] = field(default_factory=dict)
    max_record_bytes: int = MAX_REQUEST_BYTES
    _watermarks: dict[int, int] = field(init=False)
    _met: Origins = field(default_factory=Origins)

    def __post_init__(self) -> None:
        self._watermarks = dict(self.progress.watermarks)

    def screen(self, letter: Letter) -> Verdict | None:
        """Return the verdict on a letter that is not sent, whatever stands before it; else None."""
        if letter.origin is None:
            return Verdict(letter, "unknown")
        outcome = self._standing(letter, letter.origin)
        if outcome is not None:
            return Verdict(letter, outcome)
        if record_of(letter, letter.origin).size_bytes > self.max_record_bytes:
            return self._too_large(letter)
        return None

    def _too_large(self, letter: Letter) -> Verdict:
        refused = decode_values([letter.value], self.settings.max_event_bytes).refused
        if refused:
            return Verdict(letter, "refused", refused[0][1])
        return Verdict(letter, "too_large")

    def _standing(self, letter: Letter, origin: Origin) -> Outcome | None:
        outcome: Outcome | None = None
        if origin.topic != self.settings.topic_clicks or origin.partition >= self.partition_count:
            outcome = "elsewhere"
        elif not self._met.add(origin):
            outcome = "copy"
        elif origin in self.replayed:
            outcome = "replayed"
        elif letter.cut_from_bytes is not None:
            outcome = "cut"
        elif origin.offset >= self.progress.offsets.get(origin.partition, 0):
            outcome = "unsettled"
        return outcome

    def judge(self, letters: Sequence[Letter], now_ms: int) -> list[Verdict]:
        """Return the verdicts on letters that `screen` let pass, in the order they would be sent.

        That is the order of the records they were: a later event first could make others late.

        Args:
            letters: In any order.
            now_ms: When they would be written, epoch ms.
        """
        by_partition: dict[int, list[tuple[Origin, Letter]]] = defaultdict(list)
        for letter in letters:
            if letter.origin is not None:
                by_partition[letter.origin.partition].append((letter.origin, letter))
        found: list[Verdict] = []
        for partition, some in sorted(by_partition.items()):
            ordered = [letter for _, letter in sorted(some, key=lambda pair: pair[0])]
            found += self._judge_partition(partition, ordered, now_ms)
        return found

    def _judge_partition(
        self, partition: int, letters: Sequence[Letter], now_ms: int
    ) -> list[Verdict]:
        seen = self.seen.get(partition)
        aggregate = aggregate_records(
            [LogRecord(i, now_ms, each.key, each.value) for i, each in enumerate(letters)],
            partition=partition,
            span=(0, len(letters)),
            watermark_ms=self._watermarks.get(partition),
            settings=self.settings,
            seen=seen,
        )
        if seen is not None:
            seen.add(aggregate.batch.event_ids)
        if aggregate.batch.watermark_ms is not None:
            self._watermarks[partition] = aggregate.batch.watermark_ms
        if self.progress.closed_ms is not None:
            closed_ms = self.progress.closed_ms
            aggregate, _ = move_refused(aggregate, published_ms=closed_ms, restored_cut=0)
        verdicts = [Verdict(letter, "counted") for letter in letters]
        for place in aggregate.impressions.tolist():
            verdicts[place] = Verdict(letters[place], "impression")
        uncounted: tuple[tuple[Outcome, tuple[Elsewhere, ...]], ...] = (
            ("late", aggregate.late),
            ("duplicate", aggregate.repeated),
            ("refused", aggregate.dead_letters),
        )
        for outcome, some in uncounted:
            for each in some:
                place = each.record.offset
                verdicts[place] = Verdict(letters[place], outcome, each.reason)
        return verdicts
