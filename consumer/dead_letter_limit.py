"""A broken producer's whole output must not be swallowed as dead letters.

A batch that takes the share of dead letters over the limit is refused: it stays where it is, and
reading stands still, until the end of its partition's log is sound again (`consumer.mended`) or
somebody raises the limit.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from consumer import metrics
from consumer.errors import DeadLetterRatioError
from state.store import Batch

RECORDS_JUDGED: Final = 10_000
"""Records, the last ones applied, that the ratio is taken over."""

LEAST_RECORDS: Final = 1_000
"""Records before there is a ratio at all: a few broken ones at the start are no sign."""


@dataclass(slots=True)
class DeadLetterLimit:
    """Compares the share of dead letters among the last records with `dead_letter_max_ratio`.

    Attributes:
        max_ratio: The limit.
        is_warned: Whether it was over before, in this process or in one that ended: few records
            are a sign then, else a process that starts again and again would let them through.
        refused: The partition whose batch was refused, until one of its batches is applied.
    """

    max_ratio: float
    is_warned: bool = False
    refused: int | None = None
    _applied: deque[tuple[int, int]] = field(default_factory=deque)
    _records: int = 0
    _dead_letters: int = 0
    _waved_on: dict[int, int] = field(default_factory=dict)

    def check(self, batch: Batch) -> None:
        """Refuse a batch that would take the share over the limit.

        Raises:
            DeadLetterRatioError: Nothing of it may be applied or sent aside.
        """
        if self._is_within(batch):
            return
        self.refused, self.is_warned = batch.partition, True
        records, dead = self._records + batch.records, self._dead_letters + batch.dead_letters
        metrics.DEAD_LETTER_RATIO.set(dead / records)
        raise DeadLetterRatioError(
            f"standing still at partition {batch.partition}, from offset {batch.expected_offset}: "
            f"{dead:,} of the last {records:,} records are dead letters, more than "
            f"GENRECAST_DEAD_LETTER_MAX_RATIO={self.max_ratio:g} allows; mend the producer, or "
            "raise the limit to send them to the dead-letter topic",
            batch.partition,
            batch.expected_offset,
        )

    def _is_within(self, batch: Batch) -> bool:
        if not batch.dead_letters or self._is_waved_on(batch):
            return True
        records, dead = self._records + batch.records, self._dead_letters + batch.dead_letters
        is_sign = self.is_warned or records >= LEAST_RECORDS
        return not is_sign or dead <= self.max_ratio * records

    def allowed(self, batches: Sequence[Batch]) -> int:
        """Return how many of these, one after the other, are within the limit."""
        if not any(batch.dead_letters for batch in batches):
            return len(batches)
        trial = replace(self, _applied=self._applied.copy())
        for count, batch in enumerate(batches):
            if not trial._is_within(batch):
                return count
            trial._add(batch)
        return len(batches)

    def add(self, batch: Batch) -> None:
        """Take up an applied batch."""
        self._add(batch)
        if batch.records:
            self.refused = None if batch.partition == self.refused else self.refused
            metrics.DEAD_LETTER_RATIO.set(self._dead_letters / max(1, self._records))

    def _add(self, batch: Batch) -> None:
        if not batch.records or self._is_waved_on(batch):
            return
        self._applied.append((batch.records, batch.dead_letters))
        self._records += batch.records
        self._dead_letters += batch.dead_letters
        while self._records - self._applied[0][0] >= RECORDS_JUDGED:
            records, dead = self._applied.popleft()
            self._records -= records
            self._dead_letters -= dead

    def wave_on(self, partition: int, end: int) -> None:
        """Let a partition's records below an offset go, whatever they are, and count none."""
        self._waved_on[partition] = end

    def _is_waved_on(self, batch: Batch) -> bool:
        return batch.expected_offset < self._waved_on.get(batch.partition, 0)
