"""The log of what users were answered: nothing waits for it, and what it loses is counted."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from contracts.recommendations import Recommendations
from contracts.settings import Settings
from feed.errors import FeedUnavailableError
from feed.serve import metrics, recommendation_log
from feed.serve.recommendation_log import MOST_WAITING, RecommendationLog
from tests.served import PATIENCE_SECONDS
from tests.unit.feed.making import at, service


class Sent:
    """Stands for the client's future."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def get(self, timeout: float) -> None:
        if self.error is not None:
            raise self.error


class Producer:
    """Stands for Kafka's producer: takes everything, unless it is told what to raise."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.error: Exception | None = None

    def __call__(self, **_: object) -> "Producer":
        return self

    def send(self, topic: str, *, key: bytes, value: bytes) -> Sent:
        self.sent.append((topic, key, value))
        return Sent(self.error)

    def close(self, timeout: float) -> None:
        pass


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Producer:
    producer = Producer()
    monkeypatch.setattr(recommendation_log, "KafkaProducer", producer)
    monkeypatch.setattr(recommendation_log, "make_topic", lambda _: None)
    return producer


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs what other threads ask of it."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(PATIENCE_SECONDS)
    made.close()


def answer(number: int) -> Recommendations:
    return Recommendations(
        recommendation_id=f"r{number}",
        user_id=f"u{number}",
        source="trending",
        bucket_start=at(0),
        model_version="lstm-1",
        genres=[],
        emitted_at=at(1),
    )


def unlogged() -> float:
    value: float | None = metrics.REGISTRY.get_sample_value("genrecast_serve_unlogged_total")
    assert value is not None
    return value


def told(loop: asyncio.AbstractEventLoop, problems: dict[str, str]) -> dict[str, str]:
    """What the service has been told by now."""

    async def copied() -> dict[str, str]:
        return dict(problems)

    return asyncio.run_coroutine_threadsafe(copied(), loop).result(PATIENCE_SECONDS)


def written(log: RecommendationLog) -> None:
    """Run the log to its end."""
    log.start()
    log.stop()
    log.join(PATIENCE_SECONDS)


def test_what_waits_is_written_before_it_ends(
    kafka: Producer, loop: asyncio.AbstractEventLoop
) -> None:
    before, log = unlogged(), RecommendationLog(service(0), loop)
    answers = [answer(number) for number in range(3)]
    for one in answers:
        log.note(one)
    written(log)
    assert kafka.sent == [
        ("genre-recommendations", one.user_id.encode(), one.model_dump_json().encode())
        for one in answers
    ]
    assert unlogged() == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KafkaTimeoutError("no answer"), "writing to topic genre-recommendations: "),
        (TopicAuthorizationFailedError(), "Kafka denies our user Write on topic"),
    ],
)
def test_what_kafka_does_not_take_is_counted_and_said(
    kafka: Producer, loop: asyncio.AbstractEventLoop, error: Exception, said: str
) -> None:
    before, one = unlogged(), service(0)
    kafka.error = error
    log = RecommendationLog(one, loop)
    log.note(answer(1))
    log.note(answer(2))
    written(log)
    assert unlogged() == before + 2
    assert said in told(loop, one.problems)["recommendations"]


def test_a_kafka_that_is_away_when_it_ends_costs_what_waits(
    kafka: Producer, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Settings) -> None:
        raise FeedUnavailableError("nobody there")

    monkeypatch.setattr(recommendation_log, "make_topic", away)
    before, log = unlogged(), RecommendationLog(service(0), loop)
    log.note(answer(1))
    written(log)
    assert (kafka.sent, unlogged()) == ([], before + 1)


def test_where_kafka_is_away_for_long_a_bounded_number_waits(
    loop: asyncio.AbstractEventLoop,
) -> None:
    before, log = unlogged(), RecommendationLog(service(0), loop)
    one: Any = answer(1)
    for _ in range(MOST_WAITING + 7):
        log.note(one)
    assert unlogged() == before + 7


def test_nothing_is_made_on_kafka_before_somebody_has_asked(
    kafka: Producer, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Settings] = []
    monkeypatch.setattr(recommendation_log, "make_topic", made.append)
    written(RecommendationLog(service(0), loop))
    assert (made, kafka.sent) == ([], [])
