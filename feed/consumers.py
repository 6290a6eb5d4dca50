"""Consumers of the feed: in no group, of committed records, that make no topic by asking for it."""

from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from contracts.kafka_client import client_options
from contracts.settings import Settings

_OPTIONS: Final[dict[str, Any]] = {
    "group_id": None,
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "reconnect_backoff_max_ms": 1_000,
    "allow_auto_create_topics": False,
}
"""Of every consumer here, unless it says otherwise."""


def open_consumer(settings: Settings, part: str, **options: Any) -> KafkaConsumer:  # noqa: ANN401
    """Return a consumer that reads nothing yet.

    Args:
        settings: Where Kafka is.
        part: Who reads: how Kafka's logs and quotas name the client.
        options: Of the client, beside those that all have.

    Raises:
        KafkaError: No broker answers.
    """
    given = client_options(settings) | _OPTIONS | options
    return KafkaConsumer(**given, client_id=f"genrecast-{settings.app}-{part}")


def partitions_of(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions in order; none while there is no such topic."""
    numbers = consumer.partitions_for_topic(topic) or ()
    return [TopicPartition(topic, number) for number in sorted(numbers)]
