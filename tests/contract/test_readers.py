"""One suite over both ways of reading fetched records: by whole batches, and record by record."""

import logging
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kafka import KafkaProducer

from consumer.broker import batch_format
from consumer.broker.source import ClickSource
from consumer.errors import BrokerUnavailableError
from consumer.records import Columns
from stack.runner import Endpoints
from tests.clicks_topic import MAX_POLL_RECORDS, PATIENCE_SECONDS, Topic, clicks_topic
from tests.packing import giant, send_packed

pytestmark = pytest.mark.services

CODECS = (None, "gzip", "snappy", "lz4", "zstd")

STAMP_MS = 1_767_571_200_000

MakeTopic = Callable[..., Topic]


@pytest.fixture(params=["auto", "public"])
def reader(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_topic(services: Endpoints, reader: str) -> Iterator[MakeTopic]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            clicks_topic(services.kafka_bootstrap, **{"reader": reader, **options})
        )


@pytest.fixture
def topic(make_topic: MakeTopic) -> Topic:
    return make_topic()


def numbers(*span: int) -> list[bytes | None]:
    return [str(n).encode() for n in range(*span)]


def offsets(topic: Topic, p: int = 0) -> list[int]:
    return [record.offset for record in topic.records[p]]


def test_each_way_is_the_one_that_was_asked_for(topic: Topic, reader: str) -> None:
    topic.write(0, b"value")
    topic.place({0: 0})
    topic.poll_until(lambda: bool(topic.read[0]))
    assert isinstance(topic.polled[0], Columns) == (reader == "auto")


def test_offsets_timestamps_keys_and_values_are_as_written(topic: Topic) -> None:
    written = [
        (b"", None, 0), (b"", b"", 7), (b"\xff\x00", b"key", -3), (b"v" * 70, b"k" * 70, 300),
        (b"w" * 9_000, None, 86_400_000), (None, b"tombstone", 1),
    ]  # fmt: skip
    for number, (value, key, after_ms) in enumerate(written):
        topic.producer.send(
            topic.settings.topic_clicks, value, key=key, partition=0,
            timestamp_ms=STAMP_MS + after_ms, headers=[("name", b"x")] * (number % 3),
        )  # fmt: skip
    topic.producer.flush(timeout=PATIENCE_SECONDS)
    topic.place({0: 0})
    topic.poll_until(lambda: len(topic.read[0]) == len(written))
    assert [(r.value, r.key, r.timestamp - STAMP_MS) for r in topic.records[0]] == written
    assert offsets(topic) == list(range(len(written)))
    assert topic.source.position(0) == len(written)


def test_with_log_append_time_a_record_has_its_batchs_time(make_topic: MakeTopic) -> None:
    topic = make_topic(log_append_time=True)
    for value in numbers(3):
        topic.producer.send(topic.settings.topic_clicks, value, partition=0, timestamp_ms=STAMP_MS)
    topic.producer.flush(timeout=PATIENCE_SECONDS)
    topic.place({0: 0})
    topic.poll_until(lambda: len(topic.read[0]) == 3)
    stamps = {record.timestamp for record in topic.records[0]}
    assert len(stamps) == 1
    assert stamps != {STAMP_MS}


@pytest.mark.parametrize("name", CODECS)
def test_batches_of_each_codec_are_read(topic: Topic, name: str | None) -> None:
    producer = KafkaProducer(
        bootstrap_servers=topic.settings.kafka_bootstrap, linger_ms=20, compression_type=name
    )
    for value in numbers(1_000, 1_300):
        producer.send(topic.settings.topic_clicks, value, key=b"some key", partition=0)
    producer.close(timeout=PATIENCE_SECONDS)
    topic.place({0: 0})
    topic.poll_until(lambda: len(topic.read[0]) == 300)
    assert topic.read[0] == numbers(1_000, 1_300)
    assert {record.key for record in topic.records[0]} == {b"some key"}


def test_a_poll_gives_no_more_records_than_asked_for(topic: Topic) -> None:
    topic.write(0, *numbers(4 * MAX_POLL_RECORDS))
    topic.write(1, *numbers(4 * MAX_POLL_RECORDS))
    topic.place({0: 0, 1: 0})
    while sum(map(len, topic.read.values())) < 8 * MAX_POLL_RECORDS:
        topic.poll()
        assert sum(map(len, topic.polled.values())) <= MAX_POLL_RECORDS
    assert topic.read == dict.fromkeys((0, 1), numbers(4 * MAX_POLL_RECORDS))
    assert [topic.source.position(p) for p in (0, 1)] == [4 * MAX_POLL_RECORDS] * 2


def test_seeking_into_a_batch_begins_there_forwards_and_back(topic: Topic) -> None:
    topic.write(0, *numbers(50))
    topic.place({0: 33})
    topic.poll_until(lambda: len(topic.read[0]) == 17)
    topic.source.seek(0, 3)
    topic.poll()
    topic.source.seek(0, 45)  # a part of what was fetched is still in hand
    topic.read[0].clear()
    topic.records[0].clear()
    topic.poll_until(lambda: len(topic.read[0]) >= 5)
    assert offsets(topic) == list(range(45, 50))
    assert topic.read[0] == numbers(45, 50)


