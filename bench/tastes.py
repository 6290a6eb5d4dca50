"""What tastes cost: a whole consumer with them and without; bytes in Redis per user.

    python -m bench.tastes                  both
    python -m bench.tastes --only memory    bytes per user alone: exact, and alike on any machine

A real `genrecast consume` works off a full topic, one with tastes and one without in turns; CPU
seconds are those of the whole process, wall time includes waiting for Redis. For memory, users with
an id of 8 characters and so many genres each are written as the consumer does, and Redis is asked.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Final

import click
import redis as redis_client
from pydantic import SecretStr

from bench.consumers import SESSION_SECONDS, Members
from bench.filling import simulate
from bench.ingest import WARM_UP_MS, warmed_up
from bench.lab import START_MS, Lab, Teller, services
from bench.serving import write_tastes
from contracts.settings import Settings
from stack.runner import Stack
from state.redis_tastes import RedisTastes

WANTED_SHARE: Final = 0.75
"""Of the speed without tastes, what must be left."""

GENRES: Final = (1, 2, 4, 8, 16)
"""Genres of each user."""


def ingest(lab: Lab, events: int, *, tastes: bool) -> tuple[float, float]:
    """Return CPU and wall microseconds an event of a consumer on one partition."""
    options = {"bucket_seconds": 60, "session_timeout_seconds": SESSION_SECONDS, "tastes": tastes}
    with lab.deployment(partitions=1, **options) as d:
        members = warmed_up(Members(d, 1))
        slice_ = members.piled_up(lambda: simulate(d, events, START_MS + WARM_UP_MS))
        members.close()
    return slice_.microseconds, 1e6 * slice_.wall_seconds / slice_.events


def measure_ingest(lab: Lab, events: int, rounds: int) -> tuple[float, float]:
    """Return the share of the speed that is left with tastes, by CPU and by wall time."""
    shares = []
    for number in range(rounds):
        lab.step(f"round {number + 1}: {events:,} events with tastes and without")
        with_them = ingest(lab, events, tastes=True)
        without = ingest(lab, events, tastes=False)
        shares.append([b / a for a, b in zip(with_them, without, strict=True)])
    cpu, wall = (statistics.median(some) for some in zip(*shares, strict=True))
    return cpu, wall


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
@click.option("--events", type=int, default=300_000, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
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
        cpu, wall = measure_ingest(Lab(kafka_at, redis_at, Path(folder)), events, rounds)
    print(f"speed with tastes over without: {cpu:.2f} by CPU, {wall:.2f} by wall time", end="; ")
    print(f"wanted {WANTED_SHARE}")


if __name__ == "__main__":
    main()
