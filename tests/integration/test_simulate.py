"""The simulator against a real broker: what it reports is what is on the topic."""

import json
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest
from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from contracts.buckets import bucket_start, is_late
from contracts.events import IMPRESSION, ClickEvent
from contracts.settings import Settings
from tests.unit.contracts.test_cards import page
from tests.unit.producer_sim.test_recommendations import serving

pytestmark = pytest.mark.services

PATIENCE_SECONDS = 120
"""How long anything awaited may take on a busy machine, seconds."""

ATTEMPTS_SECONDS = 3
"""Enough for the simulator to try again what failed, seconds."""


class Services(Protocol):
    """What is used of the fixture."""

    kafka_bootstrap: str


class ConsumerRecord(Protocol):
    """What is used of a record."""

    partition: int
    timestamp: int
    value: bytes | None


def command(bootstrap: str, topic: str, *arguments: str) -> list[str]:
    common = ["--kafka-bootstrap", bootstrap, "--topic-clicks", topic]
    return [sys.executable, "-m", "producer_sim", *common, *arguments]


def a_topic() -> str:
    return f"clicks-{uuid.uuid4().hex[:12]}"


def simulate(bootstrap: str, topic: str, folder: Path, *arguments: str) -> dict[str, Any]:
    report = folder / f"{uuid.uuid4().hex}.json"
    arguments = (*arguments, "--create-topics", "--report", str(report))
    done = subprocess.run(
        command(bootstrap, topic, *arguments), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    loaded: dict[str, Any] = json.loads(report.read_bytes())
    return loaded


def recount(bootstrap: str, topic: str, settings: Settings) -> dict[str, Any]:
    """Read the topic and apply the rules record by record, by the contract's own functions."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    sums: Counter[str] = Counter()
    cells: dict[str, Counter[str]] = defaultdict(Counter)
    fronts: dict[int, int] = {}
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=1_000, max_records=20_000).values():
            for record in records:
                sums["sent"] += 1
                sums[place(record, fronts, cells, settings)] += 1
    consumer.close()
    return {"sums": sums, "cells": cells}


def place(
    record: ConsumerRecord,
    fronts: dict[int, int],
    cells: dict[str, Counter[str]],
    settings: Settings,
) -> str:
    if record.value is None or len(record.value) > settings.max_event_bytes:
        return "malformed"
    try:
        event = ClickEvent.model_validate(orjson.loads(record.value))
    except (orjson.JSONDecodeError, ValidationError):
        return "malformed"
    if event.event_time > record.timestamp + settings.max_future_skew_ms:
        return "malformed"
    front = fronts.get(record.partition)
    watermark = None if front is None else front - settings.max_out_of_orderness_ms
    fronts[record.partition] = max(min(event.event_time, record.timestamp), front or 0)
    if is_late(event.event_time, watermark, settings.bucket_ms):
        return "late"
    if event.action == IMPRESSION:
        return "impressions"
    for genre in event.genres:
        cells[genre][str(bucket_start(event.event_time, settings.bucket_ms))] += 1
    return "counted"


def wait_for_records(bootstrap: str, topic: str, count: int = 1) -> None:
    """Wait until so many records are on the topic: the run is under way then."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        numbers = consumer.partitions_for_topic(topic) or ()
        ends = consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
        if sum(ends.values()) >= count:
            consumer.close()
            return
        time.sleep(0.2)
    raise AssertionError(f"fewer than {count} records came to {topic}")


def assert_same(report: dict[str, Any], counted: dict[str, Any]) -> None:
    assert report["is_exact"], report["doubts"]
    sums = counted["sums"]
    for name in ("sent", "counted", "impressions", "late", "malformed"):
        assert report[name] == sums[name], name
    assert report["events_per_bucket"] == {g: dict(c) for g, c in counted["cells"].items()}


def test_report_equals_what_is_on_the_topic(services: Services, tmp_path: Path) -> None:
    topic = a_topic()
    faults = ("--disorder-seconds", "5", "--late", "0.01", "--malformed", "0.005")
    arguments = ("--events", "50000", "--seed", "3", *faults, "--duplicates", "0.01")
    report = simulate(services.kafka_bootstrap, topic, tmp_path, *arguments)
    counted = recount(services.kafka_bootstrap, topic, Settings())
    assert_same(report, counted)
    assert report["sent"] == 50_000
    # Disorder within the allowance makes nothing late: all late ones are late on purpose.
    assert report["late"] == report["made"]["late"] == pytest.approx(500, rel=0.25)
    assert report["malformed"] == report["made"]["malformed"] == pytest.approx(250, rel=0.3)
    assert report["made"]["duplicates"] == pytest.approx(500, rel=0.25)
    assert len(report["per_partition"]) == 8


def test_what_users_are_shown_and_click_is_told_exactly(services: Services, tmp_path: Path) -> None:
    topic = a_topic()
    with serving() as service:
        service.body = (
            page(("crime", "taste", ["s0000"]), ("war", "new", ["s0001"]))
            .model_dump_json()
            .encode()
        )
        address = f"http://127.0.0.1:{service.server_port}"
        # An evening: as many events by the clock, now, may take minutes at night.
        at = ("--start", "2026-03-02T18:00")
        arguments = (*at, "--rate", "200", "--speed", "20", "--events", "1500", "--late", "0.01")
        follow = ("--follow-recommendations", address, "--visits", "0.5", "--malformed", "0.01")
        report = simulate(services.kafka_bootstrap, topic, tmp_path, *arguments, *follow)
    counted = recount(services.kafka_bootstrap, topic, Settings())
    assert_same(report, counted)
    loop = report["loop"]
    assert report["impressions"] > 100
    assert report["sent"] == 1500 + loop["impressions"] + loop["clicks"]
    assert loop["impressions"] == 2 * loop["pages"]


def test_disorder_beyond_the_allowance_is_told_exactly(services: Services, tmp_path: Path) -> None:
    topic = a_topic()
    arguments = ("--events", "20000", "--disorder-seconds", "200", "--bucket-seconds", "10")
    report = simulate(services.kafka_bootstrap, topic, tmp_path, *arguments, "--partitions", "3")
    counted = recount(services.kafka_bootstrap, topic, Settings(bucket_seconds=10))
    assert_same(report, counted)
    assert report["late"] > 50
    assert report["made"]["late"] == 0


def test_recorded_stream_is_sent_whole(services: Services, tmp_path: Path) -> None:
    topic = a_topic()
    arguments = ("--replay", "movietweetings", "--speed", "max", "--bucket-seconds", "3600")
    report = simulate(services.kafka_bootstrap, topic, tmp_path, *arguments)
    counted = recount(services.kafka_bootstrap, topic, Settings(bucket_seconds=3600))
    assert_same(report, counted)
    assert (report["sent"], report["malformed"], report["late"]) == (100_000, 79, 0)


def test_second_run_on_a_topic_says_that_it_is_not_exact(
    services: Services, tmp_path: Path
) -> None:
    topic = a_topic()
    assert simulate(services.kafka_bootstrap, topic, tmp_path, "--events", "500")["is_exact"]
    again = simulate(services.kafka_bootstrap, topic, tmp_path, "--events", "500")
    assert again["is_exact"] is False
    assert "held records before this run" in again["doubts"][0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_paced_run_in_order(
    services: Services, tmp_path: Path, number: signal.Signals
) -> None:
    topic, report = a_topic(), tmp_path / "report.json"
    arguments = ("--rate", "500", "--create-topics", "--report", str(report))
    process = subprocess.Popen(
        command(services.kafka_bootstrap, topic, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for_records(services.kafka_bootstrap, topic, 200)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert "events counted" in out
    told = json.loads(report.read_bytes())
    assert_same(told, recount(services.kafka_bootstrap, topic, Settings()))
    assert told["sent"] > 100


def test_missing_topic_is_said_once_and_waited_for(services: Services, tmp_path: Path) -> None:
    err = what_is_said_at_every_attempt(
        "does not exist", tmp_path, command(services.kafka_bootstrap, a_topic(), "--events", "10")
    )
    assert err.count("does not exist") == 1
    assert "--create-topics" in err
    assert "Traceback" not in err


def test_missing_broker_is_said_once_and_waited_for(tmp_path: Path) -> None:
    err = what_is_said_at_every_attempt(
        "does not answer", tmp_path, command("127.0.0.1:1", "clicks", "--events", "10")
    )
    assert err.count("does not answer") == 1
    assert "Traceback" not in err


def what_is_said_at_every_attempt(expected: str, folder: Path, waiting: list[str]) -> str:
    """Return what a command has said that waits for something, ended after some attempts more."""
    path = folder / "stderr"
    with path.open("wb") as err:
        process = subprocess.Popen(waiting, stderr=err)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while expected not in path.read_text():
            assert process.poll() is None, path.read_text()
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.1)
        time.sleep(ATTEMPTS_SECONDS)
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, path.read_text()
    finally:
        process.kill()
        process.wait()
    return path.read_text()
