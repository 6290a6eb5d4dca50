"""`genrecast serve` and `ForecastFeed` on a real topic, written in real transactions."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from kafka import KafkaProducer

from contracts.alerts import GenreAlert
from feed.aio import AsyncForecastFeed
from feed.assembly import Bucket
from feed.client import ForecastFeed
from feed.errors import FeedUnavailableError
from stack.runner import Endpoints
from tests.deployment import Deployment, deployment
from tests.forecast_topic import START_MS, Published, make_forecast, make_journal, publishing
from tests.served import PATIENCE_SECONDS, Event, ServeProcess, start_serve, wait_for
from tests.unit.feed.making import alert

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

GENRES = ("crime", "noir", "space opera", "ça et là")
MINUTE = 60_000


@pytest.fixture(scope="module")
def deployed(
    services: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Deployment, Published]]:
    """Topics with buckets 0 to 19 of four genres, and the forecaster's producer."""
    logs = tmp_path_factory.mktemp("serve")
    options = {"horizon": 3, "window_buckets": 500, "alerts": "all"}
    with (
        deployment(services.kafka_bootstrap, services.redis_url, logs, **options) as made,
        publishing(made.settings) as published,
    ):
        published.publish(GENRES, 20)
        yield made, published


@pytest.fixture(scope="module")
def site(deployed: tuple[Deployment, Published]) -> ServeProcess:
    return start_serve(deployed[0])


