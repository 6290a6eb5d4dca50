"""A rolling restart under load: every consumer in turn, each at the worst moment.

    python -m bench.rolling
    python -m bench.rolling --standby
    python -m bench.rolling --rate 10000 --prometheus /usr/bin/prometheus

Real consumers count a constant rate of live events in one-minute buckets. One after the other is
sent SIGTERM a second before a bucket comes due, and started again once it has ended. Told are the
seconds from when each bucket came due until all its forecasts were at a `read_committed`
subscriber, whether the counts are those of the simulator's truth, and, with a Prometheus to run,
which of `prometheus/alerts.yml` rang.
"""

import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from kafka import KafkaConsumer, TopicPartition

from bench.consumers import Members
from bench.lab import ROOT, BenchError, Lab, services, wait_until
from bench.scaleout import PARTITIONS, wait_for_everybody
from contracts.clock import MS_PER_SECOND, wall_clock_ms
from contracts.forecasts import GenreForecast
from contracts.settings import Settings
from stack.ports import HOST, pick_port

BUCKET_SECONDS: Final = 60
"""The shortest buckets that the shipped model serves."""

AHEAD_SECONDS: Final = 1.0
"""How long before a bucket comes due a consumer is told to end."""

SCRAPE_SECONDS: Final = 5


@dataclass(slots=True)
class Seen:
    """Forecasts as a subscriber sees them, read on a thread of its own inside the block.

    Attributes:
        last_ms: Per bucket, wall time of the last of its forecasts.
        copies: Per bucket and genre, how many came.
    """

    settings: Settings
    last_ms: dict[int, int] = field(default_factory=dict)
    copies: Counter[tuple[int, str]] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> "Seen":
        self._thread = threading.Thread(target=self._read, name="subscriber", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap, isolation_level="read_committed"
        )
        topic = self.settings.topic_forecasts
        consumer.assign([TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)])
        consumer.seek_to_beginning()
        while not self._stop.is_set():
            for records in consumer.poll(timeout_ms=20).values():
                now_ms = wall_clock_ms()
                for record in records:
                    forecast = GenreForecast.model_validate_json(record.value)
                    self.last_ms[forecast.bucket_start] = now_ms
                    self.copies[forecast.bucket_start, forecast.genre] += 1
        consumer.close()

    def seconds_after_due(self, since_ms: int) -> dict[int, float]:
        """Return per bucket, of those due since then, how long after that its forecasts came."""
        due = {start_ms: due_ms(self.settings, start_ms) for start_ms in self.last_ms}
        return {
            start_ms: (self.last_ms[start_ms] - due[start_ms]) / MS_PER_SECOND
            for start_ms in sorted(due)
            if due[start_ms] >= since_ms
        }


def due_ms(settings: Settings, bucket_ms: int) -> int:
    """Return when a bucket of live events may close at the earliest, wall ms."""
    return bucket_ms + settings.bucket_ms + settings.max_out_of_orderness_ms


def next_due_ms(settings: Settings) -> int:
    """Return when the next bucket comes due that leaves time to end a consumer before."""
    soon_ms = wall_clock_ms() + int(2 * AHEAD_SECONDS * MS_PER_SECOND)
    start_ms = (soon_ms - settings.max_out_of_orderness_ms) // settings.bucket_ms
    return start_ms * settings.bucket_ms + due_ms(settings, 0)


