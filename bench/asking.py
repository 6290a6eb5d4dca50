"""Recommendations: requests at a planned rate to `genrecast serve`, while clicks come.

python -m bench.asking HOST PORT RATE SECONDS OUT    the users' own process
"""

import asyncio
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import orjson
import psutil

from bench.consumers import cpu_seconds
from bench.lab import START_MS, BenchError, Lab, wait_until
from bench.results import Cell, Part, Ratio, Table
from bench.serving import GENRES, buckets_coming, write_tastes
from bench.spread import percentile
from contracts.collector import settle_collector
from state.redis_tastes import RedisTastes
from tests.deployment import Deployment
from tests.forecast_topic import Published, publishing
from tests.served import ServeProcess, start_serve

HOW: Final = (
    "`genrecast serve` on a real topic and a real Redis, 20 genres, a bucket a second, "
    "`genrecast simulate` at 1,000 clicks/s beside it for the shows' rates. Users ask at a fixed "
    "rate, whatever the answers take (open loop): *latency* is from the moment a request was due "
    "to the last byte of its answer. They are in a process of their own on the same machine; half "
    "of them have tastes in 8 genres, the others are new. Answers are logged to their topic."
)

RATE: Final = 200
"""Requests per second."""

P99_WANTED_MS: Final = 20.0
"""Most latency, 99th percentile."""

USERS: Final = 10_000
"""Users that ask; every other one has a taste."""

TASTED_GENRES: Final = 8
"""Genres of each taste."""

BUCKETS_BEFORE: Final = 120
"""Buckets that the service finds on the topic."""

WARM_SECONDS: Final = 2.0
"""Seconds at the beginning that are not counted: connections are made."""

TRAFFIC: Final = ("--rate=1000", "--seconds=600")
"""Options of the simulator beside it."""

HEAD_END: Final = b"\r\n\r\n"

IDLE_SECONDS: Final = 2.0
"""A connection that was not used for so long is not used again: the service closes idle ones."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Seen:
    """What the users of one process have seen."""

    latencies_ms: list[float] = field(default_factory=list)
    failed: int = 0
    by_taste: int = 0
    degraded: int = 0
    connections: int = 0


class Asker:
    """Asks over connections that are kept; one more is made when none is free."""

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port
        self._free: list[tuple[Connection, float]] = []
        self.seen = Seen()

    async def ask(self, user: str, due: float, is_counted: bool) -> None:
        """Ask for one user; note how long after `due` the answer was there."""
        try:
            body = await self._answer(user)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self.seen.failed += 1
            return
        if is_counted:
            self.seen.latencies_ms.append(1000 * (time.perf_counter() - due))
            answer = orjson.loads(body)
            self.seen.by_taste += answer["source"] == "taste"
            self.seen.degraded += answer["problem"] is not None

    async def _answer(self, user: str) -> bytes:
        reader, writer = await self._connection()
        request = f"GET /v1/users/{user}/recommendations HTTP/1.1\r\nHost: bench\r\n\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(HEAD_END)).lower()
        if not head.startswith(b"http/1.1 200"):
            raise ValueError(head[:40])
        _, _, length = head.partition(b"\r\ncontent-length: ")
        body = await reader.readexactly(int(length.partition(b"\r\n")[0]))
        self._free.append(((reader, writer), time.monotonic()))
        return body

    async def _connection(self) -> Connection:
        """Return the connection that was used last, or a new one."""
        if self._free:
            connection, used_at = self._free.pop()
            if time.monotonic() - used_at < IDLE_SECONDS:
                return connection
            for (_, writer), _ in [(connection, used_at), *self._free]:
                writer.close()
            self._free.clear()
        self.seen.connections += 1
        return await asyncio.open_connection(*self._where)


async def ask_all(host: str, port: int, rate: float, seconds: float) -> Seen:
    """Ask at a rate for so long."""
    asker, choice = Asker(host, port), random.Random(1)
    # The users' own process must not be what they wait for.
    settle_collector()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as asking:
        for number in range(round(rate * (seconds + WARM_SECONDS))):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            is_counted = number >= rate * WARM_SECONDS
            user = f"u{choice.randrange(USERS)}"
            asking.create_task(asker.ask(user, due, is_counted))
    return asker.seen


def fill_tastes(d: Deployment) -> None:
    """Give every other user a taste."""
    tastes = RedisTastes.connect(d.settings)
    try:
        users = [f"u{number}" for number in range(0, USERS, 2)]
        write_tastes(tastes, users, GENRES[:TASTED_GENRES], START_MS)
    finally:
        tastes.close()


def has_shows(site: ServeProcess) -> bool:
    """Say whether the shows' rates are there; the simulator has genres of its own."""
    text = site.get("/metrics").body.decode()
    line = 'genrecast_serve_show_clicks_total{place="read"} '
    found = [one for one in text.splitlines() if one.startswith(line)]
    return bool(found) and float(found[0].removeprefix(line)) > 0


def run(lab: Lab, d: Deployment, published: Published, seconds: float) -> tuple[Seen, float]:
    """Return what users saw, and the service's CPU seconds per request."""
    site = start_serve(d, f"--serve-requests-per-second={10 * RATE}")
    wait_until(lambda: has_shows(site), "clicks read for the shows")
    process = psutil.Process(site.process.pid)
    with buckets_coming(published):
        before = cpu_seconds(process)
        found = lab.run_module("bench.asking", site.host, site.port, RATE, seconds)
        spent = cpu_seconds(process) - before
    site.end()
    seen = Seen(**found)
    if seen.failed or not seen.latencies_ms:
        raise BenchError(f"{seen.failed} of the requests were not answered")
    return seen, spent / (len(seen.latencies_ms) + RATE * WARM_SECONDS)


def measure(lab: Lab) -> Part:
    """Measure latency at 200 requests a second."""
    seconds = lab.pick(60.0, 10.0)
    lab.expect("recommendations", 1)
    with lab.deployment(partitions=4) as d, publishing(d.settings) as published:
        published.publish(GENRES, BUCKETS_BEFORE)
        fill_tastes(d)
        d.start("simulate", *TRAFFIC)
        lab.step(f"{RATE} requests a second")
        seen, cpu = run(lab, d, published, seconds)
    p50, p99 = percentile(seen.latencies_ms, 50), percentile(seen.latencies_ms, 99)
    ratio = Ratio(
        "recommendations.p99", f"recommendations, {RATE} requests/s: latency, ms, p99", p99,
        "lower", P99_WANTED_MS, is_ratio=False,
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = (
        ("latency, ms, median", p50),
        ("latency, ms, p99", p99),
        ("latency, ms, largest", max(seen.latencies_ms)),
        ("requests", len(seen.latencies_ms)),
        ("of them ranked by a taste", seen.by_taste),
        ("of them degraded: tastes not read in time", seen.degraded),
        ("connections", seen.connections),
        ("the service's CPU per request, ms", 1000 * cpu),
    )
    table = Table(f"{RATE} requests a second, {len(GENRES)} genres", ("", "measured"), rows)
    return Part("recommendations", "Recommendations", HOW, (ratio,), (table,))


def main(arguments: list[str]) -> None:
    """Ask, and leave what was seen in a file."""
    host, port, rate, seconds, out = arguments
    seen = asyncio.run(ask_all(host, int(port), float(rate), float(seconds)))
    Path(out).write_bytes(orjson.dumps(asdict(seen)))


if __name__ == "__main__":
    main(sys.argv[1:])
