"""Load tests against a real broker: what they say was written is what is there, once."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition, codec

from contracts.clock import wall_clock_ms
from contracts.settings import Settings
from producer_sim.faults import FaultPlan
from producer_sim.genres import BUILT_IN
from producer_sim.run import rules_of
from producer_sim.sender import ClickSender
from producer_sim.sources import Simulation
from producer_sim.traffic import Traffic
from producer_sim.truth import Truth
from stack.runner import Endpoints
from tests.deployment import deployment
from tests.integration.test_simulate import a_topic, assert_same, recount, wait_for_records

pytestmark = pytest.mark.services

FAULTS = ("--late", "0.01", "--duplicates", "0.01", "--malformed", "0.005", "--future", "0.002",
          "--hot-genre", "war=0.3", "--new-genres", "0.001", "--silence", "2@1+1",
          "--disorder-seconds", "2")  # fmt: skip
START_MS = 1_767_571_200_000


def command(bootstrap: str, topic: str, *arguments: str) -> list[str]:
    common = ["--kafka-bootstrap", bootstrap, "--topic-clicks", topic, "--create-topics"]
    return [sys.executable, "-m", "genrecast", "loadtest", *common, *arguments]


def loadtest(
    bootstrap: str, topic: str, folder: Path, *arguments: str, code: int = 0
) -> dict[str, Any]:
    path = folder / "load.json"
    done = subprocess.run(
        command(bootstrap, topic, "--json", str(path), *arguments),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def values_on(bootstrap: str, topic: str) -> list[bytes | None]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    values: list[bytes | None] = []
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=1_000, max_records=20_000).values():
            values += [record.value for record in records]
    consumer.close()
    return values


def test_truth_is_exact_at_full_speed_with_every_fault(services: Endpoints, tmp_path: Path) -> None:
    topic = a_topic()
    # Far more than any machine takes: it sends as fast as it can, and is late.
    arguments = ("--rate", "300000", "--seconds", "2", "--processes", "2", *FAULTS)
    report = loadtest(services.kafka_bootstrap, topic, tmp_path, *arguments)
    assert_same(report["truth"], recount(services.kafka_bootstrap, topic, Settings()))
    (run,) = report["runs"]
    assert report["truth"]["sent"] == run["acknowledged"] == run["sent"] == 600_000
    assert report["truth"]["late"] == report["made"]["late"] > 3_000
    assert report["truth"]["malformed"] == report["made"]["malformed"] > 3_000
    assert report["made"]["new_genres"] > 300
    hot, total = report["truth"]["counted_per_genre"]["war"], report["truth"]["counted"]
    assert 0.29 < hot / total < 0.45


def test_every_record_is_on_the_topic_once(services: Endpoints, tmp_path: Path) -> None:
    topic = a_topic()
    arguments = ("--rate", "100000", "--seconds", "2", "--processes", "3", "--profile", "spike")
    report = loadtest(services.kafka_bootstrap, topic, tmp_path, *arguments)
    values = values_on(services.kafka_bootstrap, topic)
    assert len(values) == report["truth"]["sent"] == report["runs"][0]["planned"]
    assert len(set(values)) == len(values)


def test_latency_is_of_all_events_but_those_of_the_warm_up(
    services: Endpoints, tmp_path: Path
) -> None:
    page = tmp_path / "load.html"
    arguments = ("--rate", "2000", "--seconds", "4", "--warmup", "1", "--report", str(page))
    report = loadtest(services.kafka_bootstrap, a_topic(), tmp_path, *arguments)
    (run,) = report["runs"]
    assert run["acknowledged"] == run["planned"] == 8_000
    latency = run["acknowledged_ms"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]
    assert sum(second["planned"] for second in run["by_second"].values()) == pytest.approx(8_000)
    assert sum(second["acknowledged"] for second in run["by_second"].values()) == 8_000
    assert page.read_text().count("<svg") == 3


def test_bound_that_no_rate_holds_ends_with_1(services: Endpoints, tmp_path: Path) -> None:
    arguments = ("--find-max", "--p99", "0.1ms", "--rate", "500", "--seconds", "1")
    report = loadtest(services.kafka_bootstrap, a_topic(), tmp_path, *arguments, code=1)
    assert report["highest_rate_that_holds"] is None
    assert [run["holds"] for run in report["runs"]] == [False, False]
    assert report["truth"]["is_exact"]


def test_search_ends_at_the_highest_rate_allowed(services: Endpoints, tmp_path: Path) -> None:
    arguments = ("--find-max", "--p99", "20s", "--rate", "500", "--max-rate", "1500",
                 "--seconds", "1")  # fmt: skip
    report = loadtest(services.kafka_bootstrap, a_topic(), tmp_path, *arguments)
    assert report["highest_rate_that_holds"] == 1_500
    assert [run["rate"] for run in report["runs"]] == [500, 1_000, 1_500]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_in_order_with_a_report_of_what_was_done(
    services: Endpoints, tmp_path: Path, number: signal.Signals
) -> None:
    topic, path = a_topic(), tmp_path / "load.json"
    arguments = ("--rate", "1000", "--seconds", "120", "--processes", "2", "--json", str(path))
    process = subprocess.Popen(
        command(services.kafka_bootstrap, topic, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_records(services.kafka_bootstrap, topic)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "stopped early" in out
    report = json.loads(path.read_bytes())
    assert 0 < report["truth"]["sent"] < 120_000
    assert_same(report["truth"], recount(services.kafka_bootstrap, topic, Settings()))


def test_counted_latency_comes_from_the_offsets_that_a_consumer_stores(
    services: Endpoints, tmp_path: Path
) -> None:
    kafka, redis = services.kafka_bootstrap, services.redis_url
    with deployment(kafka, redis, tmp_path / "logs") as d:
        d.start("consume", "--create-topics")
        path = tmp_path / "load.json"
        d.run("loadtest", "--create-topics", "--rate", "1000", "--seconds", "6", "--counted",
              "--json", path)  # fmt: skip
    (run,) = json.loads(path.read_bytes())["runs"]
    assert run["uncounted"] == 0
    assert run["counted_ms"]["p50"] > run["acknowledged_ms"]["p50"]


def test_more_processes_than_partitions_are_refused(services: Endpoints) -> None:
    arguments = ("--partitions", "2", "--processes", "3")
    done = subprocess.run(
        command(services.kafka_bootstrap, a_topic(), *arguments), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "partitions of its own" in done.stderr


@contextmanager
def sender_to(settings: Settings, truth: Truth, *, in_bulk: bool = True) -> Iterator[ClickSender]:
    sender = ClickSender(settings, truth, threading.Event(), in_bulk=in_bulk)
    try:
        sender.connect(create_partitions=3)
        yield sender
    finally:
        sender.close()


def simulation(settings: Settings, sender: ClickSender) -> Simulation:
    traffic = Traffic(BUILT_IN, seed=1, events_per_second=200.0, start_ms=START_MS, slice_ms=20_000)
    plan = FaultPlan(late=0.01, malformed=0.01)
    return Simulation(traffic, plan, settings, seed=1, partition_for=sender.partition_for)


def set_topic(bootstrap: str, topic: str, **configs: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    named = {name.replace("_", "."): value for name, value in configs.items()}
    admin.create_topics({topic: {"num_partitions": 3, "configs": named}}, wait_for_metadata=True)
    admin.close()


@pytest.mark.parametrize("in_bulk", [True, False])
@pytest.mark.parametrize("timestamps", ["LogAppendTime", "CreateTime"])
def test_both_ways_of_sending_tell_the_same_truth(
    services: Endpoints, in_bulk: bool, timestamps: str
) -> None:
    settings = Settings(kafka_bootstrap=services.kafka_bootstrap, topic_clicks=a_topic())
    set_topic(services.kafka_bootstrap, settings.topic_clicks, message_timestamp_type=timestamps)
    truth = Truth(rules_of(settings))
    with sender_to(settings, truth, in_bulk=in_bulk) as sender:
        source = simulation(settings, sender)
        for portion in source.portions(6_000):
            sender.send(portion.make(wall_clock_ms()))
        sender.flush(30)
    report = truth.report(source.genre_lists)
    assert report["sent"] == 6_000
    assert_same(report, recount(services.kafka_bootstrap, settings.topic_clicks, settings))


def test_batch_that_is_too_large_for_the_topic_is_split_and_acknowledged_exactly(
    services: Endpoints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(kafka_bootstrap=services.kafka_bootstrap, topic_clicks=a_topic())
    set_topic(
        services.kafka_bootstrap, settings.topic_clicks,
        message_timestamp_type="LogAppendTime", max_message_bytes="20000",
    )  # fmt: skip
    # What can't be compressed is as large on the wire as it is here.
    monkeypatch.setattr(codec, "lz4_encode", lambda content: content)
    truth = Truth(rules_of(settings))
    with sender_to(settings, truth) as sender:
        source = simulation(settings, sender)
        for portion in source.portions(6_000):
            sender.send(portion.make(wall_clock_ms()))
        sender.flush(60)
        assert sender.failed == 0
    assert any("splitting batch" in record.getMessage() for record in caplog.records)
    report = truth.report(source.genre_lists)
    assert report["sent"] == 6_000
    assert_same(report, recount(services.kafka_bootstrap, settings.topic_clicks, settings))
