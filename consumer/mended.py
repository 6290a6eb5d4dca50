"""Whether a producer of too many dead letters is mended: a look at the end of its partition's log.

What is broken lies between the offset where reading stands and the producer's mending; as long as
it goes on, the log's end is broken too.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from consumer.aggregate import aggregate_records
from consumer.broker.topic_log import TopicLog
from consumer.dead_letter_limit import LEAST_RECORDS
from consumer.errors import DeadLetterRatioError
from contracts.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""How often it looks, seconds: each look opens a connection and reads some records."""


@dataclass(slots=True)
class Mended:
    """Looks at the last records of a partition that reading stands still at."""

    settings: Settings
    monotonic: Callable[[], float] = time.monotonic
    _looked_at: dict[int, float] = field(default_factory=dict)

    def end_of_broken(self, error: DeadLetterRatioError) -> int | None:
        """Return the offset up to which records may go aside; None while the producer is broken.

        Raises:
            BrokerUnavailableError, BrokerRefusedError: The log can't be read.
        """
        partition, now = error.partition, self.monotonic()
        looked_at = self._looked_at.get(partition)
        if looked_at is not None and now - looked_at < LOOK_SECONDS:
            return None
        self._looked_at[partition] = now
        with TopicLog(self.settings, self.settings.topic_clicks, by_batch=True) as clicks:
            end = clicks.ends[partition]
            begin = max(error.offset, clicks.begins[partition], end - LEAST_RECORDS)
            records, dead = self._judge(clicks, partition, begin)
        if not records or dead > self.settings.dead_letter_max_ratio * records:
            return None
        log.warning(
            "partition %d: only %d of its last %d records are dead letters, the producer is "
            "mended: reading goes on at offset %d, what is broken goes to %s",
            partition, dead, records, error.offset, self.settings.topic_dead_letter,
        )  # fmt: skip
        return end

    def _judge(self, clicks: TopicLog, partition: int, begin: int) -> tuple[int, int]:
        """Return how many records a partition has from an offset on, and how many are broken."""
        begins = {p: begin if p == partition else end for p, end in clicks.ends.items()}
        records = dead = 0
        for stretch in clicks.read(begins):
            batch = aggregate_records(
                stretch.records,
                partition=stretch.partition,
                span=(stretch.begin, stretch.end),
                watermark_ms=None,
                settings=self.settings,
            ).batch
            records += batch.records
            dead += batch.dead_letters
        return records, dead
