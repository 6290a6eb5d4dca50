"""The end of a topic beside the forecasts, read a look at a time."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaConsumer

from contracts.settings import Settings
from feed.consumers import open_consumer, partitions_of
from feed.errors import (
    FeedLinkRefusedError,
    FeedRefusedError,
    FeedUnavailableError,
    translated,
)
from feed.topics import is_there, open_admin

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
        problem: The right that the last look lacked, in words; None where it lacked none.
    """

    settings: Settings
    topic: str
    name: str
    last: int | None
    most_at_once: int
    problem: str | None = field(default=None, init=False)
    _consumer: KafkaConsumer | None = field(default=None, init=False)

    def look(self) -> Iterator[Record]:
        """Yield what is new."""
        try:
            with translated(f"reading {self.name}", "Read", self.topic):
                self._consumer = self._consumer or self._open()
                if self._consumer is not None:
                    yield from self._new(self._consumer)
        except (FeedUnavailableError, FeedLinkRefusedError) as error:
            log.debug("%s", error)  # the follower tells of Kafka
        except FeedRefusedError as error:
            self.problem = str(error)
        else:
            self.problem = None

    def _new(self, consumer: KafkaConsumer) -> Iterator[Record]:
        for _ in range(self.most_at_once // RECORDS_PER_POLL):
            polled = consumer.poll(timeout_ms=100, max_records=RECORDS_PER_POLL)
            if not polled:
                return
            for records in polled.values():
                yield from records

    def _open(self) -> KafkaConsumer | None:
        """Return a consumer at the topic's tail; None while there is no such topic."""
        part = self.name.replace(" ", "-")
        with open_admin(self.settings, part) as admin:
            if not is_there(admin, self.topic):
                return None
        consumer = open_consumer(self.settings, part, request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            partitions = partitions_of(consumer, self.topic)
            if not partitions:
                consumer.close()
                return None
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
