"""Where a benchmark runs: services, deployments on them, sizes, and who is told how far it is."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient

from consumer.broker.topics import Topics
from stack.runner import Stack
from tests.deployment import Deployment, deployment

ROOT: Final = Path(__file__).parents[1]
"""The checkout: peers and parts of their own process are started there."""

PATIENCE_SECONDS: Final = 180.0
"""How long anything awaited may take, or stand still: more means that it is broken."""

START_MS: Final = 1_767_571_200_000
"""Where event time begins: Monday, 2026-01-05 00:00 UTC."""

SIZE_OF_HOUR: Final = 1 / 72
"""How much of an hour's outage is worked off by default: a million events."""

T = TypeVar("T")


class BenchError(Exception):
    """A figure would be wrong, or something awaited does not come: the run ends."""


class Teller:
    """Is told how far a run is; this one prints lines."""

    def expect(self, name: str, steps: int) -> None:
        """A part begins that has so many steps."""
        self.step(f"{name}: {steps} steps")

    def step(self, text: str) -> None:
        """The next step begins."""
        print(f"  … {text}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class Lab:
    """Services that run, and what is asked of the parts.

    Attributes:
        kafka: Bootstrap address.
        redis: URL.
        folder: For logs and files of this run.
        is_quick: Small sizes: ratios to compare with, no figures to publish.
        hour: How much of an hour's outage `catchup` works off.
        teller: Shows progress.
    """

    kafka: str
    redis: str
    folder: Path
    is_quick: bool = False
    hour: float = SIZE_OF_HOUR
    teller: Teller = field(default_factory=Teller)

    def pick(self, full: T, quick: T) -> T:
        """Return the size that this run takes."""
        return quick if self.is_quick else full

    def expect(self, name: str, steps: int) -> None:
        """A part begins."""
        self.teller.expect(name, steps)

    def step(self, text: str) -> None:
        """The next step of the part begins."""
        self.teller.step(text)

    @contextmanager
    def deployment(self, *, partitions: int, **options: object) -> Iterator[Deployment]:
        """A deployment with topics of its own; its processes end with the block."""
        logs = Path(tempfile.mkdtemp(prefix="logs-", dir=self.folder))
        with deployment(self.kafka, self.redis, logs, **options) as made:
            make_topic(self.kafka, made.settings.topic_clicks, partitions)
            topics = Topics(made.settings)
            topics.make_missing(with_clicks=False)
            topics.close()
            yield made

    def run_module(
        self, module: str, *arguments: object, python: str = sys.executable
    ) -> dict[str, Any]:
        """Run a module in a process of its own; return the JSON object it leaves in a file.

        The file's path is its last argument.

        Raises:
            BenchError: It fails, or takes too long.
        """
        out = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder)) / "out.json"
        command = [python, "-m", module, *map(str, arguments), str(out)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{module} takes longer than {2 * PATIENCE_SECONDS:g} s") from error
        if done.returncode or not out.exists():
            raise BenchError(f"{module}: exit {done.returncode}\n{done.stderr[-2000:]}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found

    def bare_poll(self, topic: str, spans: Mapping[int, tuple[int, int]]) -> float:
        """Return the CPU seconds of kafka-python reading these offsets and nothing more."""
        found = self.run_module("bench.peers.bare_app", self.kafka, topic, json.dumps(spans))
        return float(found["cpu_seconds"])


@contextmanager
def services(kafka: str | None, redis: str | None, folder: Path) -> Iterator[tuple[str, str]]:
    """Services asked for, or ones that run inside the block."""
    if kafka and redis:
        yield kafka, redis
        return
    with Stack(folder / "stack", 0, redis_port=0, dies_with_parent=True) as stack:
        yield stack.endpoints.kafka_bootstrap, stack.endpoints.redis_url


def make_topic(kafka: str, topic: str, partitions: int) -> None:
    """Make a topic whose timestamps are the broker's."""
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        configs = {"message.timestamp.type": "LogAppendTime"}
        options = {topic: {"num_partitions": partitions, "configs": configs}}
        admin.create_topics(options, wait_for_metadata=True)
    finally:
        admin.close()


def wait_until(
    is_true: Callable[[], bool],
    what: str,
    every: float = 0.02,
    reached: Callable[[], object] = lambda: None,
) -> None:
    """Look until it is true; patience begins anew whenever what is `reached` changes.

    Raises:
        BenchError: It takes too long.
    """
    before, deadline = reached(), time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        if (now := reached()) != before:
            before, deadline = now, time.monotonic() + PATIENCE_SECONDS
        if time.monotonic() > deadline:
            raise BenchError(f"waited {PATIENCE_SECONDS:g} s in vain for {what}")
        time.sleep(every)