class Alerts:
    """A Prometheus with the rules of `prometheus/alerts.yml`, looking at some consumers."""

    def __init__(self, program: str, folder: Path, ports: list[int]) -> None:
        self._port = pick_port()
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_SECONDS}s",
                "evaluation_interval": f"{SCRAPE_SECONDS}s",
            },
            "rule_files": [str(ROOT / "prometheus" / "alerts.yml")],
            "scrape_configs": [
                {
                    "job_name": "genrecast",
                    "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}],
                }
            ],
        }
        path = folder / "prometheus.json"  # JSON is YAML
        path.write_text(json.dumps(config), encoding="utf-8")
        self._process = subprocess.Popen(
            [
                program, f"--config.file={path}", f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={HOST}:{self._port}",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def rang(self) -> list[str]:
        """Return the names of the alerts that have fired."""
        query = 'count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))'
        asked = urllib.parse.urlencode({"query": query})
        url = f"http://{HOST}:{self._port}/api/v1/query?{asked}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return sorted(one["metric"]["alertname"] for one in found["data"]["result"])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def alerts(program: str | None, folder: Path, ports: list[int]) -> Iterator[Alerts | None]:
    """A Prometheus that runs inside the block; None without its program."""
    if program is None:
        yield None
        return
    made = Alerts(program, folder, ports)
    try:
        yield made
    finally:
        made.close()


def is_ready(port: int) -> bool:
    """Say whether a consumer answers that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
            return True
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Rolled:
    """What a rolling restart showed.

    Attributes:
        seconds: Per bucket, from when it came due to its last forecast.
        restarts: How long each consumer was away: from SIGTERM until it was ready again, seconds.
        events: How many were counted.
        differences: Cells that are not the truth's.
        repeated: Forecasts that came more than once.
        rang: Alerts that fired; None when nobody looked.
    """

    seconds: dict[int, float]
    restarts: list[float]
    events: int
    differences: int
    repeated: int
    rang: list[str] | None


def roll(
    lab: Lab, consumers: int, rate: float, prometheus: str | None, *, standby: bool = False
) -> Rolled:
    """Restart every consumer in turn while events come; tell what that did."""
    lab.expect("rolling restart", consumers + 3)
    with lab.deployment(partitions=PARTITIONS, bucket_seconds=BUCKET_SECONDS, standby=standby) as d:
        members, ports = Members(d, 0), [pick_port() for _ in range(consumers)]
        members.processes += [d.start("consume", f"--health-port={port}") for port in ports]
        members.wait_for_model()
        wait_for_everybody(d, consumers)
        with alerts(prometheus, lab.folder, ports) as watched, Seen(d.settings) as seen:
            seconds = (consumers + 3) * BUCKET_SECONDS
            lab.step(f"{rate:,.0f} events per second for {seconds} s")
            report = lab.folder / "truth.json"
            load = d.start(
                "loadtest", f"--rate={rate:g}", f"--seconds={seconds}", f"--json={report}"
            )
            wait_until(lambda: members.applied() > 0, "the first events")
            # The first bucket began with the load, the model's first steps with its close.
            _sleep_until(next_due_ms(d.settings) + BUCKET_SECONDS * MS_PER_SECOND // 4)
            since_ms = wall_clock_ms()
            restarts = [_restart(lab, members, at, port) for at, port in enumerate(ports)]
            lab.step("the rest of the load")
            load.wait(seconds)
            truth = json.loads(report.read_text(encoding="utf-8"))["truth"]
            members.wait_for_applied(truth["sent"])
            rang = None if watched is None else watched.rang()
        counted, wanted = members.counts(0), truth["events_per_bucket"]
        members.close()
    return Rolled(
        seen.seconds_after_due(since_ms),
        restarts,
        truth["counted"],
        _differences(counted, wanted),
        sum(count - 1 for count in seen.copies.values()),
        rang,
    )


def _restart(lab: Lab, members: Members, at: int, port: int) -> float:
    """End a consumer just before a bucket comes due, start it again; return seconds it was away."""
    lab.step(f"consumer {at + 1} starts anew")
    _sleep_until(next_due_ms(members.settings) - int(AHEAD_SECONDS * MS_PER_SECOND))
    began = time.monotonic()
    process = members.processes[at]
    process.send_signal(signal.SIGTERM)
    if process.wait(60):
        raise BenchError(f"consumer {at + 1} ended with {process.returncode}")
    members.processes[at] = members.deployment.start("consume", f"--health-port={port}")
    wait_until(lambda: is_ready(port), f"consumer {at + 1} ready", 0.1)
    return time.monotonic() - began


def _sleep_until(wall_ms: int) -> None:
    time.sleep(max(0.0, (wall_ms - wall_clock_ms()) / MS_PER_SECOND))


def _differences(counted: dict[str, dict[str, int]], wanted: dict[str, dict[str, int]]) -> int:
    def flat(cells: dict[str, dict[str, int]]) -> set[tuple[str, str, int]]:
        return {(genre, at, n) for genre, row in cells.items() for at, n in row.items()}

    return len(flat(counted) ^ flat(wanted))


@click.command()
@click.option("--consumers", type=int, default=4, show_default=True)
@click.option("--rate", type=float, default=50_000, show_default=True, help="Events per second.")
@click.option("--standby", is_flag=True, help="All have the model in memory.")
@click.option("--prometheus", type=click.Path(), default=lambda: shutil.which("prometheus"))
@click.option("--kafka", metavar="HOST:PORT", help="With --redis: services that run already.")
@click.option("--redis", metavar="URL", help="By default both are started, and ended.")
def main(
    *,
    consumers: int,
    rate: float,
    standby: bool,
    prometheus: str | None,
    kafka: str | None,
    redis: str | None,
) -> None:
    """Print what a rolling restart does to counts, forecasts and alerts."""
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
        services(kafka, redis, Path(folder)) as (kafka_at, redis_at),
    ):
        lab = Lab(kafka_at, redis_at, Path(folder))
        found = roll(lab, consumers, rate, prometheus, standby=standby)
    print(f"{found.events:,} events, {found.differences} cells differ from the truth")
    print(f"{found.repeated} forecasts came twice")
    print("away:", *(f"{seconds:.1f} s" for seconds in found.restarts))
    print("due to visible:", *(f"{seconds:.2f} s" for seconds in found.seconds.values()))
    print("alerts:", "not looked at" if found.rang is None else ", ".join(found.rang) or "none")


if __name__ == "__main__":
    main()
