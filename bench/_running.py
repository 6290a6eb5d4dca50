"""What the benchmarks of running processes share: services, freezing, tables, figures."""

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from consumer.broker.topics import Topics
from stack.runner import Endpoints, Stack
from state.redis_store import RedisStore
from tests.deployment import Deployment, deployment

FIGURES: Final = Path("build/bench")
"""Where each benchmark leaves its figures as JSON."""

PATIENCE_SECONDS: Final = 120.0
"""How long anything awaited may take: more means that it is broken."""


def options_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that say where Kafka and Redis are."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kafka", metavar="HOST:PORT", help="with --redis: services that run")
    parser.add_argument("--redis", metavar="URL", help="by default both are started and ended")
    return parser


@contextmanager
def running(asked: argparse.Namespace, **options: object) -> Iterator[Deployment]:
    """A deployment with topics on the services asked for, or on ones of its own."""
    with tempfile.TemporaryDirectory(prefix="genrecast-bench-") as directory:
        path = Path(directory)
        with _services(asked, path) as services:
            kafka, redis = services.kafka_bootstrap, services.redis_url
            with deployment(kafka, redis, path / "logs", **options) as made:
                topics = Topics(made.settings)
                topics.make_missing(with_clicks=True)
                topics.close()
                yield made


@contextmanager
def _services(asked: argparse.Namespace, path: Path) -> Iterator[Endpoints]:
    if asked.kafka and asked.redis:
        yield Endpoints(asked.kafka, asked.redis)
        return
    say("starting Kafka and Redis")
    with Stack(path / "stack", 0, redis_port=0, dies_with_parent=True) as stack:
        yield stack.endpoints


@contextmanager
def frozen(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop processes inside the block: what comes meanwhile they find all at once."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def wait_until(is_true: Callable[[], bool], what: str, every: float = 0.02) -> None:
    """Look until it is true; end the benchmark when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE_SECONDS:g} s in vain for {what}")
        time.sleep(every)


def wait_for_applied(store: RedisStore, records: int) -> None:
    """Wait until the deployment has applied so many records in all."""
    wait_until(lambda: sum(store.read_progress().offsets.values()) >= records, f"{records} records")


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values, inclusive."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def say(text: str) -> None:
    """Tell progress, beside the table."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def seconds_in(log: str, pattern: str) -> list[float]:
    """Return the numbers that a pattern's group finds in a log."""
    return [float(found) for found in re.findall(pattern, log)]


def write_figures(name: str, figures: Mapping[str, Any]) -> None:
    """Leave the figures for comparison with other runs."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=2) + "\n"
    (FIGURES / f"{name}.json").write_text(text, encoding="utf-8")