def until_bucket(events: Iterator[Event], start_ms: int) -> list[Event]:
    """Return the events up to a bucket's."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if event.name == "bucket" and event.id == str(start_ms):
            return found
    raise AssertionError(f"the stream ended before bucket {start_ms}: {found[-3:]}")


def newest_ms(published: Published) -> int:
    return START_MS + (published.next_number - 1) * MINUTE


def take(feed: ForecastFeed, count: int) -> list[Bucket]:
    found: list[Bucket] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += feed.poll(500)
    return found


def test_the_stream_is_the_topic_byte_for_byte(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    d, published = deployed
    events = site.events(last_event_id=START_MS)
    found = until_bucket(events, newest_ms(published))
    published.publish(GENRES, 3)
    found += until_bucket(events, newest_ms(published))
    streamed = [event.data for event in found if event.name == "forecast"]
    topic = [
        record.value
        for record in d.read_topic("topic_forecasts")
        if json.loads(record.value)["bucket_start"] > START_MS
    ]
    assert sorted(streamed) == sorted(topic)
    starts = [json.loads(data)["bucket_start"] for data in streamed]
    assert starts == sorted(starts)
    ends = [event.id for event in found if event.name == "bucket"]
    assert ends == [str(START_MS + n * MINUTE) for n in range(1, published.next_number)]


def test_a_new_reader_gets_the_newest_bucket_and_then_what_comes(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    _, published = deployed
    events = site.events("?genre=noir&genre=%C3%87A%20et%20l%C3%A0")
    first = until_bucket(events, newest_ms(published))
    assert [event.name for event in first] == ["status", "forecast", "forecast", "bucket"]
    genres = [json.loads(event.data)["genre"] for event in first[1:3]]
    assert genres == ["noir", "ça et là"]
    published.publish(GENRES)
    assert len(until_bucket(events, newest_ms(published))) == 3


def test_the_board_has_what_the_topic_keeps(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    _, published = deployed
    history = site.get("/v1/history?genre=crime&buckets=1000").json["buckets"]
    assert [bucket["observed"] for bucket in history] == list(range(published.next_number))
    wait_for(
        lambda: "Redis holds no state" in str(site.get("/v1/pipeline").json["problem"]),
        "the first look at Redis",
    )
    assert site.get("/v1/pipeline").json["status"] is None


def test_dead_letters_are_counted_by_reason(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    d, _ = deployed
    producer = KafkaProducer(bootstrap_servers=d.kafka_bootstrap)
    for reason in (b"event_time: missing", b"event_time: missing", b"not JSON \xff"):
        headers = [("genrecast-reason", reason)]
        producer.send(d.settings.topic_dead_letter, b"x", headers=headers).get(timeout=30)
    producer.close()

    def counts() -> dict[str, int]:
        told = site.get("/v1/pipeline").json["dead_letters"]["reasons"]
        return {one["reason"]: one["count"] for one in told}

    wanted = {"event_time: missing": 2, "not JSON \ufffd": 1}
    wait_for(lambda: counts() == wanted, "the dead letters")


def test_alerts_come_with_their_bucket_and_are_told_to_all(
    deployed: tuple[Deployment, Published], site: ServeProcess
) -> None:
    d, published = deployed
    events = site.events("?genre=crime")
    until_bucket(events, newest_ms(published))
    raised = alert(published.next_number, "raised")
    published.publish(GENRES, alerts=[raised])
    (event,) = islice((event for event in events if event.name == "alert"), 1)
    assert GenreAlert.model_validate_json(event.data) == raised
    assert site.get("/v1/alerts").json["open"] == [raised.model_dump()]
    topic = [GenreAlert.model_validate_json(r.value) for r in d.read_topic("topic_alerts")]
    assert topic == [raised]
    published.publish(GENRES, alerts=[alert(published.next_number, "cleared")])
    wait_for(lambda: site.get("/v1/alerts").json["open"] == [], "the alert is over")


def test_sigterm_ends_streams_at_once_even_of_readers_that_take_nothing(
    deployed: tuple[Deployment, Published],
) -> None:
    d, published = deployed
    site = start_serve(d)
    events = site.events()
    until_bucket(events, newest_ms(published))
    with socket.create_connection((site.host, site.port)) as silent:
        silent.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert site.end() == 0
        assert list(events) == []


def test_a_port_in_use_is_named(deployed: tuple[Deployment, Published], site: ServeProcess) -> None:
    d, _ = deployed
    second = d.start("serve", f"--serve-port={site.port}")
    assert second.wait(PATIENCE_SECONDS) == 2
    assert f"cannot listen on 127.0.0.1:{site.port}" in d.log_text()


def test_a_feed_begins_where_it_is_told(deployed: tuple[Deployment, Published]) -> None:
    d, published = deployed
    count = published.next_number
    with ForecastFeed(d.settings) as feed:
        (newest,) = take(feed, 1)
        assert newest.start_ms == newest_ms(published)
        assert tuple(newest.forecasts) == GENRES
        assert feed.is_at_end()
    with ForecastFeed(d.settings, begin=5, genres=["NOIR"]) as feed:
        some = take(feed, 5)
        assert [bucket.start_ms for bucket in some][-1] == newest_ms(published)
        assert {tuple(bucket.forecasts) for bucket in some} == {("noir",)}
    with ForecastFeed(d.settings, begin="beginning") as feed:
        every = [f for bucket in take(feed, count) for f in bucket.forecasts.values()]
        assert every == published.forecasts
    with ForecastFeed(d.settings, begin="now") as feed:
        assert feed.poll(500) == []
        sent = published.publish(GENRES)
        assert list(take(feed, 1)[0].forecasts.values()) == sent


def test_a_feed_goes_on_after_the_last_bucket_that_its_reader_was_done_with(
    deployed: tuple[Deployment, Published], tmp_path: Path
) -> None:
    d, published = deployed
    position = tmp_path / "position"
    with ForecastFeed(d.settings, begin="beginning", position=position) as feed:
        first = list(islice(feed.buckets(), 3))  # the third was taken, and not done with
    published.publish(GENRES, 2)
    with ForecastFeed(d.settings, position=position) as feed:
        rest = take(feed, published.next_number - 2)
    assert first[2] == rest[0]
    with ForecastFeed(d.settings, position=newest_ms(published) - MINUTE) as feed:
        assert [bucket.start_ms for bucket in take(feed, 1)] == [newest_ms(published)]
    assert [bucket.start_ms for bucket in rest] == [
        START_MS + n * MINUTE for n in range(2, published.next_number)
    ]


def test_the_async_feed_is_the_same(deployed: tuple[Deployment, Published]) -> None:
    d, published = deployed

    async def newest() -> list[str]:
        async with AsyncForecastFeed(d.settings, begin=2) as feed:
            found: list[str] = []
            async for forecast in feed:
                found.append(forecast.genre)
                if len(found) == 2 * len(GENRES):
                    return found
        raise AssertionError

    assert asyncio.run(asyncio.wait_for(newest(), PATIENCE_SECONDS)) == [*GENRES, *GENRES]
    assert published.next_number > 2


def test_a_feed_skips_nothing_where_clocks_mislead_the_topics_time_index(
    services: Endpoints, tmp_path: Path
) -> None:
    with deployment(services.kafka_bootstrap, services.redis_url, tmp_path, horizon=1) as d:
        with publishing(d.settings) as published:
            published.publisher.close()  # another forecaster writes, whose clock is a day behind
        producer = KafkaProducer(
            bootstrap_servers=d.kafka_bootstrap, transactional_id=f"behind-{d.settings.app}"
        )
        producer.init_transactions()
        position = tmp_path / "position"
        position.write_text(str(START_MS + 2 * MINUTE))
        feed: ForecastFeed | None = None
        for number in range(8):
            if number == 6:
                feed = ForecastFeed(d.settings, position=position)
            forecasts = [make_forecast(d.settings, genre, number) for genre in GENRES]
            journal = make_journal(forecasts)
            producer.begin_transaction()
            for forecast in forecasts:
                producer.send(
                    d.settings.topic_forecasts, forecast.model_dump_json().encode(),
                    key=forecast.genre.encode(), timestamp_ms=START_MS - number,
                )  # fmt: skip
            producer.send(d.settings.topic_buckets, journal.model_dump_json().encode(), partition=0)
            producer.commit_transaction()
        producer.close()
        assert feed is not None
        with feed:
            found = take(feed, 5)
    assert [bucket.start_ms for bucket in found] == [START_MS + n * MINUTE for n in range(3, 8)]


def test_a_missing_journal_is_named(deployed: tuple[Deployment, Published]) -> None:
    settings = deployed[0].settings.model_copy(update={"topic_buckets": "no-journal"})
    with pytest.raises(FeedUnavailableError, match="topic no-journal is missing"):
        ForecastFeed(settings)
