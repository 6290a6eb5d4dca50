"""The clicks topic as the loop reads it, on a real broker: placing, pausing, gaps."""

import time
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from consumer.broker.source import OffsetGapError
from stack.runner import Endpoints
from tests.clicks_topic import MAX_POLL_RECORDS, PATIENCE_SECONDS, Topic, clicks_topic

pytestmark = pytest.mark.services

FEW_POLLS = 10


@pytest.fixture(params=["auto", "public"])
def topic(services: Endpoints, request: pytest.FixtureRequest) -> Iterator[Topic]:
    with clicks_topic(services.kafka_bootstrap, reader=request.param) as made:
        yield made


def numbers(*span: int) -> list[bytes | None]:
    return [str(n).encode() for n in range(*span)]


def test_a_new_partition_stays_silent_until_it_is_placed(topic: Topic) -> None:
    topic.write(0, *numbers(5))
    topic.write(1, *numbers(5))
    topic.poll_until(lambda: topic.source.owned == {0, 1})
    for _ in range(FEW_POLLS):
        topic.poll()
    assert topic.source.unplaced == {0, 1}
    assert topic.read == {0: [], 1: []}

    topic.source.seek(0, 3)
    topic.poll_until(lambda: len(topic.read[0]) == 2)
    for _ in range(FEW_POLLS):
        topic.poll()
    assert topic.source.unplaced == {1}
    assert topic.read == {0: numbers(3, 5), 1: []}


def test_pausing_others_does_not_wake_a_partition_that_is_not_placed(topic: Topic) -> None:
    topic.write(1, *numbers(5))
    topic.place({0: 0})
    for paused in ({0}, {0, 1}, set[int](), {1}, set[int]()):
        topic.source.pause_only(paused)
        for _ in range(3):
            topic.poll()
    assert topic.read[1] == []


def test_a_resumed_partition_hands_out_what_was_put_aside_though_nothing_else_comes(
    topic: Topic,
) -> None:
    # One fetch brings more of partition 1 than a poll hands out; the rest is in hand when it is
    # paused. What comes of partition 0 then takes its place in the client, and is used up.
    topic.write(1, *numbers(5 * MAX_POLL_RECORDS))
    topic.place({0: 0, 1: 0})
    topic.poll_until(lambda: bool(topic.read[1]))
    topic.source.pause_only({1})
    topic.poll()
    topic.write(0, *numbers(MAX_POLL_RECORDS))
    topic.poll_until(lambda: len(topic.read[0]) == MAX_POLL_RECORDS)
    assert len(topic.read[1]) < 5 * MAX_POLL_RECORDS

    topic.source.pause_only(set())
    topic.poll_until(lambda: len(topic.read[1]) >= 5 * MAX_POLL_RECORDS)
    assert topic.read[1] == numbers(5 * MAX_POLL_RECORDS)


def test_a_paused_partition_that_is_sought_is_read_from_there_when_resumed(topic: Topic) -> None:
    topic.write(1, *numbers(5 * MAX_POLL_RECORDS))
    topic.place({0: 0, 1: 0})
    topic.poll_until(lambda: bool(topic.read[1]))
    topic.source.pause_only({1})
    topic.poll()
    topic.source.seek(1, 3)
    topic.read[1].clear()
    topic.poll()
    assert topic.read[1] == []
    topic.source.pause_only(set())
    topic.poll_until(lambda: len(topic.read[1]) >= 5 * MAX_POLL_RECORDS - 3)
    assert topic.read[1] == numbers(3, 5 * MAX_POLL_RECORDS)


def test_odd_records_come_as_they_are_and_the_position_goes_past_them(topic: Topic) -> None:
    odd = (None, b"", b"\xff\xfe{", b"\x00" * 900_000, b"{} , {}", b'"\\ud83d"')
    topic.write(0, *odd, key=b"\xff")
    topic.write(0, b"last", key=None)
    topic.place({0: 0})
    topic.poll_until(lambda: len(topic.read[0]) == len(odd) + 1)
    assert topic.read[0] == [*odd, b"last"]
    assert topic.source.position(0) == len(odd) + 1

    topic.read[0].clear()
    topic.source.seek(0, 2)  # into the middle of a batch
    topic.poll_until(lambda: len(topic.read[0]) == len(odd) - 1)
    assert topic.read[0] == [*odd[2:], b"last"]


def test_the_position_goes_past_control_records_and_aborted_ones(topic: Topic) -> None:
    settings = topic.settings
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, transactional_id=f"{settings.app}-test"
    )
    producer.init_transactions()
    for value, end in (
        (b"kept", producer.commit_transaction),
        (b"gone", producer.abort_transaction),
    ):
        producer.begin_transaction()
        producer.send(settings.topic_clicks, value, partition=0).get(timeout=PATIENCE_SECONDS)
        end()
    producer.close(timeout=5)
    topic.place({0: 0, 1: 0})
    topic.poll_until(lambda: topic.source.position(0) == 4)
    assert topic.read[0] == [b"kept"]
    assert topic.source.end_offsets({0}) == {0: 4}


@pytest.mark.parametrize("position", [2, 99], ids=["before the beginning", "past the end"])
def test_a_position_that_the_log_does_not_hold_is_named(topic: Topic, position: int) -> None:
    topic.write(0, *numbers(8))
    admin = KafkaAdminClient(bootstrap_servers=topic.settings.kafka_bootstrap)
    admin.delete_records({TopicPartition(topic.settings.topic_clicks, 0): 5})
    admin.close()
    topic.place({0: position, 1: 0})
    with pytest.raises(OffsetGapError) as gap:
        topic.poll_until(lambda: bool(topic.read[0]))
    assert gap.value.positions == {0: position}
    assert topic.source.begin_offsets({0}) == {0: 5}
    assert topic.source.end_offsets({0}) == {0: 8}

    topic.source.seek(0, 5)
    topic.poll_until(lambda: len(topic.read[0]) == 3)
    assert topic.read[0] == numbers(5, 8)


def test_a_join_that_ends_between_two_polls_is_taken_up(topic: Topic) -> None:
    topic.place({0: 0, 1: 0})
    admin = KafkaAdminClient(bootstrap_servers=topic.settings.kafka_bootstrap)
    admin.create_partitions({topic.settings.topic_clicks: 6})
    admin.close()
    coordinator = topic.source._consumer._coordinator
    deadline = time.monotonic() + PATIENCE_SECONDS
    while coordinator._join_task is None:  # new partitions make the member join again
        assert time.monotonic() < deadline, topic.source.owned
        topic.source.poll(0)
    while not coordinator._join_task.is_done:
        assert time.monotonic() < deadline, topic.source.owned
        time.sleep(0.01)
    for _ in range(5 * FEW_POLLS):
        topic.source.poll(100)
    assert topic.source.owned == set(range(6))
