"""What tastes cost: a whole consumer with them and without; bytes in Redis per user.

    python -m bench.tastes                  both
    python -m bench.tastes --only memory    bytes per user alone: exact, and alike on any machine

Two `genrecast consume`, one without tastes and one with them, work off full topics in turns. CPU
seconds are those of the whole process until every event is counted and in its user's taste; wall
time is until all are counted, waiting for Redis included. For memory, users with an id of 8
characters and so many genres each are written as the consumer does, and Redis is asked.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import redis as redis_client
from pydantic import SecretStr

from bench.consumers import SESSION_SECONDS, Members
from bench.filling import Shape, fill, simulate
from bench.ingest import time_after, warmed_up
from bench.lab import START_MS, Lab, Teller, services, wait_until
from bench.serving import write_tastes
from bench.spread import ratios_of
from contracts.settings import Settings
from stack.runner import Stack
from state.redis_tastes import RedisTastes
from tests.deployment import Deployment

WANTED_SHARE: Final = 0.75
"""Of the speed without tastes, what must be left."""

EVENTS_PER_MS: Final = 2
"""Event time of the traffic that is no simulator's, as that of the simulator's."""

GENRES: Final = (1, 2, 4, 8, 16)
"""Genres of each user."""

Fill = Callable[[Deployment, int, int], object]
"""Fills a deployment's topic with so many events, from an event time on."""


def strangers(d: Deployment, events: int, start_ms: int) -> None:
    """Fill a topic with clicks on two genres by 100,000 users one after the other.

    No user comes back before all others came: a record is read and written for each click.
    """
    shape = Shape(
        events, per_event=2, users=100_000, value_bytes=0, partitions=1, start_ms=start_ms,
        span_ms=events // EVENTS_PER_MS,
    )  # fmt: skip
    fill(d.kafka_bootstrap, d.settings.topic_clicks, shape)


TRAFFIC: Final[dict[str, Fill]] = {
    "the simulator's 20,000 users, some of them often": simulate,
    "100,000 users, one after the other": strangers,
}


class Consumer:
    """A consumer of one partition, with tastes or without; it works off what it is given."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.members = warmed_up(Members(deployment, 1))
        self.tastes = RedisTastes.connect(deployment.settings)

    def ingest(self, traffic: Fill, events: int) -> tuple[float, float]:
        """Return CPU and wall microseconds an event."""
        start_ms = time_after(self.members)
        slice_ = self.members.piled_up(
            lambda: traffic(self.deployment, events, start_ms), self._wait_for_tastes
        )
        return slice_.microseconds, 1e6 * slice_.wall_seconds / slice_.events

    def _wait_for_tastes(self) -> None:
        if self.deployment.settings.tastes:
            wait_until(
                lambda: self.tastes.read_offsets().get("0") == self.members.applied(), "tastes"
            )

    def close(self) -> None:
        """End it."""
        self.tastes.close()
        self.members.close()


def measure_ingest(lab: Lab, events: int, rounds: int, traffic: Fill) -> list[str]:
    """Return what is left of the speed, by CPU and by wall time, as lines."""
    options = {"bucket_seconds": 60, "session_timeout_seconds": SESSION_SECONDS}
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with (
        lab.deployment(partitions=1, **options) as off,
        lab.deployment(partitions=1, **options, tastes=True) as on,
    ):
        consumers = {False: Consumer(off), True: Consumer(on)}
        for number in range(rounds):
            for has_tastes, consumer in consumers.items():
                lab.step(f"round {number + 1} of {rounds}: {events:,} events, tastes {has_tastes}")
                times[has_tastes].append(consumer.ingest(traffic, events))
        for consumer in consumers.values():
            consumer.close()
    lines = []
    for at, kind in enumerate(("CPU", "wall")):
        without, with_tastes = ([figures[at] for figures in each] for each in times.values())
        share, spread = ratios_of(without, with_tastes)
        lines.append(
            f"{kind} µs an event {statistics.median(without):.2f} without, "
            f"{statistics.median(with_tastes):.2f} with tastes: {share:.2f} of the speed "
            f"(spread {spread:.0%})"
        )
    return lines


def bytes_per_user(
    tastes: RedisTastes, client: redis_client.Redis, users: int, genres: int
) -> float:
    """Return what a user with so many genres takes, the mean of many."""
    client.flushdb()
    before = int(client.info("memory")["used_memory"])
    ids = [f"u{number:07d}" for number in range(users)]
    write_tastes(tastes, ids, [f"genre-{number}" for number in range(genres)], START_MS)
    return (int(client.info("memory")["used_memory"]) - before) / users


def measure_memory(users: int) -> dict[int, float]:
    """Return bytes per user by number of genres, on a Redis of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
        Stack(Path(folder), 0, redis_port=0, dies_with_parent=True) as stack,
    ):
        url = stack.endpoints.redis_url
        tastes = RedisTastes.connect(Settings(redis_url=SecretStr(url), taste_genres=16))
        with redis_client.Redis.from_url(url) as client:
            found = {count: bytes_per_user(tastes, client, users, count) for count in GENRES}
        tastes.close()
    return found


@click.command()
@click.option("--only", type=click.Choice(["ingest", "memory"]))
@click.option("--events", type=int, default=600_000, show_default=True)
@click.option("--rounds", type=int, default=5, show_default=True)
@click.option("--users", type=int, default=100_000, show_default=True)
@click.option("--kafka", metavar="HOST:PORT", help="With --redis: services that run already.")
@click.option("--redis", metavar="URL", help="By default both are started, and ended.")
def main(
    only: str | None, events: int, rounds: int, users: int, kafka: str | None, redis: str | None
) -> None:
    """Print what tastes cost."""
    if only != "ingest":
        Teller().step(f"{users:,} users")
        for genres, size in measure_memory(users).items():
            print(f"{genres:3} genres: {size:5.0f} bytes a user, {size:5.0f} MB a million")
    if only == "memory":
        return
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
        services(kafka, redis, Path(folder)) as (kafka_at, redis_at),
    ):
        lab = Lab(kafka_at, redis_at, Path(folder))
        for name, traffic in TRAFFIC.items():
            print(name)
            for line in measure_ingest(lab, events, rounds, traffic):
                print(f"  {line}")
    print(f"wanted: {WANTED_SHARE} by CPU")


if __name__ == "__main__":
    main()
