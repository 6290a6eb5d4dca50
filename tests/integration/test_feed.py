"""Readers of forecasts and of the state: `feed`, `status`, and training from both."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from contracts.settings import Settings
from feed.assembly import Bucket
from feed.client import ForecastFeed
from feed.errors import FeedUnavailableError
from stack.runner import Endpoints
from tests.deployment import PATIENCE_SECONDS, Deployment, deployment, read_report
from tests.forecast_topic import publishing

PLACES = ("counted", "late", "dead_letters")
pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def published(
    services: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Deployment, Path]]:
    """A deployment with an evening of forecasts, and the simulator's truth."""
    directory = tmp_path_factory.mktemp("feed")
    report = directory / "truth.json"
    with deployment(
        services.kafka_bootstrap, services.redis_url, directory / "logs", bucket_seconds=900
    ) as d:
        d.make_topics()
        d.run(
            "simulate", "--events", 20_000, "--rate", 10_000, "--speed", 10_000,
            "--start", "2026-03-02T18:00", "--seed", 3, "--report", report,
        )  # fmt: skip
        d.finish()
        yield d, report


def feed_lines(d: Deployment, *arguments: object) -> list[dict[str, object]]:
    command = d.command("feed", "--from-beginning", "--until-idle", 1, *arguments)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def take(feed: ForecastFeed, count: int) -> list[Bucket]:
    """Return the next buckets, so many at least."""
    found: list[Bucket] = []
    while len(found) < count:
        found += feed.poll(1_000)
    return found


def test_feed_prints_every_forecast_as_a_json_line(published: tuple[Deployment, Path]) -> None:
    d, _ = published
    assert sorted(map(str, feed_lines(d))) == sorted(
        str(json.loads(forecast.model_dump_json())) for forecast in d.forecasts()
    )


def test_feed_takes_a_genre_in_any_spelling(published: tuple[Deployment, Path]) -> None:
    d, _ = published
    lines = feed_lines(d, "--genre", " CRIME ")
    assert {line["genre"] for line in lines} == {"crime"}
    starts = [line["bucket_start"] for line in lines]
    assert starts == sorted(set(map(int, map(str, starts))))


def test_feed_ends_cleanly_on_sigterm_and_when_its_reader_goes(
    published: tuple[Deployment, Path],
) -> None:
    d, _ = published
    following = subprocess.Popen(d.command("feed", "--from-beginning"), stdout=subprocess.PIPE)
    assert following.stdout is not None
    following.stdout.readline()
    following.terminate()
    assert following.wait(timeout=PATIENCE_SECONDS) == 0
    following.stdout.close()

    piped = subprocess.Popen(
        d.command("feed", "--from-beginning"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert piped.stdout is not None
    assert piped.stderr is not None
    piped.stdout.close()
    assert piped.wait(timeout=PATIENCE_SECONDS) == 0
    assert piped.stderr.read() == b""
    piped.stderr.close()


def test_a_new_subscriber_gets_what_is_published_from_now_on(
    published: tuple[Deployment, Path],
) -> None:
    unique = {f"topic_{name}": f"own-{name}" for name in ("forecasts", "buckets", "late")}
    settings = published[0].settings.model_copy(update={"app": "own", **unique})
    with publishing(settings) as forecaster, ForecastFeed(settings, begin="now") as feed:
        producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
        producer.send(settings.topic_forecasts, b"\xff no forecast").get(timeout=PATIENCE_SECONDS)
        producer.close()
        sent = forecaster.publish(["crime", "noir"])
        found = take(feed, 1)
        assert list(found[0].forecasts.values()) == sent
        assert feed.is_at_end()


def test_a_missing_topic_is_named(services: Endpoints) -> None:
    settings = Settings(kafka_bootstrap=services.kafka_bootstrap, topic_forecasts="nowhere")
    with pytest.raises(FeedUnavailableError, match="topic nowhere is missing"):
        ForecastFeed(settings)


def test_status_adds_up_to_what_was_sent(published: tuple[Deployment, Path]) -> None:
    d, report = published
    shown = json.loads(d.run("status", "--json"))
    truth = read_report(report)
    totals = shown["totals"]
    assert sum(totals.get(name, 0) for name in PLACES) == truth["sent"]
    assert shown["lag"] == 0
    assert shown["open_buckets"] == 0
    assert shown["genres"] == len(truth["counted_per_genre"])
    assert shown["model_version"].startswith("lstm-")
    assert shown["partitions"][0].keys() == {
        "partition", "offset", "end_offset", "watermark_ms", "paused", "lag",
    }  # fmt: skip
    text = d.run("status")
    assert f"{totals['counted']:,}" in text
    assert "last bucket published" in text


def test_status_without_kafka_says_so_and_shows_the_rest(
    published: tuple[Deployment, Path],
) -> None:
    d, _ = published
    command = d.command("status", "--json", "--kafka-bootstrap", "127.0.0.1:1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 1
    assert "asking Kafka for the log's ends" in done.stderr
    shown = json.loads(done.stdout)
    assert shown["lag"] is None
    assert shown["totals"]["counted"]


def test_training_reads_the_topic_and_redis_alike(
    published: tuple[Deployment, Path], tmp_path: Path
) -> None:
    from genrecast.sources import history_from_redis, history_from_topic

    d, _ = published
    from_topic, from_redis = history_from_topic(d.settings), history_from_redis(d.settings)
    assert from_topic.starts_ms.tolist() == from_redis.starts_ms.tolist()
    assert set(from_topic.names) == set(from_redis.names)
    order = [from_topic.names.index(name) for name in from_redis.names]
    assert (from_topic.cells[:, order] == from_redis.cells).all()
    assert from_topic.first_bucket_ms[order].tolist() == from_redis.first_bucket_ms.tolist()


def test_a_subscriber_outlives_a_quiet_time(published: tuple[Deployment, Path]) -> None:
    d, _ = published
    with ForecastFeed(d.settings, genres=["crime"], begin="beginning") as feed:
        deadline = time.monotonic() + 12  # past the check for new partitions
        found: list[Bucket] = []
        while time.monotonic() < deadline:
            found += feed.poll(500)
        assert {genre for bucket in found for genre in bucket.forecasts} == {"crime"}
