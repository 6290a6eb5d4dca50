"""Dead letters by reason: the tail of their topic, then what comes."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

from kafka import KafkaConsumer, TopicPartition

from contracts.kafka_client import client_options
from contracts.reasons import kind_of
from contracts.settings import Settings
from feed.errors import FeedRefusedError, FeedUnavailableError, translated
from feed.serve.answers import DeadLetterReason, DeadLetters

log = logging.getLogger(__name__)

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

REQUEST_TIMEOUT_MS: Final = 5_000
"""How long one request to Kafka may take, ms."""


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
    """Follows the topic of dead letters; a broker that is away is tried again at the next look."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reasons = Reasons()
        self._consumer: KafkaConsumer | None = None

    def look(self) -> DeadLetters:
        """Count what is new, and return all."""
        try:
            with translated("reading dead letters"):
                self._consumer = self._consumer or self._open()
                if self._consumer is not None:
                    self._count(self._consumer)
        except (FeedUnavailableError, FeedRefusedError) as error:
            log.debug("%s", error)  # the follower tells of Kafka
        return self._reasons.answer()

    def _count(self, consumer: KafkaConsumer) -> None:
        for _ in range(MOST_RECORDS_AT_ONCE // TAIL_RECORDS):
            polled = consumer.poll(timeout_ms=100, max_records=TAIL_RECORDS)
            if not polled:
                return
            for records in polled.values():
                for record in records:
                    self._reasons.add(reason_of(record.headers), record.timestamp)

    def _open(self) -> KafkaConsumer | None:
        """Return a consumer at the topic's tail; None while there is no such topic."""
        topic = self._settings.topic_dead_letter
        consumer = KafkaConsumer(
            **client_options(self._settings),
            client_id=f"genrecast-{self._settings.app}-dead-letters",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            reconnect_backoff_max_ms=1_000,
            allow_auto_create_topics=False,
        )
        try:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                consumer.close()
                return None
            partitions = [TopicPartition(topic, number) for number in numbers]
            consumer.assign(partitions)
            begins = consumer.beginning_offsets(partitions, timeout_ms=REQUEST_TIMEOUT_MS)
            ends = consumer.end_offsets(partitions, timeout_ms=REQUEST_TIMEOUT_MS)
            for tp in partitions:
                consumer.seek(tp, max(begins[tp], ends[tp] - TAIL_RECORDS))
        except BaseException:
            consumer.close()
            raise
        return consumer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()


def reason_of(headers: Iterable[tuple[str, Any]] | None) -> str:
    """Return the reason that a record's headers give."""
    for name, value in headers or ():
        if name == REASON_HEADER and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return ""
