"""Records to Kafka, in order, each acknowledged; the one module here that knows the client."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import numpy as np
from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors
from kafka.partitioner.default import murmur2

from contracts.kafka_client import client_options
from contracts.kafka_log import explain
from contracts.settings import Settings
from producer_sim.outgoing import Outgoing
from producer_sim.truth import Acknowledged, Truth

logger = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED: Final = 60_000
"""Most records in flight: the client itself bounds nothing."""

MAX_UNACKNOWLEDGED_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of values in flight."""

ANNOUNCE_SECONDS: Final = 60.0
"""How often a trouble that lasts is mentioned."""

PATIENCE_SECONDS: Final = 5.0
"""How long acknowledgements may take before it is mentioned."""

SEND_CHUNK: Final = 2_000
"""Records handed over between two looks at acknowledgements."""

FOREVER_MS: Final = 2**31 - 1
"""Delivery timeout, ms: a batch that expired might have been written, the truth would not know."""

T = TypeVar("T")
_Pending = tuple[Any, int, int, int]
"""Future, event time in ms, genre list, size in bytes."""


class SendError(Exception):
    """Kafka refuses for good: rights, passwords, a topic that takes no such records."""


class StoppedError(Exception):
    """Asked to stop while waiting for Kafka."""


class ClickSender:
    """Sends records and folds their acknowledgements into the truth.

    Everything happens on the caller's thread: the client's futures are looked at, not called
    back from, and per partition they complete in order (an idempotent producer).

    Args:
        settings: Where Kafka is, and the topic.
        truth: Takes the acknowledgements.
        stop: Ends any waiting.
    """

    def __init__(self, settings: Settings, truth: Truth, stop: threading.Event) -> None:
        self._settings = settings
        self._truth = truth
        self._stop = stop
        self._pending: dict[int, deque[_Pending]] = {}
        self._unacknowledged = 0
        self._unacknowledged_bytes = 0
        self._announced_at: float | None = None
        self._partition_of: dict[bytes, int] = {}
        self.partition_count = 0
        self.failed = 0
        self._producer: Any = None

    def connect(self, *, create_partitions: int | None) -> None:
        """Wait for Kafka and the topic; make the topic when asked to.

        Args:
            create_partitions: Make a missing topic with so many partitions; None waits for it.

        Raises:
            SendError: Kafka refuses.
            StoppedError: Asked to stop.
        """
        while not self.partition_count:
            self.partition_count = self._retrying(lambda: self._find_topic(create_partitions))
            if not self.partition_count:
                self._announce(
                    f"topic {self._settings.topic_clicks} does not exist: make it, or start with "
                    "--create-topics; waiting"
                )
                self._pause(1.0)
        self._producer = self._retrying(self._make_producer)
        self._announced_at = None

    def partition_for(self, key: bytes) -> int:
        """Return a key's partition, the same that every Kafka client would choose."""
        known = self._partition_of.get(key)
        if known is None:
            if len(self._partition_of) >= 1_000_000:
                self._partition_of.clear()
            known = self._partition_of[key] = (murmur2(key) & 0x7FFFFFFF) % self.partition_count
        return known

    def send(self, outgoing: Outgoing) -> None:
        """Hand over records; waits while too many are unacknowledged.

        Raises:
            SendError: Kafka refuses.
            StoppedError: Asked to stop while waiting; what is handed over stays so.
        """
        for begin in range(0, len(outgoing), SEND_CHUNK):
            self._make_room()
            self._hand_over(outgoing, range(begin, min(begin + SEND_CHUNK, len(outgoing))))
            self.drain()

    def drain(self) -> None:
        """Fold what has been acknowledged, without waiting."""
        for partition, pending in self._pending.items():
            done: list[tuple[int, int, int, int]] = []
            while pending and pending[0][0].is_done:
                future, event_ms, genre_list, size = pending.popleft()
                self._unacknowledged -= 1
                self._unacknowledged_bytes -= size
                if future.exception is not None:
                    self._count_failure(future.exception)
                    continue
                written = future.value
                done.append((written.offset, written.timestamp, event_ms, genre_list))
            if done:
                columns = np.array(done, np.int64).T
                self._truth.fold(partition, Acknowledged(*columns))

    def flush(self, timeout_seconds: float) -> None:
        """Wait until everything is acknowledged, or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        self.drain()
        while self._unacknowledged and time.monotonic() < deadline:
            self._flush_client(min(1.0, timeout_seconds))
            self.drain()
        if self._unacknowledged:
            self._truth.doubt(
                f"{self._unacknowledged} records were not acknowledged within "
                f"{timeout_seconds:g} s: Kafka may hold them or not"
            )

    def close(self) -> None:
        """Let go of the client; what Kafka has not acknowledged by now is in doubt already."""
        if self._producer is not None:
            with suppress(kafka_errors.KafkaTimeoutError):
                self._producer.close(timeout=1)

    def _hand_over(self, outgoing: Outgoing, rows: range) -> None:
        send, topic = self._producer.send, self._settings.topic_clicks
        for row in rows:
            value, partition = outgoing.values[row], outgoing.partitions[row]
            size = len(value) if value is not None else 0
            try:
                future = send(topic, value, outgoing.keys[row], None, partition)
            except kafka_errors.MessageSizeTooLargeError as error:
                self._count_failure(error)
                continue
            except kafka_errors.KafkaError as error:
                raise SendError(_describe(error)) from error
            pending = self._pending.get(partition)
            if pending is None:
                pending = self._pending[partition] = deque()
            pending.append((future, outgoing.event_ms[row], outgoing.genre_list[row], size))
            self._unacknowledged += 1
            self._unacknowledged_bytes += size

    def _make_room(self) -> None:
        since = time.monotonic()
        while (
            self._unacknowledged > MAX_UNACKNOWLEDGED - SEND_CHUNK
            or self._unacknowledged_bytes > MAX_UNACKNOWLEDGED_BYTES
        ):
            before = self._unacknowledged
            self.drain()
            if self._unacknowledged < before:
                since, self._announced_at = time.monotonic(), None
                continue
            if time.monotonic() - since > PATIENCE_SECONDS:
                self._announce(
                    f"Kafka at {self._settings.kafka_bootstrap} acknowledges nothing; "
                    f"{self._unacknowledged} records wait"
                )
            self._pause(0.002)

    def _count_failure(self, error: Exception) -> None:
        if isinstance(error, kafka_errors.MessageSizeTooLargeError):
            # The broker takes no such record, so nothing of it is on the topic.
            self.failed += 1
            return
        raise SendError(_describe(error)) from error

    def _flush_client(self, timeout_seconds: float) -> None:
        try:
            self._producer.flush(timeout=timeout_seconds)
        except kafka_errors.KafkaTimeoutError:
            self._announce(f"{self._unacknowledged} records are still to be acknowledged")

    def _retrying(self, attempt: Callable[[], T]) -> T:
        pause_seconds = 0.2
        while True:
            try:
                return attempt()
            except REFUSALS as error:
                raise SendError(_describe(error)) from error
            except (kafka_errors.KafkaError, OSError) as error:
                self._announce(
                    f"Kafka at {self._settings.kafka_bootstrap} does not answer "
                    f"({explain(error)}); trying on"
                )
            self._pause(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 5.0)

    def _announce(self, message: str) -> None:
        now = time.monotonic()
        if self._announced_at is None or now - self._announced_at >= ANNOUNCE_SECONDS:
            self._announced_at = now
            logger.warning("%s", message)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError

    def _find_topic(self, create_partitions: int | None) -> int:
        """Return the topic's number of partitions; 0 when it is missing and stays so."""
        topic = self._settings.topic_clicks
        admin = KafkaAdminClient(**client_options(self._settings), request_timeout_ms=10_000)
        try:
            count = _partition_count(admin, topic)
            if count or create_partitions is None:
                return count
            # The broker's clock decides what is "in the future", not the producer's.
            configs = {"message.timestamp.type": "LogAppendTime"}
            options: dict[str, Any] = {"num_partitions": create_partitions, "configs": configs}
            try:
                admin.create_topics({topic: options}, wait_for_metadata=True)
            except kafka_errors.TopicAlreadyExistsError:
                logger.debug("topic %s was made by somebody else meanwhile", topic)
            return _partition_count(admin, topic)
        finally:
            admin.close()

    def _make_producer(self) -> Any:  # noqa: ANN401 (the client ships no types)
        return KafkaProducer(
            **client_options(self._settings),
            enable_idempotence=True,
            acks="all",
            delivery_timeout_ms=FOREVER_MS,
            request_timeout_ms=15_000,
            reconnect_backoff_max_ms=1_000,
            linger_ms=20,
            batch_size=256 * 1024,
            compression_type="lz4",
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )


REFUSALS: Final = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
)
"""Errors that no retry mends."""


def _partition_count(admin: Any, topic: str) -> int:  # noqa: ANN401 (the client ships no types)
    for entry in admin.describe_topics([topic]):
        if entry["name"] == topic and not entry["error_code"]:
            return len(entry["partitions"])
    return 0


def _describe(error: Exception) -> str:
    return f"Kafka refuses: {type(error).__name__}: {error}"
