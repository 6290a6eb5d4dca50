"""Late events and dead letters: acknowledged by the broker before the offset moves past them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from consumer.aggregate import Elsewhere
from consumer.broker.errors import translated
from consumer.broker.producers import abandon
from consumer.records import CutValue, size_of
from contracts.kafka_client import client_options
from contracts.settings import Settings

SEND_TIMEOUT_SECONDS: Final = 30.0
"""How long an acknowledgement may take, seconds."""

MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Largest request: dead letters may be as large as the broker lets any record be."""

MOST_CUT_BYTES: Final = 512 * 1024
"""Most that is kept of a record that is cut: fits into any topic."""

MAX_IN_FLIGHT: Final = 2_000
"""Records sent before their acknowledgements are awaited: bounds the client's memory."""

Header = tuple[str, bytes]

Pending = tuple[Any, str, int, Elsewhere, Header]
"""What an acknowledgement is awaited for: its future, topic, source partition, record, header."""


class SideTopics:
    """Writes records, as they came, to `clicks-late` and `clicks-dead-letter`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None
        self._pending: list[Pending] = []

    def send(
        self, partition: int, late: Sequence[Elsewhere], dead_letters: Sequence[Elsewhere]
    ) -> None:
        """Begin to write records; `flush` waits until they are acknowledged."""
        settings = self._settings
        some = [
            (settings.topic_late, e, ("genrecast-bucket-start", str(e.bucket_ms).encode()))
            for e in late
        ]
        some += [
            (settings.topic_dead_letter, e, ("genrecast-reason", e.reason.encode()))
            for e in dead_letters
        ]
        with self._writing():
            for topic, elsewhere, header in some:
                headers = [*self._origin(partition, elsewhere), header]
                key, value = elsewhere.record.key, elsewhere.record.value
                if isinstance(value, CutValue):
                    self._send_cut(topic, partition, elsewhere, header)
                    continue
                if key is None and value is None:
                    value = b""  # the client writes no record of nothing
                try:
                    future = self._open().send(topic, value, key=key, headers=headers)
                except MessageSizeTooLargeError:  # it came in a batch that unpacks to much more
                    self._send_cut(topic, partition, elsewhere, header)
                    continue
                self._pending.append((future, topic, partition, elsewhere, header))
                if len(self._pending) >= MAX_IN_FLIGHT:
                    self._await_pending()

    def flush(self) -> None:
        """Return when all that was sent is acknowledged."""
        if self._pending:
            with self._writing():
                self._await_pending()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with translated("writing late events and dead letters", "Write"):
            try:
                yield
            except BaseException:
                # A producer that has lost a batch may refuse or forget all that comes after it.
                self._abandon()
                raise

    def _await_pending(self) -> None:
        pending, self._pending = self._pending, []
        self._open().flush(timeout=SEND_TIMEOUT_SECONDS)
        for future, topic, partition, elsewhere, header in pending:
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
            ("genrecast-cut-from-bytes", str(size_of(value)).encode()),
        ]
        kept = value[: min(self._settings.max_event_bytes, MOST_CUT_BYTES)]
        self._open().send(topic, kept, headers=headers).get(timeout=SEND_TIMEOUT_SECONDS)

    def _origin(self, partition: int, elsewhere: Elsewhere) -> list[Header]:
        return [
            ("genrecast-topic", self._settings.topic_clicks.encode()),
            ("genrecast-partition", str(partition).encode()),
            ("genrecast-offset", str(elsewhere.record.offset).encode()),
            ("genrecast-timestamp", str(elsewhere.record.timestamp).encode()),
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
        self._pending.clear()
        if self._producer is not None:
            producer, self._producer = self._producer, None
            abandon(producer)

    def close(self) -> None:
        """Close the client; nothing is in hand after `flush`."""
        self._abandon()
