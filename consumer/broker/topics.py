"""Topics: which exist, how many partitions they have, and making those that are ours."""

from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError

from consumer.broker.errors import translated
from contracts.kafka_client import client_options
from contracts.settings import Settings

DEFAULT_PARTITIONS: Final = 8
"""Partitions of topics that genrecast makes, but for the journal's one."""

JOURNAL_RETENTION_MS: Final = 30 * 86_400_000
"""Retention of the journal that genrecast makes, ms; at least the window's length."""

ALERT_HISTORY_MS: Final = 30 * 86_400_000
"""How long every alert is kept, ms; older ones are compacted to the last one of each key."""

DEAD_LETTER_MAX_BYTES: Final = 16 * 1024 * 1024
"""Largest record of the side topics: what `clicks` took, they take with its headers."""


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

    def partition_count(self, topic: str) -> int:
        """Return a topic's number of partitions, asked of the broker now; 0 when missing."""
        with translated(f"asking for topic {topic}", "Describe", topic):
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
        window_ms = settings.window_buckets * settings.bucket_ms
        side = {"max.message.bytes": str(DEAD_LETTER_MAX_BYTES)}
        wanted: dict[str, tuple[int, dict[str, str]]] = {
            settings.topic_forecasts: (DEFAULT_PARTITIONS, {}),
            settings.topic_buckets: (
                1,
                {
                    "retention.ms": str(max(JOURNAL_RETENTION_MS, 2 * window_ms)),
                    "max.message.bytes": str(DEAD_LETTER_MAX_BYTES),
                },
            ),
            settings.topic_late: (DEFAULT_PARTITIONS, side),
            settings.topic_dead_letter: (DEFAULT_PARTITIONS, side),
        }
        if settings.alerts != "off":
            compacted = {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": str(ALERT_HISTORY_MS),
            }
            wanted[settings.topic_alerts] = (1, compacted)
        if with_clicks:
            # The broker's clock decides what is "in the future", not the producer's.
            stamp = {"message.timestamp.type": "LogAppendTime"}
            wanted[settings.topic_clicks] = (DEFAULT_PARTITIONS, stamp)
        missing = [topic for topic in wanted if not self.partition_count(topic)]
        for topic in missing:
            self._make(topic, *wanted[topic])
        return missing

    def make_ledger(self) -> None:
        """Make the topic that names replayed dead letters, when it is missing."""
        topic = self._settings.topic_replayed
        if not self.partition_count(topic):
            # A letter may be there for ever, or come again after a crash: so may its name.
            self._make(topic, 1, {"cleanup.policy": "compact"})

    def _make(self, topic: str, partitions: int, configs: dict[str, str]) -> None:
        options: dict[str, Any] = {"num_partitions": partitions, "configs": configs}
        with translated(f"making topic {topic}", "Create", topic):
            try:
                self._admin.create_topics({topic: options}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                return

    def close(self) -> None:
        """Close the connection."""
        self._admin.close()
