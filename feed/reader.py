"""The forecast topic and the bucket journal beside it, read together."""

import time
from collections.abc import Iterable
from typing import Any, Final

from kafka import TopicPartition

from contracts.settings import Settings
from feed.consumers import open_consumer, partitions_of
from feed.errors import FeedUnavailableError, translated
from feed.topics import absence

CHECK_SECONDS: Final = 10.0
"""How often new partitions, and whether Kafka still answers, are looked for, seconds."""

REQUEST_TIMEOUT_MS: Final = 10_000
"""How long one request to Kafka may take, ms."""

Record = Any
"""A record as the client returns it: topic, partition, offset, timestamp, value."""


class TopicReader:
    """Committed records of both topics, each partition in order; used from one thread.

    Attributes:
        journal: The journal's one partition.
        forecasts: The partitions of the forecast topic that are read.
    """

    def __init__(self, settings: Settings) -> None:
        """Connect and find the partitions; nothing is read before `seek`.

        Raises:
            FeedUnavailableError: Kafka does not answer, or a topic is not there yet.
            FeedRefusedError: Kafka refuses us.
        """
        self._settings = settings
        self._topic = settings.topic_forecasts
        self.journal = TopicPartition(settings.topic_buckets, 0)
        self._checked_at = time.monotonic()
        with translated("connecting to Kafka"):
            self._consumer = open_consumer(settings, "feed", request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            self.forecasts = self._find_partitions(self._topic)
            self._find_partitions(self.journal.topic)
            self._assign()
        except BaseException:
            self._consumer.close()
            raise

    def _find_partitions(self, topic: str) -> frozenset[TopicPartition]:
        with translated(f"asking for topic {topic}", "Read", topic):
            found = partitions_of(self._consumer, topic)
        if not found:
            told = absence(self._settings, topic)
            raise FeedUnavailableError(f"{told}: the first consumer makes it (genrecast consume)")
        return frozenset(found)

    def _assign(self) -> None:
        with translated(f"reading topic {self._topic}", "Read", self._topic):
            self._consumer.assign([self.journal, *self.forecasts])

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read a partition from this offset on."""
        self._consumer.seek(partition, offset)

    def begins(self) -> dict[TopicPartition, int]:
        """Return the first offset that each partition keeps."""
        return self._ask(self._consumer.beginning_offsets, [self.journal, *self.forecasts])

    def ends(self) -> dict[TopicPartition, int]:
        """Return the offset after the last committed record of each partition."""
        return self._ask(self._consumer.end_offsets, [self.journal, *self.forecasts])

    def offsets_at(self, moment_ms: int) -> dict[TopicPartition, int | None]:
        """Return the first offset per partition of forecasts that was written then or later."""
        found = self._ask(
            self._consumer.offsets_for_times, dict.fromkeys(self.forecasts, moment_ms)
        )
        return {tp: entry and entry.offset for tp, entry in found.items()}

    def _ask(self, question: Any, of: object) -> dict[Any, Any]:  # noqa: ANN401 (the client's)
        with translated(f"reading topic {self._topic}", "Read", self._topic):
            answer: dict[Any, Any] = question(of, timeout_ms=REQUEST_TIMEOUT_MS)
        return answer

    def is_at(self, ends: dict[TopicPartition, int]) -> bool:
        """Say whether every partition has been read up to these offsets."""
        return all((self._position(tp) or 0) >= end for tp, end in ends.items())

    def _position(self, partition: TopicPartition) -> int | None:
        position: int | None = self._consumer.position(partition, timeout_ms=0)
        return position

    def poll(self, timeout_ms: int) -> list[Record]:
        """Return records of both topics, each partition's in order.

        Raises:
            FeedUnavailableError: Kafka does not answer; call again later, nothing is skipped.
            FeedRefusedError: Kafka refuses us.
        """
        self._check()
        with translated(f"reading topic {self._topic}", "Read", self._topic):
            polled = self._consumer.poll(timeout_ms=timeout_ms)
        return [record for records in polled.values() for record in records]

    def _check(self) -> None:
        """Take up new partitions, from their beginning; notice a broker that is away."""
        now = time.monotonic()
        if now - self._checked_at < CHECK_SECONDS:
            return
        self.ends()
        self._checked_at = now
        added = self._find_partitions(self._topic) - self.forecasts
        if added:
            self.forecasts |= added
            self._assign()
            self._consumer.seek_to_beginning(*added)

    def hold_back(self, partitions: Iterable[TopicPartition]) -> None:
        """Fetch from all partitions but these."""
        held = set(partitions)
        self._consumer.pause(*held)
        self._consumer.resume(*(self._consumer.paused() - held))

    def is_drained(self, partition: TopicPartition) -> bool:
        """Say whether a partition had been read to its end when it was last fetched from."""
        end = self._consumer.highwater(partition)
        return end is None or (self._position(partition) or 0) >= end

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
