"""How the simulator comes by a topic and a producer: waited for, and refusals told in words."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors

from contracts.kafka_client import client_options
from contracts.kafka_log import explain, explain_link_refusal
from contracts.options import EXIT_CONFIGURATION
from contracts.refusals import denied_right
from contracts.settings import Settings
from contracts.topic_layouts import topic_layouts

logger = logging.getLogger(__name__)

ANNOUNCE_SECONDS: Final = 60.0
"""How often a trouble that lasts is mentioned."""

FOREVER_MS: Final = 2**31 - 1
"""Delivery timeout, ms: a batch that expired might have been written, the truth would not know."""

BATCH_BYTES: Final = 256 * 1024
"""Size of a full batch before it is compressed."""

MAX_REQUEST_BYTES: Final = 1_048_576
"""Largest record that the client sends, its own default."""

T = TypeVar("T")


class SendError(Exception):
    """Kafka refuses for good: rights, a topic that takes no such records."""

    exit_code = 1


class LinkRefusedError(SendError):
    """Kafka refuses login or certificate: other settings are needed."""

    exit_code = EXIT_CONFIGURATION


class StoppedError(Exception):
    """Asked to stop while waiting for Kafka."""


class Patience:
    """Waits, tells a trouble that lasts now and then, and ends when asked to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._announced_at: float | None = None

    def announce(self, message: str) -> None:
        """Warn, unless it was done a short while ago."""
        now = time.monotonic()
        if self._announced_at is None or now - self._announced_at >= ANNOUNCE_SECONDS:
            self._announced_at = now
            logger.warning("%s", message)

    def relax(self) -> None:
        """The trouble is over: the next one is told at once."""
        self._announced_at = None

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: Asked to stop.
        """
        if self._stop.wait(seconds):
            raise StoppedError

    def retrying(self, where: str, attempt: Callable[[], T]) -> T:
        """Return what the attempt returns, tried until Kafka answers.

        Raises:
            SendError: Kafka refuses.
            StoppedError: Asked to stop.
        """
        pause_seconds = 0.2
        while True:
            try:
                return attempt()
            except (kafka_errors.KafkaError, OSError) as error:
                _raise_refusal(error)
                self.announce(f"Kafka at {where} does not answer ({explain(error)}); trying on")
            self.pause(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 5.0)


def find_topic(settings: Settings, create_partitions: int | None) -> int:
    """Return the topic's number of partitions; 0 when it is missing and stays so."""
    topic = settings.topic_clicks
    admin = KafkaAdminClient(**client_options(settings), request_timeout_ms=10_000)
    try:
        count = _partition_count(admin, topic)
        if count or create_partitions is None:
            return count
        layout = topic_layouts(settings, clicks_partitions=create_partitions)[topic]
        try:
            admin.create_topics({topic: layout.options}, wait_for_metadata=True)
        except kafka_errors.TopicAlreadyExistsError:
            logger.debug("topic %s was made by somebody else meanwhile", topic)
        except kafka_errors.AuthorizationError as error:
            raise SendError(denied_right(error, "Create", topic)) from error
        return _partition_count(admin, topic)
    finally:
        admin.close()


def make_producer(settings: Settings) -> Any:  # noqa: ANN401 (the client ships no types)
    """Return a producer that writes each record once, in order, acknowledged by all replicas."""
    return KafkaProducer(
        **client_options(settings),
        enable_idempotence=True,
        acks="all",
        delivery_timeout_ms=FOREVER_MS,
        request_timeout_ms=15_000,
        reconnect_backoff_max_ms=1_000,
        linger_ms=20,
        batch_size=BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        compression_type="lz4",
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def _partition_count(admin: Any, topic: str) -> int:  # noqa: ANN401 (the client ships no types)
    for entry in admin.describe_topics([topic]):
        if entry["name"] == topic:
            # Else a topic that we may not see would be taken for one that is missing.
            if entry["error_code"] == kafka_errors.TopicAuthorizationFailedError.errno:
                raise kafka_errors.TopicAuthorizationFailedError(topic)
            return 0 if entry["error_code"] else len(entry["partitions"])
    return 0


def _raise_refusal(error: Exception) -> None:
    """Raise the client's error in words, unless waiting may mend it.

    Raises:
        SendError: Kafka refuses.
    """
    told = explain_link_refusal(error)
    if told is not None:
        raise LinkRefusedError(told) from error
    told = denied_right(error, "Write")
    if told is not None:
        raise SendError(told) from error


def describe(error: Exception) -> str:
    """Return in words what became of a record that Kafka did not take."""
    denied = denied_right(error, "Write")
    return denied or f"Kafka refuses: {type(error).__name__}: {error}"
