"""How genrecast makes each topic: partitions, and what differs from the broker's defaults."""

from dataclasses import dataclass, field
from typing import Any, Final

from contracts.settings import Settings

DEFAULT_PARTITIONS: Final = 8
"""Partitions of topics that genrecast makes, but for those that must have one."""

JOURNAL_RETENTION_MS: Final = 30 * 86_400_000
"""Retention of the journal, ms; at least twice the window's length."""

ALERT_HISTORY_MS: Final = 30 * 86_400_000
"""How long every alert is kept, ms; older ones are compacted to the last one of each key."""

RECOMMENDATION_RETENTION_MS: Final = 7 * 86_400_000
"""Retention of recommendations, ms: they name users, and clicks follow within days."""

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
"""Largest record of the journal and the side topics: what `clicks` took, they take with headers."""


@dataclass(frozen=True, slots=True)
class TopicLayout:
    """How a topic is made.

    Attributes:
        partitions: How many.
        configs: What differs from the broker's defaults, as Kafka names it.
    """

    partitions: int = DEFAULT_PARTITIONS
    configs: dict[str, str] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """What the client makes a topic with."""
        return {"num_partitions": self.partitions, "configs": self.configs}


def topic_layouts(
    settings: Settings, *, clicks_partitions: int = DEFAULT_PARTITIONS
) -> dict[str, TopicLayout]:
    """Return the layout of every topic by its name, that of clicks first."""
    window_ms = settings.window_buckets * settings.bucket_ms
    large = {"max.message.bytes": str(MAX_RECORD_BYTES)}
    kept = {"retention.ms": str(max(JOURNAL_RETENTION_MS, 2 * window_ms))}
    side = TopicLayout(configs=large)
    return {
        # The broker's clock decides what is "in the future", not the producer's.
        settings.topic_clicks: TopicLayout(
            clicks_partitions, {"message.timestamp.type": "LogAppendTime"}
        ),
        settings.topic_forecasts: TopicLayout(),
        settings.topic_buckets: TopicLayout(1, kept | large),
        settings.topic_late: side,
        settings.topic_dead_letter: side,
        settings.topic_alerts: TopicLayout(
            1, {"cleanup.policy": "compact", "min.compaction.lag.ms": str(ALERT_HISTORY_MS)}
        ),
        # A letter may be there for ever, or come again after a crash: so may its name.
        settings.topic_replayed: TopicLayout(1, {"cleanup.policy": "compact"}),
        settings.topic_recommendations: TopicLayout(
            configs={"retention.ms": str(RECOMMENDATION_RETENTION_MS)}
        ),
    }
