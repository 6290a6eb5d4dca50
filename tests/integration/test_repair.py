"""verify tells what differs, rebuild puts Redis back; both as a user runs them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaProducer

from stack.runner import Endpoints
from tests.deployment import (
    Deployment,
    assert_each_bucket_once_in_order,
    deployment,
    observed_per_genre,
    read_report,
)

pytestmark = pytest.mark.services

BUCKET_SECONDS = 30
"""No model is shipped for such buckets: the baseline forecasts, and TensorFlow is not loaded."""

BUCKET_MS = 1000 * BUCKET_SECONDS

TRAFFIC = (
    "--events", 20_000, "--rate", 20_000, "--speed", 4_000, "--start", "2026-03-02T18:00",
    "--seed", 5, "--disorder-seconds", 5, "--late", 0.02, "--duplicates", 0.05,
    "--malformed", 0.01,
)  # fmt: skip


@pytest.fixture
def counted(services: Endpoints, tmp_path: Path) -> Iterator[tuple[Deployment, dict[str, Any]]]:
    """A deployment that has published an evening, and the simulator's truth."""
    report = tmp_path / "truth.json"
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs",
        bucket_seconds=BUCKET_SECONDS,
    ) as d:  # fmt: skip
        d.make_topics()
        d.run("simulate", *TRAFFIC, "--report", report)
        d.finish()
        yield d, read_report(report)


def verified(d: Deployment, *arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        d.command("verify", "--json", *arguments), capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["is_exact"] else 1)
    return found


def test_verify_finds_all_that_was_sent_and_no_difference(
    counted: tuple[Deployment, dict[str, Any]],
) -> None:
    d, report = counted
    found = verified(d)
    assert found["is_exact"], found["differences"]
    assert found["late"] == report["late"]
    assert found["dead_letters"] == report["malformed"]
    assert found["events"] == report["sent"] - report["late"] - report["malformed"]
    assert found["forecasts"] == len(d.forecasts())

    later = verified(d, "--since", "2026-03-02T18:30")
    assert later["is_exact"], later["differences"]
    assert 0 < later["buckets"] < found["buckets"]


def test_verify_names_a_forged_forecast_and_a_journal_that_lies(
    counted: tuple[Deployment, dict[str, Any]],
) -> None:
    d, _ = counted
    producer = KafkaProducer(bootstrap_servers=d.kafka_bootstrap)
    forecast = d.read_topic("topic_forecasts")[-1]
    producer.send(d.settings.topic_forecasts, forecast.value, key=forecast.key)
    tail = orjson.loads(d.read_topic("topic_buckets")[-1].value)
    genre = next(iter(tail["counts"]))
    tail["bucket_start"] += BUCKET_MS
    tail["counts"][genre][0] += 7
    producer.send(d.settings.topic_buckets, orjson.dumps(tail), partition=0)
    producer.flush()
    producer.close()

    found = verified(d)
    told = "\n".join(found["differences"])
    assert "there twice" in told
    assert f"genre {genre!r}: the journal has clicks" in told


def test_verify_follows_the_rules_of_dedup(services: Endpoints, tmp_path: Path) -> None:
    report = tmp_path / "truth.json"
    with deployment(
        services.kafka_bootstrap, services.redis_url, tmp_path / "logs",
        bucket_seconds=BUCKET_SECONDS, dedup=True,
    ) as d:  # fmt: skip
        d.make_topics()
        first = d.start("consume")
        d.run("simulate", *TRAFFIC, "--report", report)
        first.kill()
        first.wait()
        d.finish()
        found = verified(d)
        assert found["is_exact"], found["differences"]
        unique = {
            (event["event_time"] // BUCKET_MS, event["event_id"])
            for event in map(orjson.loads, sound_values(d))
        }
        totals = d.totals()
        assert totals["duplicates"] > 0
        assert totals["counted"] == found["events"] == len(unique)


def sound_values(d: Deployment) -> Iterator[bytes]:
    """Values on the clicks topic that are on neither side topic."""
    aside = {
        (int(headers["genrecast-partition"]), int(headers["genrecast-offset"]))
        for topic in ("topic_late", "topic_dead_letter")
        for headers in (dict(record.headers) for record in d.read_topic(topic))
    }
    for record in d.read_topic("topic_clicks"):
        if (record.partition, record.offset) not in aside:
            yield record.value


def test_rebuild_puts_redis_back_and_counting_goes_on_exactly(
    counted: tuple[Deployment, dict[str, Any]], tmp_path: Path
) -> None:
    d, report = counted
    before = d.totals()["buckets"]
    told = d.run("rebuild", "--yes")
    assert told.startswith(f"{before:,} buckets up to 2026-03-02")
    assert d.totals() == {"restores": 1}

    more = tmp_path / "more.json"
    d.run(
        "simulate", "--events", 5_000, "--rate", 20_000, "--speed", 4_000,
        "--start", "2026-03-02T20:30", "--seed", 6, "--report", more,
    )  # fmt: skip
    d.finish()
    forecasts = d.forecasts()
    assert_each_bucket_once_in_order(forecasts, BUCKET_MS)
    second = read_report(more)["counted_per_genre"]
    wanted = {g: n + second.get(g, 0) for g, n in report["counted_per_genre"].items()}
    assert observed_per_genre(forecasts) == {g: n for g, n in wanted.items() if n}
    assert verified(d)["is_exact"]


def test_rebuild_without_a_journal_begins_at_the_moment_asked_for(
    services: Endpoints, tmp_path: Path
) -> None:
    with deployment(services.kafka_bootstrap, services.redis_url, tmp_path / "logs") as d:
        d.make_topics()
        d.run("simulate", "--events", 1_000)
        told = d.run("rebuild", "--yes", "--since", "2100-01-01")
        assert told == "0 buckets up to -, 0 genres; 0 records to read from here\n"
        assert d.run("rebuild", "--yes").endswith("1,000 records to read from here\n")


def test_rebuild_asks_first(services: Endpoints, tmp_path: Path) -> None:
    with deployment(services.kafka_bootstrap, services.redis_url, tmp_path / "logs") as d:
        done = subprocess.run(
            d.command("rebuild"), input="n\n", capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert "Empty the state of app" in done.stdout
