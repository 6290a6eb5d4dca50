"""A topic that is missing, told from one that our user may not see.

A consumer is told the same of both; only whoever asks for a topic by its name learns which it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import TopicAuthorizationFailedError

from contracts.kafka_client import client_options
from contracts.settings import Settings
from feed.errors import translated

REQUEST_TIMEOUT_MS: Final = 10_000
"""How long one request to Kafka may take, ms."""


@contextmanager
def open_admin(settings: Settings, part: str) -> Iterator[KafkaAdminClient]:
    """Yield a connection that asks for topics and makes them.

    Args:
        settings: Where Kafka is.
        part: Who asks: how Kafka's logs and quotas name the client.

    Raises:
        FeedUnavailableError, FeedRefusedError: Kafka does not answer, or refuses us.
    """
    with translated("connecting to Kafka"):
        admin = KafkaAdminClient(
            **client_options(settings),
            client_id=f"genrecast-{settings.app}-{part}",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
    try:
        yield admin
    finally:
        admin.close()


def is_there(admin: KafkaAdminClient, topic: str, operation: str = "Read") -> bool:
    """Say whether there is such a topic, asked of the broker now.

    Args:
        admin: From `open_admin`.
        topic: Its name.
        operation: What is to be done with it: the right that is named where we may not see it.

    Raises:
        FeedUnavailableError: Kafka does not answer.
        FeedRefusedError: Our user may not see it, whether it is there or not.
    """
    with translated(f"asking for topic {topic}", operation, topic):
        for entry in admin.describe_topics([topic]):
            if entry["error_code"] == TopicAuthorizationFailedError.errno:
                raise TopicAuthorizationFailedError(topic)
            if entry["name"] == topic and not entry["error_code"]:
                return True
    return False


def absence(settings: Settings, topic: str) -> str:
    """Return in words that a topic is missing.

    Raises:
        FeedUnavailableError: Kafka does not answer.
        FeedRefusedError: Our user may not see it, whether it is there or not.
    """
    with open_admin(settings, "topics") as admin:
        is_there(admin, topic)
    return f"topic {topic} is missing"
