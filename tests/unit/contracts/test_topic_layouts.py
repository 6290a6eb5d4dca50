"""How topics are made: what must be one partition, what is kept for how long."""

from contracts.settings import Settings
from contracts.topic_layouts import DEFAULT_PARTITIONS, topic_layouts

DAY_MS = 86_400_000


def test_some_topics_are_one_partition_and_clicks_as_many_as_asked() -> None:
    settings = Settings()
    partitions = {
        name: layout.partitions
        for name, layout in topic_layouts(settings, clicks_partitions=32).items()
    }
    assert {name for name, count in partitions.items() if count == 1} == {
        "genre-buckets", "genre-alerts", "clicks-replayed",
    }  # fmt: skip
    assert partitions["clicks"] == 32
    assert partitions["clicks-late"] == DEFAULT_PARTITIONS


def test_the_journal_is_kept_for_two_windows_and_for_a_month_at_least() -> None:
    def kept_days(bucket_seconds: int) -> float:
        settings = Settings(bucket_seconds=bucket_seconds, window_buckets=2016)
        return int(topic_layouts(settings)["genre-buckets"].configs["retention.ms"]) / DAY_MS

    assert kept_days(60) == 30
    assert kept_days(3_600) == 168  # 2 x 2016 hours


def test_the_broker_stamps_clicks_and_compaction_leaves_what_was_sent_again() -> None:
    layouts = topic_layouts(Settings(topic_clicks="shop.clicks"))
    assert layouts["shop.clicks"].configs == {"message.timestamp.type": "LogAppendTime"}
    assert layouts["clicks-replayed"].configs == {"cleanup.policy": "compact"}
