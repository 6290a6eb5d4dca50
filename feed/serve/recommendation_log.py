"""What users were answered, written to its topic by a thread: no answer waits for Kafka."""

import asyncio
import contextlib
from collections import deque
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import TopicAlreadyExistsError

from contracts.kafka_client import client_options
from contracts.recommendations import Recommendations
from contracts.settings import Settings
from contracts.topic_layouts import topic_layouts
from feed.errors import FeedRefusedError, FeedUnavailableError, translated
from feed.serve import metrics
from feed.serve.service import Service
from feed.serve.side_thread import SideThread
from feed.topics import is_there, open_admin

MOST_WAITING: Final = 10_000
"""Answers that may wait for Kafka, some 20 MB; those that come then are lost, and counted."""

MOST_AT_ONCE: Final = 500
"""Answers handed to the client before their acknowledgements are waited for."""

LOOK_SECONDS: Final = 0.25
"""How long answers are gathered, seconds: a thread that wakes for each one holds up the next."""

RETRY_SECONDS: Final = 1.0
"""Pause before Kafka is asked again, seconds."""

DELIVERY_MS: Final = 20_000
"""How long the client tries to deliver an answer, ms."""

PART: Final = "recommendations"
"""What the service calls this part when it tells what does not work."""


class RecommendationLog(SideThread):
    """Writes answers to the topic, which it makes with the first of them when it is missing.

    Told to end, it does so once what waits is written.
    """

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("recommendations", service, loop)
        self._settings = service.settings
        self._waiting: deque[Recommendations] = deque()

    def note(self, made: Recommendations) -> None:
        """Have an answer written; never waits. For the event loop's thread alone."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(made)
        else:
            metrics.UNLOGGED.inc()

    def _run(self) -> None:
        producer: KafkaProducer | None = None
        while True:
            # Looked at before: what was noted before the end is taken after it.
            is_ending = self._stop.is_set()
            some = self._take()
            if not some and is_ending:
                break
            if not some:
                continue
            producer = producer or self._open()
            if producer is None:  # it is to end, and Kafka is not there
                metrics.UNLOGGED.inc(len(some))
                continue
            self._write(producer, some)
        if producer is not None:
            producer.close(timeout=RETRY_SECONDS)

    def _take(self) -> list[Recommendations]:
        """Return what has come in a while, or as many as are handed over together."""
        if len(self._waiting) < MOST_AT_ONCE:
            self._stop.wait(LOOK_SECONDS)
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]

    def _open(self) -> KafkaProducer | None:
        """Return a producer once there is a broker; None when it shall end before."""
        while True:
            try:
                make_topic(self._settings)
                with translated("connecting to Kafka"):
                    return KafkaProducer(
                        **client_options(self._settings),
                        client_id=f"genrecast-{self._settings.app}-recommendations",
                        compression_type="zstd",
                        delivery_timeout_ms=DELIVERY_MS,
                        request_timeout_ms=DELIVERY_MS // 2,
                        max_block_ms=DELIVERY_MS // 2,
                        reconnect_backoff_max_ms=1_000,
                        allow_auto_create_topics=False,
                    )
            except (FeedUnavailableError, FeedRefusedError) as error:
                self._call(self._service.trouble, PART, str(error))
            if self._stop.wait(RETRY_SECONDS):
                return None

    def _write(self, producer: KafkaProducer, some: list[Recommendations]) -> None:
        """Write answers; those that can't be are counted."""
        topic, problem = self._settings.topic_recommendations, ""
        futures: list[Any] = []
        lost = len(some)
        try:
            with translated(f"writing to topic {topic}", "Write", topic):
                for made in some:
                    key, value = made.user_id.encode(), made.model_dump_json().encode()
                    futures.append(producer.send(topic, key=key, value=value))
        except (FeedUnavailableError, FeedRefusedError) as error:
            problem = str(error)
        for future in futures:
            try:
                with translated(f"writing to topic {topic}", "Write", topic):
                    future.get(timeout=DELIVERY_MS / 1000)
                lost -= 1
            except (FeedUnavailableError, FeedRefusedError) as error:
                problem = str(error)
        if problem:
            metrics.UNLOGGED.inc(lost)
            self._call(self._service.trouble, PART, problem)
        else:
            self._call(self._service.fine, PART)


def make_topic(settings: Settings) -> None:
    """Make the topic of recommendations when it is missing.

    Raises:
        FeedUnavailableError: Kafka does not answer.
        FeedRefusedError: Kafka refuses us.
    """
    topic = settings.topic_recommendations
    with open_admin(settings, "recommendations-admin") as admin:
        if is_there(admin, topic, "Write"):
            return
        layout = topic_layouts(settings)[topic]
        with (
            translated(f"making topic {topic}", "Create", topic),
            contextlib.suppress(TopicAlreadyExistsError),
        ):
            admin.create_topics({topic: layout.options}, wait_for_metadata=True)
