"""One deployment under test: real processes against a real broker and a real Redis."""

import collections
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from kafka import KafkaConsumer, TopicPartition

from consumer.broker.topics import Topics
from contracts.forecasts import GenreForecast
from contracts.settings import Settings
from genrecast.cli import cli
from state.redis_store import RedisStore
from state.store import StoreError

PATIENCE_SECONDS: Final = 240.0
"""How long anything awaited may take on a busy machine, seconds."""


@dataclass
class Deployment:
    """Settings of its own (topics, app) on shared services; starts and ends its processes."""

    kafka_bootstrap: str
    redis_url: str
    logs: Path
    options: dict[str, object] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        unique = uuid.uuid4().hex[:8]
        topics = (
            "clicks", "forecasts", "buckets", "late", "dead_letter", "replayed", "alerts",
            "recommendations",
        )  # fmt: skip
        own = {f"topic_{name}": f"{unique}-{name.replace('_', '-')}" for name in topics}
        self.options = {
            "app": unique,
            "kafka_bootstrap": self.kafka_bootstrap,
            "redis_url": self.redis_url,
            **own,
            **self.options,
        }

    @property
    def settings(self) -> Settings:
        return Settings(**self.options)  # type: ignore[arg-type]

    def command(self, name: str, *arguments: object) -> list[str]:
        words = name.split()
        command = cli.get_command(click.Context(cli), words[0])
        for word in words[1:]:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
        assert command is not None
        taken = {parameter.name for parameter in command.params}
        options = [
            f"--{key.replace('_', '-')}={value}"
            for key, value in self.options.items()
            if key in taken
        ]
        return [sys.executable, "-m", "genrecast", *words, *options, *map(str, arguments)]

    def start(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{len(self.running)}-{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(name, *arguments), stdout=log, stderr=subprocess.STDOUT
            )
        self.running.append(process)
        return process

    def run(self, name: str, *arguments: object, timeout: float = PATIENCE_SECONDS) -> str:
        done = subprocess.run(
            self.command(name, *arguments), capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, f"{name}: exit {done.returncode}\n{done.stderr[-3000:]}"
        return done.stdout

    def log_text(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.logs.glob("*.log")))

    def end(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()

    def make_topics(self) -> None:
        topics = Topics(self.settings)
        topics.make_missing(with_clicks=True)
        topics.close()

    def read_topic(self, setting: str) -> list[Any]:
        """Every committed record of one of the deployment's topics; none while it is missing."""
        topic = getattr(self.settings, setting)
        consumer = KafkaConsumer(
            bootstrap_servers=self.kafka_bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        try:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                return []
            partitions = [TopicPartition(topic, number) for number in numbers]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ends = consumer.end_offsets(partitions)
            records: list[Any] = []
            while any(consumer.position(tp) < end for tp, end in ends.items()):
                for some in consumer.poll(timeout_ms=1000).values():
                    records += some
        finally:
            consumer.close()
        return sorted(records, key=lambda r: (r.partition, r.offset))

    def forecasts(self) -> list[GenreForecast]:
        return [
            GenreForecast.model_validate_json(record.value)
            for record in self.read_topic("topic_forecasts")
        ]

    def totals(self) -> dict[str, int]:
        store = RedisStore.connect(self.settings)
        try:
            return store.read_totals()
        finally:
            store.close()

    def finish(self, consumer: "subprocess.Popen[bytes] | None" = None) -> None:
        """Have a consumer (a new one if none is given) read to the end, close and publish all."""
        consumer = consumer or self.start("consume")
        self.publish_all(consumer)
        consumer.terminate()
        assert consumer.wait(PATIENCE_SECONDS) == 0, self.log_text()

    def publish_all(self, consumer: "subprocess.Popen[bytes]") -> None:
        """Wait until a consumer has read to the end, close what is open, wait for its forecasts."""
        ends = self._click_ends()
        self._wait_until(consumer, lambda store: _is_read(store, ends))
        self.run("close")
        self._wait_until(consumer, _is_published)

    def wait_for_buckets(self, consumer: "subprocess.Popen[bytes]", count: int) -> None:
        """Wait until so many buckets are published."""
        self._wait_until(consumer, lambda store: store.read_totals().get("buckets", 0) >= count)

    def _click_ends(self) -> dict[int, int]:
        """The end of each clicks partition."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka_bootstrap)
        topic = self.settings.topic_clicks
        try:
            partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
            ends = consumer.end_offsets(partitions)
        finally:
            consumer.close()
        return {tp.partition: end for tp, end in ends.items()}

    def _wait_until(
        self, consumer: "subprocess.Popen[bytes]", is_so: Callable[[RedisStore], bool]
    ) -> None:
        """Ask the state again and again, while a consumer works on it."""
        store = RedisStore.connect(self.settings)
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            while not _holds(is_so, store):
                assert consumer.poll() is None, self.log_text()
                assert time.monotonic() < deadline, self.log_text()[-5000:]
                time.sleep(0.1)
        finally:
            store.close()


def _holds(is_so: Callable[[RedisStore], bool], store: RedisStore) -> bool:
    try:
        return is_so(store)
    except StoreError:  # the consumer has not begun the state yet
        return False


def _is_read(store: RedisStore, ends: dict[int, int]) -> bool:
    offsets = store.read_progress().offsets
    return all(offsets.get(partition, 0) == end for partition, end in ends.items())


def _is_published(store: RedisStore) -> bool:
    progress = store.read_progress()
    return not store.read_open() and progress.closed_ms == progress.published_ms


@contextmanager
def deployment(
    kafka_bootstrap: str, redis_url: str, logs: Path, **options: object
) -> Iterator[Deployment]:
    """Make a deployment; whatever happens, its processes end."""
    made = Deployment(kafka_bootstrap, redis_url, logs, options)
    try:
        yield made
    finally:
        made.end()


def observed_per_genre(forecasts: list[GenreForecast]) -> dict[str, int]:
    """Sum the final counts per genre, leaving out genres that nobody clicked."""
    sums: collections.Counter[str] = collections.Counter()
    for forecast in forecasts:
        sums[forecast.genre] += forecast.observed_clicks
    return {genre: count for genre, count in sums.items() if count}


def assert_each_bucket_once_in_order(forecasts: list[GenreForecast], bucket_ms: int) -> None:
    """Every genre has each bucket once, in order, and none is missing in between."""
    starts: dict[str, list[int]] = collections.defaultdict(list)
    for forecast in forecasts:
        starts[forecast.genre].append(forecast.bucket_start)
    assert starts
    last = max(forecast.bucket_start for forecast in forecasts)
    for genre, seen in starts.items():
        assert seen == list(range(seen[0], last + bucket_ms, bucket_ms)), genre


def read_report(path: Path) -> dict[str, Any]:
    """Read the simulator's truth."""
    report: dict[str, Any] = json.loads(path.read_text())
    return report
