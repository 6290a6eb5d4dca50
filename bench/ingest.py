"""Events per CPU second of one consumer process, poll to Redis, beside a bare `poll()` loop.

    uv run python -m bench.ingest --events 400000 --rounds 3

A real `genrecast consume` loads its model and closes a first bucket, so that start-up is over.
Then, each round, it is stopped (SIGSTOP) while the simulator fills the topic, and goes on over
the full topic. Its CPU seconds are those of the whole process, forecasting included, from that
moment until Redis holds the last record. The bare loop reads the same records with the same
client options and does nothing with them.
"""

import argparse
import datetime
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Final

import psutil
from kafka import KafkaConsumer, TopicPartition

from bench._running import (
    frozen,
    options_of,
    running,
    say,
    wait_for_applied,
    wait_until,
    write_figures,
)
from consumer.broker.source import MAX_FETCH_BYTES
from contracts.settings import Settings
from state.redis_store import RedisStore
from tests.deployment import Deployment

START_MS: Final = 1_767_571_200_000
WARM_UP_EVENTS: Final = 100_000

TRAFFIC: Final = {
    "sound": (),
    "with faults": (
        "--disorder-seconds=4",
        "--late=0.01",
        "--duplicates=0.01",
        "--malformed=0.005",
    ),
}
"""What is on the topic: clicks as they should be, and as they come."""


@dataclass(frozen=True, slots=True)
class Round:
    """One full topic, read twice."""

    traffic: str
    events: int
    cpu_seconds: float
    wall_seconds: float
    bare_cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.events / self.cpu_seconds

    @property
    def ratio(self) -> float:
        return self.bare_cpu_seconds / self.cpu_seconds


def simulate(running_one: Deployment, store: RedisStore, events: int, traffic: str) -> None:
    """Fill the topic, in event time from where it ends."""
    reached_ms = max(store.read_progress().watermarks.values(), default=START_MS)
    start_ms = reached_ms + running_one.settings.max_out_of_orderness_ms
    start = datetime.datetime.fromtimestamp(start_ms / 1000, datetime.UTC).isoformat()
    running_one.run("simulate", f"--events={events}", f"--start={start}", *TRAFFIC[traffic])


def bare_poll(settings: Settings, begins: dict[int, int], ends: dict[int, int]) -> float:
    """Return the CPU seconds of reading from `begins` to `ends` and counting the records."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed",
        check_crcs=False,
        max_poll_records=settings.max_poll_records,
        max_partition_fetch_bytes=MAX_FETCH_BYTES,
    )
    consumer.assign([TopicPartition(settings.topic_clicks, p) for p in ends])
    for p, begin in begins.items():
        consumer.seek(TopicPartition(settings.topic_clicks, p), begin)
    left = sum(ends.values()) - sum(begins.values())
    began = time.process_time()
    while left > 0:
        left -= sum(map(len, consumer.poll(timeout_ms=1000).values()))
    spent = time.process_time() - began
    consumer.close()
    return spent


def measure(deployment: Deployment, events: int, rounds: int) -> list[Round]:
    store = RedisStore.connect(deployment.settings)
    store.open()
    consumer = deployment.start("consume")
    say("a consumer starts, loads its model and closes a bucket")
    simulate(deployment, store, WARM_UP_EVENTS, "sound")
    wait_until(lambda: store.read_totals().get("buckets", 0) > 0, "a published bucket")
    wait_for_applied(store, WARM_UP_EVENTS)
    process, done = psutil.Process(consumer.pid), []
    for traffic in TRAFFIC:
        for number in range(rounds):
            say(f"{traffic}, round {number + 1} of {rounds}: filling the topic, reading it")
            begins = store.read_progress().offsets
            applied = sum(begins.values())
            with frozen(consumer):
                simulate(deployment, store, events, traffic)
                cpu = sum(process.cpu_times()[:2])
            wall = time.monotonic()
            wait_for_applied(store, applied + events)
            cpu = sum(process.cpu_times()[:2]) - cpu
            wall = time.monotonic() - wall
            bare = bare_poll(deployment.settings, begins, store.read_progress().offsets)
            done.append(Round(traffic, events, cpu, wall, bare))
    return done


def show(rounds: list[Round]) -> None:
    print("events per CPU second of a consumer process, median (least - most) of the rounds")
    print(f"{'traffic':<12} {'consume':>28} {'bare poll()':>12} {'ratio':>6} {'per wall s':>16}")
    for traffic in TRAFFIC:
        some = [one for one in rounds if one.traffic == traffic]
        ours = sorted(one.per_cpu_second for one in some)
        spread = f"{statistics.median(ours):,.0f} ({ours[0]:,.0f} - {ours[-1]:,.0f})"
        bare = statistics.median(one.events / one.bare_cpu_seconds for one in some)
        wall = statistics.median(one.events / one.wall_seconds for one in some)
        ratio = statistics.median(one.ratio for one in some)
        print(f"{traffic:<12} {spread:>28} {bare:12,.0f} {ratio:6.2f} {wall:16,.0f}")


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="per round")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind of traffic")
    parser.add_argument("--bucket-seconds", type=int, default=300)
    asked: argparse.Namespace = parser.parse_args()
    with running(
        asked, bucket_seconds=asked.bucket_seconds, session_timeout_seconds=120
    ) as deployment:
        rounds = measure(deployment, asked.events, asked.rounds)
    show(rounds)
    write_figures("ingest", {"rounds": [asdict(one) for one in rounds]})


if __name__ == "__main__":
    main()
