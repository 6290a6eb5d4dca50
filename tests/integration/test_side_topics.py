"""The side topics on a real broker: what was sent is there once it is flushed."""

import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition

from consumer.aggregate import Elsewhere
from consumer.broker.side_topics import SideTopics
from consumer.broker.topics import Topics
from consumer.records import LogRecord
from contracts.settings import Settings
from stack.runner import Endpoints

pytestmark = pytest.mark.services


@pytest.fixture
def settings(services: Endpoints) -> Settings:
    unique = uuid.uuid4().hex[:8]
    topics = {f"topic_{name}": f"{unique}-{name}" for name in ("late", "dead_letter")}
    made = Settings.model_validate({"kafka_bootstrap": services.kafka_bootstrap, **topics})
    admin = Topics(made)
    admin.make_missing(with_clicks=False)
    admin.close()
    return made


@pytest.fixture
def side(settings: Settings) -> Iterator[SideTopics]:
    made = SideTopics(settings)
    yield made
    made.close()


def records_of(settings: Settings, topic: str, count: int) -> list[tuple[bytes, bytes, bytes]]:
    """Source partition, source offset and value of a topic's first records, sorted."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    tps = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
    consumer.assign(tps)
    consumer.seek_to_beginning(*tps)
    found: list[tuple[bytes, bytes, bytes]] = []
    while len(found) < count:
        for some in consumer.poll(timeout_ms=500).values():
            for record in some:
                headers = dict(record.headers)
                origin = headers["genrecast-partition"], headers["genrecast-offset"]
                found.append((*origin, record.value))
    consumer.close()
    return sorted(found)


def test_records_of_several_partitions_are_there_after_one_flush(
    settings: Settings, side: SideTopics
) -> None:
    for p in range(3):
        late = [Elsewhere(LogRecord(n, 5, b"key", b"value"), 60_000) for n in range(2)]
        side.send(p, late, [Elsewhere(LogRecord(7, 5, None, b"junk"), reason="value: junk")])
    side.flush()
    wanted = sorted((str(p).encode(), str(n).encode(), b"value") for p in range(3) for n in (0, 1))
    assert records_of(settings, settings.topic_late, 6) == wanted
    assert len(records_of(settings, settings.topic_dead_letter, 3)) == 3


def test_a_tombstone_without_a_key_is_written_with_nothing_in_it(
    settings: Settings, side: SideTopics
) -> None:
    side.send(0, [], [Elsewhere(LogRecord(7, 5, None, None), reason="value: missing")])
    side.flush()
    assert records_of(settings, settings.topic_dead_letter, 1) == [(b"0", b"7", b"")]