def test_what_is_in_hand_when_paused_comes_once_when_resumed(topic: Topic) -> None:
    topic.write(0, *numbers(50))
    topic.place({0: 0, 1: 0})
    topic.poll_until(lambda: bool(topic.read[0]))
    before = len(topic.read[0])
    topic.source.pause_only({0})
    topic.write(1, *numbers(3))
    topic.poll_until(lambda: len(topic.read[1]) == 3)
    assert len(topic.read[0]) == before
    topic.source.pause_only(set())
    topic.poll_until(lambda: len(topic.read[0]) >= 50)
    assert topic.read[0] == numbers(50)


def test_only_committed_records_come_and_the_position_goes_past_the_rest(topic: Topic) -> None:
    settings = topic.settings
    producers = [
        KafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, transactional_id=f"{settings.app}-{n}"
        )
        for n in range(2)
    ]
    for producer in producers:
        producer.init_transactions()
    wanted: list[bytes | None] = []
    for number in range(12):
        for which, producer in enumerate(producers):  # their batches lie between each other
            if number % 3 == 0:
                producer.begin_transaction()
            value = f"{which}-{number}".encode()
            sent = producer.send(settings.topic_clicks, value, partition=0)
            sent.get(timeout=PATIENCE_SECONDS)
            is_aborted = number // 3 % 2 == which
            if not is_aborted:
                wanted.append(value)
            if number % 3 == 2:
                if is_aborted:
                    producer.abort_transaction()
                else:
                    producer.commit_transaction()
        topic.write(0, b"between")
        wanted.append(b"between")
    for producer in producers:
        producer.close(timeout=5)
    topic.place({0: 0})
    end = 3 * 12 + 2 * 4  # with a marker for each transaction
    topic.poll_until(lambda: topic.source.position(0) == end)
    assert topic.read[0] == wanted
    found = offsets(topic)
    assert found == sorted(set(found))
    assert topic.source.end_offsets({0}) == {0: end}


def test_a_partition_that_moves_to_another_member_is_read_on_there(
    make_topic: MakeTopic, reader: str
) -> None:
    topic = make_topic()
    for p in (0, 1):
        topic.write(p, *numbers(50))
    topic.place({0: 0, 1: 0})
    topic.poll_until(lambda: bool(topic.read[0] or topic.read[1]))
    second = ClickSource(topic.settings.model_copy(update={"reader": reader}))
    try:
        other = Topic(topic.settings, topic.producer, second)

        def shared() -> bool:
            other.poll()
            for p in second.unplaced:
                second.seek(p, len(topic.read[p]))
            return bool(second.owned) and len(topic.source.owned) == 1

        topic.poll_until(shared)

        def is_all_read() -> bool:
            other.poll()
            for p in second.unplaced:
                second.seek(p, len(topic.read[p]))
            return all(len(topic.read[p]) + len(other.read[p]) >= 50 for p in (0, 1))

        topic.poll_until(is_all_read)
        assert {p: topic.read[p] + other.read[p] for p in (0, 1)} == dict.fromkeys(
            (0, 1), numbers(50)
        )
    finally:
        second.close()


@pytest.mark.parametrize("reader", ["public"])
def test_a_batch_that_holds_too_much_is_refused_poll_by_poll_and_others_are_read(
    topic: Topic,
) -> None:
    send_packed(topic.settings.kafka_bootstrap, topic.settings.topic_clicks, giant(0), 1)
    topic.write(1, *numbers(3))
    topic.place({0: 0, 1: 0})
    told: list[str] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (len(told) < 3 or len(topic.read[1]) < 3) and time.monotonic() < deadline:
        try:
            topic.poll()
        except BrokerUnavailableError as error:
            told.append(str(error))
    assert len(told) >= 3
    assert all("holds more than 64 MiB" in text for text in told)
    assert topic.read == {0: [], 1: numbers(3)}
    assert topic.source.position(0) == 0


def test_another_client_is_read_record_by_record_and_that_is_said(
    services: Endpoints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layout = struct.Struct(">qq")
    monkeypatch.setattr(batch_format, "_HEADER", layout)
    with (
        caplog.at_level(logging.WARNING, "consumer.broker.reading"),
        clicks_topic(services.kafka_bootstrap, reader="auto") as topic,
    ):
        topic.write(0, *numbers(3))
        topic.place({0: 0})
        topic.poll_until(lambda: len(topic.read[0]) == 3)
        assert not isinstance(topic.polled[0], Columns)
    said = [r.getMessage() for r in caplog.records if r.name == "consumer.broker.reading"]
    assert said == [
        "reading record by record: in this kafka-python a batch's header has other fields"
    ]
