"""Subscribers: a thousand streams of `genrecast serve`, some of them stalled.

python -m bench.subscribers HOST PORT READERS STALLED SECONDS OUT    the readers' own process
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import orjson
import psutil

from bench.consumers import MemorySeries, cpu_seconds, thin
from bench.lab import ROOT, BenchError, Lab, wait_until
from bench.results import Cell, Part, Plot, Ratio, Table
from bench.serving import GENRES, buckets_coming
from bench.spread import percentile
from contracts.clock import wall_clock_ms
from tests.deployment import Deployment
from tests.forecast_topic import Published, publishing
from tests.served import ServeProcess, start_serve

HOW: Final = (
    "`genrecast serve` on a real topic, 20 genres, a bucket a second in real transactions. "
    "*Delay* is from a bucket's `emitted_at` to its end being read by subscribers; these are "
    "in a process of their own on the same machine, and Kafka's transaction and the service's "
    "reading are in it. *Stalled* ones have small receive buffers and read nothing. *Memory* is "
    "the service's resident set; its growth is between the second and the last quarter of the run."
)

STALLED: Final = 10
"""Subscribers that read nothing."""

DELAY_WANTED_MS: Final = 500.0
"""Most delay of the others, 99th percentile."""

MEMORY_WANTED_MB: Final = 300.0
"""Most memory of the service with a thousand idle subscribers."""

GROWTH_WANTED: Final = 0.05
"""Most growth of memory while it runs, as a share."""

STALLED_BUFFER_BYTES: Final = 4_096
"""Receive buffer of a stalled subscriber."""

ALL_READERS: Final = (
    "--serve-max-connections=5000",
    "--serve-max-connections-per-address=5000",
    "--serve-requests-per-second=1000",
)
"""Options of a service that a thousand readers of one address may read."""

REQUEST: Final = b"GET /v1/stream HTTP/1.1\r\nHost: bench\r\n\r\n"

END: Final = b"event: bucket\nid: "
"""How the last event of a bucket begins."""


@dataclass(slots=True)
class Delays:
    """What the readers of one process have seen."""

    delays_ms: list[int] = field(default_factory=list)
    begun: int = 0
    gaps: int = 0


class Reader(asyncio.Protocol):
    """Reads a stream; notes the delay of every bucket after the first."""

    def __init__(self, seen: Delays) -> None:
        self._seen = seen
        self._rest = b""
        self._has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(REQUEST)

    def data_received(self, received: bytes) -> None:
        now, rest = wall_clock_ms(), self._rest + received
        while (at := rest.find(END)) >= 0 and (end := rest.find(b"\n\n", at)) >= 0:
            self._seen.gaps += rest.count(b"event: gap\n", 0, at)
            self._note(now, rest[max(0, at - 64) : at])
            rest = rest[end + 2 :]
        self._rest = rest

    def _note(self, now_ms: int, before: bytes) -> None:
        """Note a bucket's end; before it is the end of its last forecast."""
        _, _, emitted = before.rpartition(b'"emitted_at":')
        if self._has_begun:
            self._seen.delays_ms.append(now_ms - int(emitted.rstrip(b"}\n")))
        self._seen.begun += not self._has_begun
        self._has_begun = True


async def stall(host: str, port: int) -> asyncio.BaseTransport:
    """Subscribe and read nothing."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER_BYTES)
    peer.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, (host, port))
    await loop.sock_sendall(peer, REQUEST)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=peer)
    transport.pause_reading()
    return transport


async def read_all(host: str, port: int, readers: int, stalled: int, seconds: float) -> Delays:
    """Have all readers read for so long, after each has its first bucket."""
    seen, loop = Delays(), asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Reader(seen), host, port))[0] for _ in range(readers)
    ]
    stuck = [await stall(host, port) for _ in range(stalled)]
    deadline = time.monotonic() + 120
    while seen.begun < readers:
        if time.monotonic() > deadline:
            raise BenchError(f"{seen.begun} of {readers} streams began in 120 s")
        await asyncio.sleep(0.1)
    seen.delays_ms.clear()
    await asyncio.sleep(seconds)
    for transport in [*opened, *stuck]:
        transport.close()
    return seen


@contextlib.contextmanager
def subscribed(
    lab: Lab, site: ServeProcess, readers: int, stalled: int, seconds: float
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A process of readers beside the block, and the file that it leaves."""
    out = lab.folder / f"readers-{time.monotonic_ns()}.json"
    arguments = map(str, (site.host, site.port, readers, stalled, seconds, out))
    process = subprocess.Popen([sys.executable, "-m", "bench.subscribers", *arguments], cwd=ROOT)
    try:
        yield process, out
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Load:
    """What one run found."""

    delays_ms: list[int]
    gaps: int
    memory: tuple[tuple[float, float], ...]
    cpu_share: float
    conflated: int


