"""A clicks topic on a real broker, and one member of a group that reads it."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from kafka import KafkaAdminClient, KafkaProducer

from consumer.broker.source import ClickSource
from consumer.records import Record
from contracts.settings import Settings

PATIENCE_SECONDS: Final = 60.0
"""How long anything awaited may take, seconds."""

MAX_POLL_RECORDS: Final = 10
"""Most records of one poll."""


@dataclass
class Topic:
    """A topic of two partitions and one member of a group that reads it."""

    settings: Settings
    producer: KafkaProducer
    source: ClickSource
    read: dict[int, list[bytes | None]] = field(default_factory=lambda: {0: [], 1: []})
    records: dict[int, list[Record]] = field(default_factory=lambda: {0: [], 1: []})
    polled: Mapping[int, Sequence[Record]] = field(default_factory=dict)

    def write(self, p: int, *values: bytes | None, key: bytes | None = None) -> None:
        for value in values:
            self.producer.send(self.settings.topic_clicks, value, key=key, partition=p)
        self.producer.flush(timeout=PATIENCE_SECONDS)

    def poll(self) -> None:
        self.polled = self.source.poll(100)
        for p, records in self.polled.items():
            self.records[p] += list(records)
            self.read[p] += [record.value for record in records]

    def poll_until(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < deadline, self.read
            self.poll()

    def place(self, offsets: Mapping[int, int]) -> None:
        self.poll_until(lambda: self.source.owned == {0, 1})
        for p, offset in offsets.items():
            self.source.seek(p, offset)


@contextmanager
def clicks_topic(
    kafka: str, *, log_append_time: bool = False, **options: object
) -> Iterator[Topic]:
    """Make a topic; `options` are settings of its reader."""
    unique = uuid.uuid4().hex[:8]
    settings = Settings.model_validate(
        {
            "app": unique,
            "kafka_bootstrap": kafka,
            "topic_clicks": f"{unique}-clicks",
            "max_poll_records": MAX_POLL_RECORDS,
            **options,
        }
    )
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    kind = "LogAppendTime" if log_append_time else "CreateTime"
    made = {"num_partitions": 2, "configs": {"message.timestamp.type": kind}}
    admin.create_topics({settings.topic_clicks: made}, wait_for_metadata=True)
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=20, compression_type="lz4")
    source = ClickSource(settings)
    try:
        yield Topic(settings, producer, source)
    finally:
        source.close()
        producer.close(timeout=5)
