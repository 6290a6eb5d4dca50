"""Late events and dead letters: acknowledged by the broker before the offset moves past them."""

from collections.abc import Sequence
from typing import Final

from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from consumer.aggregate import Elsewhere
from consumer.broker.errors import translated
from consumer.broker.producers import abandon
from contracts.kafka_client import client_options
from contracts.settings import Settings

SEND_TIMEOUT_SECONDS: Final = 30.0
"""How long an acknowledgement may take, seconds."""

MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Largest request: dead letters may be as large as the broker lets any record be."""

MAX_IN_FLIGHT: Final = 2_000
"""Records sent before their acknowledgements are awaited: bounds the client's memory."""

Header = tuple[str, bytes]


class SideTopics:
    """Writes records, as they came, to `clicks-late` and `clicks-dead-letter`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None

    def send(
        self, partition: int, late: Sequence[Elsewhere], dead_letters: Sequence[Elsewhere]
    ) -> None:
        """Write records and return when all are acknowledged."""
        if not late and not dead_letters:
            return
        settings = self._settings
        with translated("writing late events and dead letters"):
            pending = [
                (settings.topic_late, e, ("genrecast-bucket-start", str(e.bucket_ms).encode()))
                for e in late
            ]
            pending += [
                (settings.topic_dead_letter, e, ("genrecast-reason", e.reason.encode()))
                for e in dead_letters
            ]
            try:
                for start in range(0, len(pending), MAX_IN_FLIGHT):
                    self._send_some(partition, pending[start : start + MAX_IN_FLIGHT])
            except BaseException:
                # A producer that has lost a batch may refuse or forget all that comes after it.
                self._abandon()
                raise

    def _send_some(self, partition: int, some: list[tuple[str, Elsewhere, Header]]) -> None:
        producer = self._open()
        futures = []
        for topic, elsewhere, header in some:
            headers = [*self._origin(partition, elsewhere), header]
            record = elsewhere.record
            futures.append(producer.send(topic, record.value, key=record.key, headers=headers))
        producer.flush(timeout=SEND_TIMEOUT_SECONDS)
        for future, (topic, elsewhere, header) in zip(futures, some, strict=True):
            try:
                future.get(timeout=SEND_TIMEOUT_SECONDS)
            except MessageSizeTooLargeError:
                self._send_cut(topic, partition, elsewhere, header)

    def _send_cut(self, topic: str, partition: int, elsewhere: Elsewhere, header: Header) -> None:
        """Write the beginning of a record that the topic is too small for, and say so."""
        value = elsewhere.record.value or b""
        headers = [
            *self._origin(partition, elsewhere),
            header,
            ("genrecast-cut-from-bytes", str(len(value)).encode()),
        ]
        kept = value[: self._settings.max_event_bytes]
        self._open().send(topic, kept, headers=headers).get(timeout=SEND_TIMEOUT_SECONDS)

    def _origin(self, partition: int, elsewhere: Elsewhere) -> list[Header]:
        return [
            ("genrecast-topic", self._settings.topic_clicks.encode()),
            ("genrecast-partition", str(partition).encode()),
            ("genrecast-offset", str(elsewhere.record.offset).encode()),
        ]

    def _open(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(
                **client_options(self._settings),
                client_id=f"genrecast-{self._settings.app}-side",
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                compression_type="lz4",
                max_request_size=MAX_REQUEST_BYTES,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=15_000,
                delivery_timeout_ms=25_000,
                request_timeout_ms=10_000,
            )
        return self._producer

    def _abandon(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            abandon(producer)

    def close(self) -> None:
        """Close the client; nothing is in hand between two calls of `send`."""
        self._abandon()
