"""One Redis, a crowd of consumers' calls on it, and a forecaster that closes beside them."""

import socket
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis

from bench.lab import START_MS, BenchError
from bench.redis_load import FIRST_OFFSET, end_of, gather, written
from contracts.settings import Settings
from stack.parts import RedisServer
from stack.ports import HOST, pick_port
from stack.settings import StackSettings
from state.redis_store import RedisStore
from state.store import Batch, Sealed

GENRES, CELLS = 1_000, 10
"""Genres of a deployment, and (bucket, genre) cells of a batch."""

BUCKET_SECONDS: Final = 60
"""Of event time; each turn of a run is in the next one."""

TURNS: Final = 4
"""Turns of each member in a run."""


@dataclass(slots=True)
class Slot:
    """One Redis and what its CPU went to."""

    server: RedisServer
    client: "redis.Redis" = field(init=False)

    def __post_init__(self) -> None:
        self.client = redis.Redis.from_url(self.server.url)

    def settings(self, app: str) -> Settings:
        """A deployment's settings."""
        return Settings.model_validate(
            {"app": app, "redis_url": self.server.url, "bucket_seconds": BUCKET_SECONDS}
        )

    def cpu_seconds(self) -> float:
        """CPU that Redis has used, all threads."""
        told = self.client.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

    @contextmanager
    def counted(self) -> Iterator[list[float]]:
        """Give a list that holds, after the block, the CPU that Redis used in it, microseconds."""
        spent: list[float] = []
        before = self.cpu_seconds()
        yield spent
        spent.append(1e6 * (self.cpu_seconds() - before))

    def cost_of(self, call: bytes, times: int) -> float:
        """Return the CPU of one call, made so often, each after the answer to the one before."""
        with socket.create_connection((HOST, self.server.port)) as link, self.counted() as spent:
            for _ in range(times):
                link.sendall(call)
                reply = b""
                while end_of(reply) < 0:
                    reply += link.recv(1 << 20)
                if reply[:1] == b"-":
                    raise BenchError(f"Redis answered {reply[:200]!r}")
        return spent[0] / times


@contextmanager
def slot() -> Iterator[Slot]:
    """A Redis of its own, with the stack's settings."""
    with tempfile.TemporaryDirectory(prefix="genrecast-slot-") as folder:
        server = RedisServer(Path(folder), StackSettings())
        server.port = pick_port()
        server.start(dies_with_parent=True)
        try:
            yield Slot(server)
        finally:
            server.kill()


def opened(settings: Settings, partitions: int) -> RedisStore:
    """Open a deployment whose partitions all begin at the same offset; all scripts are loaded."""
    store = RedisStore.connect(settings)
    store.open()
    for p in range(partitions):
        store.apply(Batch(p, 0, FIRST_OFFSET))
    store.read_progress([])
    store.renew_idle(0, FIRST_OFFSET, 0)
    return store


@dataclass(slots=True)
class Closings:
    """A forecaster that closes what is due, and what it cost Redis."""

    on: Slot
    store: RedisStore
    partitions: int
    published_ms: int | None = None
    seals: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)
    clicks: int = 0

    def close_next(self) -> bool:
        """Close a bucket; False when none is due."""
        with self.on.counted() as spent:
            sealed = self.store.seal(
                partition_count=self.partitions, now_ms=0, expect_published_ms=self.published_ms
            )
        if not isinstance(sealed, Sealed):
            return False
        self.seals.append(spent[0])
        with self.on.counted() as spent:
            self.store.commit(sealed)
        self.commits.append(spent[0])
        self.published_ms = sealed.bucket_ms
        self.clicks += int(sealed.cells[:, 0].sum())
        return True


@dataclass(frozen=True, slots=True)
class Run:
    """What a crowd's calls took of Redis's CPU.

    Attributes:
        calls: How many; `batches`: applied by them.
        calls_a_turn: Calls until every member had one turn.
        cpu_seconds: Redis's, for the calls.
        closing_ms: Redis's CPU to close a bucket, seal and commit.
    """

    calls: int
    batches: int
    calls_a_turn: int
    cpu_seconds: float
    closing_ms: float

    @property
    def full_at(self) -> float:
        """Calls that one second of Redis's CPU takes."""
        return self.calls / self.cpu_seconds


def crowded(
    on: Slot, app: str, shape: tuple[int, int], *, cells: int = CELLS, reads_all: bool = False
) -> Run:
    """Have members work on a deployment for some turns, a bucket each, closed as they come due.

    Args:
        on: Where.
        app: The deployment.
        shape: Members and partitions.
        cells: (bucket, genre) pairs of each batch.
        reads_all: Whether each reads where all partitions stand, at every turn.

    Raises:
        BenchError: The counts are not exact.
    """
    settings = on.settings(app)
    store = opened(settings, shape[1])
    crowd, clock = gather(settings, (HOST, on.server.port), shape, cells, GENRES)
    if reads_all:
        for member in crowd.members:
            member.reading = written(settings, lambda one: one.read_progress())
    closings, cpu_us = Closings(on, store, shape[1]), 0.0
    with crowd:
        for number in range(TURNS):
            clock.start_ms = START_MS + number * settings.bucket_ms
            with on.counted() as spent:
                crowd.take_turn()
            cpu_us += spent[0]
            closings.close_next()
        sent = sum(member.applied for member in crowd.members)
    held = sum(cell[0] for bucket in store.read_open().values() for cell in bucket.values())
    counted = store.read_totals()["counted"]
    store.close()
    if not sent * cells == counted == held + closings.clicks:
        raise BenchError(f"sent {sent * cells}, counted {counted}, published {closings.clicks}")
    closing_us = statistics.median(map(sum, zip(closings.seals, closings.commits, strict=True)))
    return Run(
        TURNS * crowd.calls_a_turn, sent, crowd.calls_a_turn, cpu_us / 1e6, closing_us / 1000
    )
