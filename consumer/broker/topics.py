"""Topics: which exist, how many partitions they have, and making those that are ours."""

from collections.abc import Mapping
from contextlib import suppress

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError

from consumer.broker.errors import translated
from contracts.kafka_client import client_options
from contracts.settings import Settings
from contracts.topic_layouts import TopicLayout, topic_layouts


class Topics:
    """Asks and makes; keeps one connection for the partition count."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with translated("connecting to Kafka"):
            self._admin = KafkaAdminClient(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-admin",
                request_timeout_ms=10_000,
                reconnect_backoff_max_ms=1_000,
            )

    def partition_count(self, topic: str, operation: str = "Describe") -> int:
        """Return a topic's number of partitions, asked of the broker now; 0 when missing.

        Args:
            topic: Its name.
            operation: What is to be done with it: the right that is named where we may not see it.
        """
        with translated(f"asking for topic {topic}", operation, topic):
            for entry in self._admin.describe_topics([topic]):
                if entry["name"] == topic:
                    # Else a topic that we may not see would be taken for one that is missing.
                    if entry["error_code"] == TopicAuthorizationFailedError.errno:
                        raise TopicAuthorizationFailedError(topic)
                    return 0 if entry["error_code"] else len(entry["partitions"])
        return 0

    def max_record_bytes(self, topic: str) -> int | None:
        """Return the size of a topic's largest record; None where the broker does not tell us."""
        asked = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": None})
        with translated(f"asking for topic {topic}", "DescribeConfigs", topic):
            found = self._admin.describe_configs([asked], config_filter="all")
        entry = found.get("topic", {}).get(topic, {}).get("max.message.bytes")
        return entry and int(entry["value"])

    def make_missing(self, *, with_clicks: bool) -> list[str]:
        """Make the output topics that are missing, and `clicks` if asked; return their names."""
        settings = self._settings
        wanted = [
            settings.topic_forecasts,
            settings.topic_buckets,
            settings.topic_late,
            settings.topic_dead_letter,
        ]
        if settings.alerts != "off":
            wanted.append(settings.topic_alerts)
        if with_clicks:
            wanted.append(settings.topic_clicks)
        layouts = topic_layouts(settings)
        return self._make({topic: layouts[topic] for topic in wanted})

    def make_ledger(self) -> None:
        """Make the topic that names replayed dead letters, when it is missing."""
        topic = self._settings.topic_replayed
        self._make({topic: topic_layouts(self._settings)[topic]})

    def make_all(self, *, clicks_partitions: int) -> list[str]:
        """Make every topic of the deployment that is missing; return their names."""
        return self._make(topic_layouts(self._settings, clicks_partitions=clicks_partitions))

    def _make(self, layouts: Mapping[str, TopicLayout]) -> list[str]:
        missing = [topic for topic in layouts if not self.partition_count(topic)]
        for topic in missing:
            with (
                translated(f"making topic {topic}", "Create", topic),
                suppress(TopicAlreadyExistsError),
            ):
                self._admin.create_topics({topic: layouts[topic].options}, wait_for_metadata=True)
        return missing

    def close(self) -> None:
        """Close the connection."""
        self._admin.close()
