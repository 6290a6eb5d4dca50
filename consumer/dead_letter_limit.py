"""A broken producer's whole output must not be swallowed as dead letters."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

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
        refused: The partition whose batch was refused, until one of its batches is applied.
    """

    max_ratio: float
    refused: int | None = None
    _applied: deque[tuple[int, int]] = field(default_factory=deque)
    _records: int = 0
    _dead_letters: int = 0

    def check(self, batch: Batch) -> None:
        """Refuse a batch that would take the share over the limit.

        Raises:
            DeadLetterRatioError: Nothing of it may be applied or sent aside.
        """
        records, dead = self._records + batch.records, self._dead_letters + batch.dead_letters
        is_over = batch.dead_letters and dead > self.max_ratio * records
        if is_over and records >= LEAST_RECORDS:
            self.refused = batch.partition
            raise DeadLetterRatioError(
                f"{dead:,} of the last {records:,} records are dead letters, more than "
                f"GENRECAST_DEAD_LETTER_MAX_RATIO={self.max_ratio:g} allows (partition "
                f"{batch.partition}, from offset {batch.expected_offset}): mend the producer, or "
                "raise the limit to send them to the dead-letter topic"
            )

    def allowed(self, batches: Sequence[Batch]) -> int:
        """Return how many of these, one after the other, are within the limit."""
        if not any(batch.dead_letters for batch in batches):
            return len(batches)
        trial = replace(self, _applied=self._applied.copy())
        for count, batch in enumerate(batches):
            try:
                trial.check(batch)
            except DeadLetterRatioError:
                return count
            trial.add(batch)
        return len(batches)

    def add(self, batch: Batch) -> None:
        """Take up an applied batch."""
        if not batch.records:
            return
        self.refused = None if batch.partition == self.refused else self.refused
        self._applied.append((batch.records, batch.dead_letters))
        self._records += batch.records
        self._dead_letters += batch.dead_letters
        while self._records - self._applied[0][0] >= RECORDS_JUDGED:
            records, dead = self._applied.popleft()
            self._records -= records
            self._dead_letters -= dead
