"""Scale-out: more consumers on the same topic, and how long a rebalance holds partitions up."""

import signal
import statistics
import threading
import time
from collections.abc import Callable
from typing import Final

from kafka import KafkaProducer

from bench.consumers import SESSION_SECONDS, Members
from bench.filling import Shape, fill, values
from bench.lab import START_MS, Lab, wait_until
from bench.results import Cell, Part, Plot, Ratio, Table
from contracts.clock import MS_PER_SECOND
from tests.deployment import Deployment

HOW: Final = (
    "One, two and four `genrecast consume` of one deployment, 8 partitions; all are stopped while "
    "records pile up, then go on together. Events per CPU second count all of them together: the "
    "machine's cores are shared with the broker, so wall time shows its cores, not the scaling. "
    "For rebalances an event goes to every partition 20 times a second; the longest time that any "
    "partition stood still is taken while a member joins, leaves (SIGTERM), and before that while "
    "nobody comes or goes. A group hears of a join or leave with its next heartbeat."
)

PARTITIONS: Final = 8
TRICKLE_SECONDS: Final = 0.05
"""Pause between two events of a partition while members come and go, seconds."""

CALM_SECONDS: Final = 3.0
"""How long nothing happens, and how long a rebalance is watched after it is over, seconds."""


def measure(lab: Lab) -> Part:
    """Measure throughput by members, then rebalances."""
    counts = lab.pick((1, 2, 4), (1, 2))
    rounds = lab.pick(3, 1)
    lab.expect("scaleout", len(counts) * rounds + 1)
    found = {count: _slices(lab, count, rounds) for count in counts}
    return _part(found, _rebalances(lab))


def _slices(lab: Lab, count: int, rounds: int) -> list[tuple[float, float]]:
    """Return CPU and wall microseconds an event of every round."""
    options = {"bucket_seconds": 3_600, "session_timeout_seconds": SESSION_SECONDS}
    found = []
    with lab.deployment(partitions=PARTITIONS, **options) as d:
        members = Members(d, count)
        members.wait_for_model()
        wait_for_everybody(d, count)
        topic, events = d.settings.topic_clicks, lab.pick(300_000, 150_000)
        fill(lab.kafka, topic, Shape(20_000, start_ms=START_MS))
        members.wait_for_applied(20_000)
        for number in range(rounds):
            lab.step(f"{count} consumers: {events:,} events")
            shape = Shape(events, start_ms=START_MS + 60_000 * (number + 1))
            slice_ = members.piled_up(lambda s=shape: fill(lab.kafka, topic, s))  # type: ignore[misc]
            found.append((slice_.microseconds, 1e6 * slice_.wall_seconds / slice_.events))
        members.close()
    return found


def wait_for_everybody(d: Deployment, count: int) -> None:
    """Wait until every member of the group has its share of the partitions."""
    wait_until(
        lambda: len(shares(d)) == count and min(shares(d)) == PARTITIONS // count,
        f"{count} members with partitions", 0.3,
    )  # fmt: skip


def shares(d: Deployment) -> list[int]:
    """Return how many partitions each member of the group has."""
    from kafka import KafkaAdminClient
    from kafka.errors import CoordinatorNotAvailableError

    admin = KafkaAdminClient(bootstrap_servers=d.kafka_bootstrap)
    try:
        group = f"genrecast-{d.settings.app}"
        members = admin.describe_groups([group])[group]["members"]
        assigned = [(m["member_assignment"] or {}).get("assigned_partitions", ()) for m in members]
        return sorted(sum(len(t["partitions"]) for t in topics) for topics in assigned)
    except CoordinatorNotAvailableError:  # the group is not there yet
        return []
    finally:
        admin.close()


class Trickle:
    """Events to every partition, steadily, on a thread; watches how long each stands still."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._send, self._watch)
        ]
        self._moved_at: dict[int, float] = {}
        self._longest = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> "Trickle":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        settings = self._members.settings
        producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, linger_ms=0)
        events = values(Shape(1_000_000, start_ms=START_MS))
        while not self._stop.wait(TRICKLE_SECONDS):
            for partition in range(PARTITIONS):
                producer.send(settings.topic_clicks, next(events), partition=partition)
        producer.close()

    def _watch(self) -> None:
        before: dict[int, int] = {}
        while not self._stop.wait(0.01):
            offsets = self._members.store.read_progress().offsets
            now = time.monotonic()
            with self._lock:
                for partition, offset in offsets.items():
                    if before.get(partition) != offset:
                        self._moved_at[partition] = now
                if self._moved_at:
                    self._longest = max(self._longest, now - min(self._moved_at.values()))
            before = offsets

    def longest_ms(self, act: Callable[[], object]) -> float:
        """Return the longest that a partition stood still while something is done, ms."""
        with self._lock:
            self._longest = 0.0
        act()
        time.sleep(CALM_SECONDS)
        with self._lock:
            return self._longest * MS_PER_SECOND


def _rebalances(lab: Lab) -> dict[str, float]:
    """Return the longest standstill, ms, calm, at a join and at a leave."""
    lab.step("rebalances: a member joins, a member leaves")
    with lab.deployment(partitions=PARTITIONS, bucket_seconds=3_600) as d:
        members = Members(d, 1)
        members.wait_for_model()
        wait_for_everybody(d, 1)

        def join() -> None:
            members.processes.append(d.start("consume"))
            wait_for_everybody(d, 2)

        def leave() -> None:
            process = members.processes.pop()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            wait_for_everybody(d, 1)

        with Trickle(members) as trickle:
            time.sleep(CALM_SECONDS)
            found = {"calm": trickle.longest_ms(lambda: None)}
            found["join"] = trickle.longest_ms(join)
            found["leave"] = trickle.longest_ms(leave)
            found["heartbeat"] = d.settings.session_timeout_seconds / 5 * MS_PER_SECOND
        members.close()
    return found


def _part(found: dict[int, list[tuple[float, float]]], stills: dict[str, float]) -> Part:
    cpu = {count: statistics.median(us for us, _ in each) for count, each in found.items()}
    wall = {count: statistics.median(us for _, us in each) for count, each in found.items()}
    most = max(found)
    ratios = [
        Ratio(
            "scaleout.cpu",
            f"events per CPU second of {most} consumers together, over one",
            cpu[1] / cpu[most], "higher",
        ),
        *(
            Ratio(
                f"scaleout.{name}", f"longest standstill of a partition at a {name}, in heartbeats",
                stills[name] / stills["heartbeat"], "lower",
            )
            for name in ("join", "leave")
        ),
    ]  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{count} consumers", 1e6 / cpu[count], cpu[1] / cpu[count], 1e6 / wall[count])
        for count in found
    )
    columns = ("", "events per CPU second", "over one", "events per second of wall time")
    still_rows: tuple[tuple[Cell, ...], ...] = tuple(
        (says, stills[name])
        for name, says in (
            ("calm", "nobody comes or goes"), ("join", "a member joins"),
            ("leave", "a member leaves"), ("heartbeat", "a heartbeat, for comparison"),
        )
    )  # fmt: skip
    series: dict[str, tuple[tuple[float, float], ...]]
    series = {f"genrecast, {count} of them": ((1e6 / cpu[count], 0.0),) for count in found}
    title = "Scale-out: events per CPU second, consumers together"
    return Part(
        "scaleout", "Scale-out", HOW, tuple(ratios),
        (
            Table("Throughput", columns, rows),
            Table("Longest standstill of any partition", ("", "milliseconds"), still_rows),
        ),
        (Plot("bars", title, "", "", series),),
    )  # fmt: skip
