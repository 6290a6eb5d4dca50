"""Memory of a consumer process: of one that only counts, and of the forecaster.

    python -m bench.memory --events 300000

Two `genrecast consume` share the topic's 8 partitions; one of them becomes the forecaster and
loads the shipped model. Both are stopped (SIGSTOP) while the simulator fills the topic, and go on
over the full topic, faults and all, until Redis holds the last record: reading what
piled up is what needs most. Peak is the kernel's VmHWM of the process since its start.

Only the forecaster may pay for TensorFlow: the benchmark fails when the other one has its library
in its address space, or when either takes more than is wanted.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from bench.consumers import FORECASTER_SAYS, SESSION_SECONDS, Members
from bench.filling import FAULTS, simulate
from bench.lab import START_MS, BenchError, Lab, services
from bench.scaleout import PARTITIONS, wait_for_everybody

WARM_UP_EVENTS: Final = 20_000
WANTED_MEGABYTES: Final = {"counts only": 250, "forecaster": 1200}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process takes, in MB of a million bytes."""

    role: str
    peak: float
    now: float
    has_tensorflow: bool

    @property
    def wanted(self) -> int:
        return WANTED_MEGABYTES[self.role]

    @property
    def is_fine(self) -> bool:
        return self.peak < self.wanted and (self.role == "forecaster" or not self.has_tensorflow)


def usage_of(process: subprocess.Popen[bytes], role: str) -> Usage:
    proc = Path(f"/proc/{process.pid}")
    found = dict(re.findall(r"(VmHWM|VmRSS):\s+(\d+) kB", (proc / "status").read_text()))
    peak, now = (int(found[name]) * 1024 / 1e6 for name in ("VmHWM", "VmRSS"))
    return Usage(role, peak, now, has_tensorflow="tensorflow" in (proc / "maps").read_text())


def measure(lab: Lab, events: int) -> list[Usage]:
    options = {"bucket_seconds": 60, "session_timeout_seconds": SESSION_SECONDS}
    with lab.deployment(partitions=PARTITIONS, **options) as d:
        lab.step("two consumers start and share the partitions")
        members = Members(d, 2)
        wait_for_everybody(d, 2)
        simulate(d, WARM_UP_EVENTS, START_MS, rate=200)
        members.wait_for_model()
        lab.step(f"{events:,} events pile up, then both read them")
        reached_ms = max(members.store.read_progress().watermarks.values())
        start_ms = reached_ms + d.settings.max_out_of_orderness_ms
        members.piled_up(lambda: simulate(d, events, start_ms, *FAULTS, rate=200))
        members.wait_for_buckets(1)
        logs = sorted(d.logs.glob("*-consume.log"))
        is_forecaster = [FORECASTER_SAYS in log.read_text() for log in logs]
        if sum(is_forecaster) != 1:
            raise BenchError("partition 0 went from one to the other: run it again")
        roles = zip(is_forecaster, members.processes, strict=True)
        found = [usage_of(p, "forecaster" if is_it else "counts only") for is_it, p in roles]
        members.close()
    return sorted(found, key=lambda usage: usage.role)


@click.command()
@click.option("--events", type=int, default=300_000, show_default=True)
@click.option("--kafka", metavar="HOST:PORT", help="With --redis: services that run already.")
@click.option("--redis", metavar="URL", help="By default both are started, and ended.")
def main(events: int, kafka: str | None, redis: str | None) -> None:
    """Print what a counting consumer and the forecaster take; exit 1 when it is too much."""
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
        services(kafka, redis, Path(folder)) as (kafka_at, redis_at),
    ):
        usages = measure(Lab(kafka_at, redis_at, Path(folder)), events)
    print(f"two consumers, {events:,} events read at once, MB")
    print(f"{'':<12} {'peak':>6} {'now':>6} {'wanted below':>13} {'ratio':>6} {'TensorFlow':>11}")
    for usage in usages:
        print(
            f"{usage.role:<12} {usage.peak:6.0f} {usage.now:6.0f} {usage.wanted:13} "
            f"{usage.peak / usage.wanted:6.2f} {'yes' if usage.has_tensorflow else 'no':>11}"
        )
    sys.exit(0 if all(usage.is_fine for usage in usages) else 1)


if __name__ == "__main__":
    main()