def run_load(
    lab: Lab, site: ServeProcess, published: Published, readers: int, stalled: int, seconds: float
) -> Load:
    """Publish a bucket a second while readers read; return what they saw."""
    process = psutil.Process(site.process.pid)
    with subscribed(lab, site, readers, stalled, seconds) as (reading, out):
        wait_until(lambda: subscribers(site) >= readers + stalled, "all subscribers")
        before, began = cpu_seconds(process), time.monotonic()
        with MemorySeries(site.process) as memory, buckets_coming(published):
            reading.wait()
        spent = (cpu_seconds(process) - before) / (time.monotonic() - began)
    if reading.returncode:
        raise BenchError(f"the readers ended with status {reading.returncode}")
    found = json.loads(out.read_text(encoding="utf-8"))
    if not found["delays_ms"]:
        raise BenchError("no bucket reached a subscriber")
    conflated = site.get("/v1/pipeline").json["service"]["conflated"]
    return Load(found["delays_ms"], found["gaps"], thin(memory.points, 300), spent, conflated)


def subscribers(site: ServeProcess) -> int:
    """Return how many streams are open."""
    count: int = site.get("/v1/pipeline").json["service"]["subscribers"]
    return count


def growth(memory: tuple[tuple[float, float], ...]) -> float:
    """Return by what share the median memory of the last quarter is above that of the second."""
    megabytes = [value for _, value in memory]
    quarter = max(1, len(megabytes) // 4)
    second = sorted(megabytes[quarter : 2 * quarter])
    last = sorted(megabytes[-quarter:])
    return last[len(last) // 2] / second[len(second) // 2] - 1


def idle_megabytes(lab: Lab, d: Deployment, readers: int) -> tuple[float, float]:
    """Return the service's memory without and with so many subscribers to whom nothing comes."""
    site = start_serve(d, *ALL_READERS)
    process = psutil.Process(site.process.pid)
    alone = process.memory_info().rss / 1e6
    with subscribed(lab, site, readers, 0, 5) as (reading, _):
        wait_until(lambda: subscribers(site) >= readers, "all subscribers")
        loaded = process.memory_info().rss / 1e6
        reading.wait(180)
    site.end()
    return alone, loaded


def measure(lab: Lab) -> Part:
    """Measure delay and memory with readers of all kinds."""
    readers, seconds = lab.pick(1_000, 100), lab.pick(60, 10)
    lab.expect("subscribers", 2)
    with lab.deployment(partitions=1) as d, publishing(d.settings) as published:
        published.publish(GENRES, 3)
        lab.step(f"{readers:,} idle")
        alone, idle = idle_megabytes(lab, d, readers)
        lab.step(f"{readers:,} reading, {STALLED} stalled")
        site = start_serve(d, *ALL_READERS)
        load = run_load(lab, site, published, readers, STALLED, seconds)
        site.end()
    return _part(readers, alone, idle, load)


def _part(readers: int, alone: float, idle: float, load: Load) -> Part:
    p50, p99 = percentile(load.delays_ms, 50), percentile(load.delays_ms, 99)
    grown, name = growth(load.memory), f"{readers:,} subscribers"
    ratios = (
        Ratio(
            "subscribers.delay", f"{name}, {STALLED} stalled: delay of the others, ms, p99", p99,
            "lower", DELAY_WANTED_MS, is_ratio=False,
        ),
        Ratio(
            "subscribers.memory", f"{name}, idle: the service's memory, MB", idle, "lower",
            MEMORY_WANTED_MB, is_ratio=False,
        ),
        Ratio(
            "subscribers.growth", f"{name}, {STALLED} stalled: growth of its memory",
            max(0.0, grown), "lower", GROWTH_WANTED, is_ratio=False,
        ),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = (
        ("delay, ms, median", p50),
        ("delay, ms, p99", p99),
        ("delay, ms, largest", float(max(load.delays_ms))),
        ("buckets read", len(load.delays_ms)),
        ("gaps told to those who read", load.gaps),
        ("buckets conflated for the stalled", load.conflated),
        ("the service's CPU, cores", load.cpu_share),
        ("its memory alone, MB", alone),
        ("with idle subscribers, MB", idle),
        ("under load, largest, MB", max(value for _, value in load.memory)),
    )
    table = Table(f"{name}, {len(GENRES)} genres, a bucket a second", ("", "measured"), rows)
    plot = Plot(
        "lines", "Subscribers: the service's memory while some take nothing", "seconds", "MB",
        {"resident": load.memory},
    )  # fmt: skip
    return Part("subscribers", "Subscribers", HOW, ratios, (table,), (plot,))


def main(arguments: list[str]) -> None:
    """Read, and leave what was seen in a file."""
    host, port, readers, stalled, seconds, out = arguments
    seen = asyncio.run(read_all(host, int(port), int(readers), int(stalled), float(seconds)))
    Path(out).write_bytes(orjson.dumps(asdict(seen)))


if __name__ == "__main__":
    main(sys.argv[1:])
