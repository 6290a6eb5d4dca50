"""Memory of a consumer process: of one that only counts, and of the forecaster.

    uv run python -m bench.memory --events 300000

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import CoordinatorNotAvailableError

from bench._running import (
    frozen,
    options_of,
    running,
    say,
    wait_for_applied,
    wait_until,
    write_figures,
)
from bench.ingest import simulate
from contracts.settings import Settings
from state.redis_store import RedisStore
from tests.deployment import Deployment

BUCKET_SECONDS: Final = 60
WARM_UP_EVENTS: Final = 20_000
WANTED_MEGABYTES: Final = {"counts only": 250, "forecaster": 1200}
FORECASTER_SAYS: Final = "this member is the forecaster, model lstm"


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


def partitions_each(settings: Settings) -> list[int]:
    """Return how many partitions each member of the group has."""
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    try:
        group = f"genrecast-{settings.app}"
        members = admin.describe_groups([group])[group]["members"]
        assigned = [(m["member_assignment"] or {}).get("assigned_partitions", ()) for m in members]
        return sorted(sum(len(t["partitions"]) for t in topics) for topics in assigned)
    except CoordinatorNotAvailableError:  # the group is not there yet
        return []
    finally:
        admin.close()


def measure(deployment: Deployment, events: int) -> list[Usage]:
    store = RedisStore.connect(deployment.settings)
    store.open()
    members = [deployment.start("consume"), deployment.start("consume")]
    say("two consumers start and share the partitions")
    wait_until(lambda: partitions_each(deployment.settings) == [4, 4], "4 partitions each", 0.5)
    simulate(deployment, store, WARM_UP_EVENTS, "sound")
    wait_until(lambda: FORECASTER_SAYS in deployment.log_text(), "a forecaster", 0.5)
    say(f"{events:,} events pile up, then both read them")
    with frozen(*members):
        simulate(deployment, store, events, "with faults")
    wait_for_applied(store, WARM_UP_EVENTS + events)
    wait_until(lambda: store.read_totals().get("buckets", 0) > 0, "published buckets")
    logs = sorted(deployment.logs.glob("*-consume.log"))
    is_forecaster = [FORECASTER_SAYS in log.read_text() for log in logs]
    if sum(is_forecaster) != 1:
        raise SystemExit("partition 0 went from one to the other: run it again")
    return [
        usage_of(member, "forecaster" if is_it else "counts only")
        for is_it, member in sorted(zip(is_forecaster, members, strict=True), key=lambda x: x[0])
    ]


def show(usages: list[Usage], events: int) -> None:
    print(f"two consumers, {events:,} events read at once, MB")
    print(f"{'':<12} {'peak':>6} {'now':>6} {'wanted below':>13} {'ratio':>6} {'TensorFlow':>11}")
    for usage in usages:
        print(
            f"{usage.role:<12} {usage.peak:6.0f} {usage.now:6.0f} {usage.wanted:13} "
            f"{usage.peak / usage.wanted:6.2f} {'yes' if usage.has_tensorflow else 'no':>11}"
        )


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    asked = parser.parse_args()
    with running(asked, bucket_seconds=BUCKET_SECONDS, session_timeout_seconds=120) as deployment:
        usages = measure(deployment, asked.events)
    show(usages, asked.events)
    write_figures("memory", {"events": asked.events, "processes": [asdict(u) for u in usages]})
    sys.exit(0 if all(usage.is_fine for usage in usages) else 1)


if __name__ == "__main__":
    main()
