"""Messages of every topic as this version writes them: `python -m tests.record_messages NAME`.

A small deployment runs on a Kafka and a Redis of its own; what is on its topics at the end goes to
`tests/data/recorded-messages/NAME`, one file per topic. `--tree` names the checkout of another
version to run instead of this one. Recorded once, when a version is released: the files stay as
they are, and whatever comes later must read them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final

import click
from kafka import KafkaAdminClient, KafkaProducer

from contracts.link_settings import ENVIRONMENT_PREFIX
from stack.runner import Stack
from tests.deployment import Deployment, deployment
from tests.served import start_serve

ROOT: Final = Path(__file__).parents[1]

RECORDED: Final = ROOT / "tests/data/recorded-messages"
"""One folder per version, named by its day."""

START_MS: Final = 1_772_474_400_000
"""Where the clicks begin: a bucket's start."""

BUCKETS: Final = 4

THRESHOLD: Final = '[[threshold]]\ngenre = "crime"\nabove = 0.5\n'
"""Crossed at once: an alert is raised."""


def clicks() -> list[bytes]:
    """Return events with all that the contract knows, one that is late, one that is none."""
    ids = (uuid.UUID(int=n).hex for n in range(1_000))
    events: list[dict[str, Any]] = []
    for bucket in range(BUCKETS + 1):
        at = START_MS + 60_000 * bucket
        who = {"user_id": "u1", "show_id": "s1", "action": "click"}
        events += [
            {"event_id": next(ids), "event_time": at, "genres": ["Crime", "noir"], **who},
            {
                "event_id": next(ids), "event_time": at + 1, "genres": ["crime"], **who,
                "action": "play", "watch_seconds": 61.5, "age": 33, "gender": "f",
            },
            {"event_id": next(ids), "event_time": at + 30_000, "genres": ["medical"], **who},
        ]  # fmt: skip
    events.append({**events[0], "event_id": next(ids)})  # late by now
    return [*(json.dumps(event).encode() for event in events), b'{"event_id": 7}']


def record(d: Deployment, tree: Path, out: Path) -> None:
    """Run a version on some clicks, and write what is on the topics."""
    own = {f"{ENVIRONMENT_PREFIX}{k.upper()}": str(v) for k, v in d.options.items()}
    command = [sys.executable, "-m", "genrecast"]
    write_clicks(d)
    consumer = subprocess.Popen([*command, "consume"], cwd=tree, env={**os.environ, **own})
    d.running.append(consumer)
    d.wait_for_buckets(consumer, BUCKETS - 1)
    subprocess.run([*command, "close"], cwd=tree, env={**os.environ, **own}, check=True)
    d.wait_for_buckets(consumer, BUCKETS + 1)
    if tree == ROOT:
        _ask_for_recommendations(d)
    consumer.terminate()
    consumer.wait()
    out.mkdir(parents=True, exist_ok=True)
    for setting in [name for name in d.options if name.startswith("topic_")]:
        records = d.read_topic(setting)
        if records:
            lines = [json.dumps(_line(one), ensure_ascii=False, sort_keys=True) for one in records]
            name = setting.removeprefix("topic_").replace("_", "-")
            (out / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_clicks(d: Deployment) -> None:
    """Make the clicks topic, of one partition, and write to it."""
    admin = KafkaAdminClient(bootstrap_servers=d.kafka_bootstrap)
    configs = {"message.timestamp.type": "LogAppendTime"}
    topics = {d.settings.topic_clicks: {"num_partitions": 1, "configs": configs}}
    admin.create_topics(topics, wait_for_metadata=True)
    admin.close()
    producer = KafkaProducer(bootstrap_servers=d.kafka_bootstrap)
    for event in clicks():
        producer.send(d.settings.topic_clicks, event, key=b"u1").get(timeout=30)
    producer.close(timeout=5)


def _line(one: Any) -> dict[str, Any]:  # noqa: ANN401 (the client's record)
    text = {"key": one.key, "value": one.value}
    headers = {name: value.decode() for name, value in one.headers}
    return {
        "timestamp": one.timestamp,
        "headers": headers,
        **{name: None if raw is None else raw.decode() for name, raw in text.items()},
    }


def _ask_for_recommendations(d: Deployment) -> None:
    site = start_serve(d)
    while site.get("/v1/users/u1/recommendations").status != 200:
        time.sleep(0.2)
    while not d.read_topic("topic_recommendations"):
        time.sleep(0.2)
    site.end()


@click.command()
@click.argument("name")
@click.option("--tree", type=click.Path(exists=True, path_type=Path), default=ROOT)
def main(name: str, tree: Path) -> None:
    """Write tests/data/recorded-messages/NAME."""
    with tempfile.TemporaryDirectory(prefix="genrecast-recorded-") as folder:
        thresholds = Path(folder) / "levels.toml"
        thresholds.write_text(THRESHOLD, encoding="utf-8")
        options = {
            "bucket_seconds": 60, "horizon": 3, "alerts": "thresholds", "tastes": True,
            "alert_thresholds": thresholds, "idle_timeout_seconds": 600,
        }  # fmt: skip
        with (
            Stack(Path(folder) / "stack", 0, redis_port=0, dies_with_parent=True) as stack,
            deployment(
                stack.endpoints.kafka_bootstrap, stack.endpoints.redis_url, Path(folder), **options
            ) as d,
        ):
            record(d, tree.absolute(), RECORDED / name)


if __name__ == "__main__":
    main()
