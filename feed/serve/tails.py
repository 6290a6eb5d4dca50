"""The end of a topic beside the forecasts, read a look at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from contracts.kafka_client import client_options
from contracts.settings import Settings
from feed.errors import FeedRefusedError, FeedUnavailableError, translated

log = logging.getLogger(__name__)

RECORDS_PER_POLL: Final = 500
"""Records taken at once."""

REQUEST_TIMEOUT_MS: Final = 5_000
"""How long one request to Kafka may take, ms."""

Record = Any
"""A record as the client returns it."""


@dataclass(slots=True)
class Tail:
    """Follows a topic; a broker that is away, or a topic that is not there, is for the next look.

    Attributes:
        settings: Where Kafka is.
        topic: What is read.
        name: What it is called in logs.
        last: How many of the newest records per partition are read at first; None for all.
        most_at_once: Records that one look takes: a flood costs no more than this.
    """

    settings: Settings
    topic: str
    name: str
    last: int | None
    most_at_once: int
    _consumer: KafkaConsumer | None = field(default=None, init=False)

    def look(self) -> Iterator[Record]:
        """Yield what is new."""
        try:
            with translated(f"reading {self.name}", "Read", self.topic):
                self._consumer = self._consumer or self._open()
                if self._consumer is not None:
                    yield from self._new(self._consumer)
        except (FeedUnavailableError, FeedRefusedError) as error:
            log.debug("%s", error)  # the follower tells of Kafka

    def _new(self, consumer: KafkaConsumer) -> Iterator[Record]:
        for _ in range(self.most_at_once // RECORDS_PER_POLL):
            polled = consumer.poll(timeout_ms=100, max_records=RECORDS_PER_POLL)
            if not polled:
                return
            for records in polled.values():
                yield from records

    def _open(self) -> KafkaConsumer | None:
        """Return a consumer at the topic's tail; None while there is no such topic."""
        consumer = KafkaConsumer(
            **client_options(self.settings),
            client_id=f"genrecast-{self.settings.app}-{self.name.replace(' ', '-')}",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            reconnect_backoff_max_ms=1_000,
            allow_auto_create_topics=False,
        )
        try:
            numbers = consumer.partitions_for_topic(self.topic)
            if not numbers:
                consumer.close()
                return None
            partitions = [TopicPartition(self.topic, number) for number in numbers]
            consumer.assign(partitions)
            begins = consumer.beginning_offsets(partitions, timeout_ms=REQUEST_TIMEOUT_MS)
            ends = consumer.end_offsets(partitions, timeout_ms=REQUEST_TIMEOUT_MS)
            for tp in partitions:
                last = ends[tp] if self.last is None else self.last
                consumer.seek(tp, max(begins[tp], ends[tp] - last))
        except BaseException:
            consumer.close()
            raise
        return consumer

    def close(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            self._consumer.close()
