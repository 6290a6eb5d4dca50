"""The script calls that many consumers make, over as many connections, from one process.

The calls are those that `RedisStore` makes, byte for byte: a client that only writes down what it
is asked for gets them, and numbers that change from call to call are filled in. Each connection has
one call under way, as a consumer has.
"""

import selectors
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from bench.lab import START_MS, BenchError
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from state.redis_client import RedisClient, Script
from state.redis_store import RedisStore
from state.store import Batch

FIRST_OFFSET: Final = 1_000_000_000
"""Where offsets begin: all have as many digits, so that a call keeps its length."""

APPLIED: Final = b"*1\r\n$7\r\napplied\r\n"
"""What Redis answers to a batch that it took."""

_FILLED_IN: Final = tuple(7_100_000_000_000 + n for n in range(6))
"""Stand for the numbers of a batch that are filled in; offsets have fewer digits."""

_FILLED_OFFSETS: Final = (7_100_000_001, 7_100_000_002)


class _Written(Exception):  # noqa: N818 (not an error: it carries the call)
    def __init__(self, call: bytes) -> None:
        super().__init__()
        self.call = call


class _Writer(RedisClient):
    """A client that writes calls down instead of making them."""

    def __init__(self, settings: Settings) -> None:  # no connection
        self._settings = settings

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        if any(key.endswith("rights:h") for key in keys):
            return []  # rights are tried before a store's first call alone: none is denied
        raise _Written(encoded("EVALSHA", script.sha, len(keys), *keys, *arguments))


def encoded(*words: object) -> bytes:
    """Return a command as Redis reads it."""
    raw = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"".join([b"*%d\r\n" % len(raw), *(b"$%d\r\n%b\r\n" % (len(w), w) for w in raw)])


def written(settings: Settings, ask: Callable[[RedisStore], object]) -> bytes:
    """Return the call that a store makes when it is asked for something."""
    store = RedisStore(_Writer(settings), settings)
    try:
        ask(store)
    except _Written as made:
        return made.call
    raise RuntimeError("the store made no call")


def applying(settings: Settings, partition: int, genres: Sequence[str]) -> bytes:
    """Return the call that applies a batch of one bucket, one click a genre.

    To be filled in with %: expected and next offset, watermark before and after, front, its
    timestamp, bucket.
    """
    before, after, front, stamp, bucket, _ = _FILLED_IN
    cell = (1, 60_000, 1, 30, 1, 1, 0, 0)
    if len(cell) != MEASURE_COUNT:
        raise RuntimeError("the cell has other measures than the contract")
    batch = Batch(
        partition, *_FILLED_OFFSETS, before, after, (front, stamp),
        {(bucket, genre): cell for genre in genres}, counted=len(genres),
    )  # fmt: skip
    call = written(settings, lambda store: store.apply(batch)).replace(b"%", b"%%")
    for number in (*_FILLED_OFFSETS, before, after, front, stamp, bucket):
        call = call.replace(str(number).encode(), b"%d", 1)
    return call


def end_of(reply: bytes, at: int = 0) -> int:
    """Return where a reply ends; -1 when it has not all come."""
    line = reply.find(b"\r\n", at)
    if line < 0:
        return -1
    kind, size = reply[at : at + 1], reply[at + 1 : line]
    if kind == b"$":
        end = line + 2 + (int(size) + 2 if size != b"-1" else 0)
        return end if end <= len(reply) else -1
    end = line + 2
    for _ in range(int(size) if kind == b"*" else 0):
        end = end_of(reply, end)
        if end < 0:
            return -1
    return end


@dataclass(slots=True)
class Clock:
    """Event time of a run: one bucket after the other."""

    bucket_ms: int
    start_ms: int


@dataclass(slots=True)
class Member:
    """One consumer: reads where its partitions stand, then applies a batch to each of them.

    Attributes:
        link: Its connection.
        reading: The call that reads.
        batches: Per partition the call that applies, to be filled in.
        offsets: Per partition the next offset.
        at: Which call of its turn is under way.
    """

    link: socket.socket
    reading: bytes
    batches: list[bytes]
    clock: Clock
    offsets: list[int] = field(default_factory=list)
    at: int = 0
    _reply: bytes = b""

    def __post_init__(self) -> None:
        self.offsets = [FIRST_OFFSET] * len(self.batches)

    def ask(self) -> None:
        """Make the next call."""
        if self.at == 0:
            self.link.sendall(self.reading)
            return
        at_ms, offset = self.clock.start_ms, self.offsets[self.at - 1]
        numbers = (offset, offset + 1, at_ms, at_ms, at_ms, at_ms, at_ms)
        self.link.sendall(self.batches[self.at - 1] % numbers)

    def hear(self) -> bool:
        """Take what came; True once the call under way is answered.

        Raises:
            BenchError: Redis did not do what it was asked for.
        """
        self._reply += self.link.recv(65_536)
        if end_of(self._reply) < 0:
            return False
        if self._reply[:1] == b"-" or (self.at and self._reply != APPLIED):
            raise BenchError(f"Redis answered {self._reply[:200]!r}")
        if self.at:
            self.offsets[self.at - 1] += 1
        self._reply = b""
        self.at = (self.at + 1) % (1 + len(self.batches))
        return True

    @property
    def applied(self) -> int:
        """Batches that Redis took."""
        return sum(self.offsets) - FIRST_OFFSET * len(self.offsets)


class Crowd:
    """Many members at once, each with one call under way."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self._selector = selectors.DefaultSelector()
        for member in members:
            self._selector.register(member.link, selectors.EVENT_READ, member)

    @property
    def calls_a_turn(self) -> int:
        """Calls that all of them make in a turn each."""
        return sum(1 + len(member.batches) for member in self.members)

    def take_turn(self) -> None:
        """Have every member make one turn."""
        for member in self.members:
            member.ask()
        under_way = len(self.members)
        while under_way:
            for key, _ in self._selector.select():
                member = key.data
                if not member.hear():
                    continue
                if member.at == 0:
                    under_way -= 1
                else:
                    member.ask()

    def close(self) -> None:
        """Close all connections."""
        self._selector.close()
        for member in self.members:
            member.link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def gather(
    settings: Settings, address: tuple[str, int], shape: tuple[int, int], cells: int, genres: int
) -> tuple[Crowd, Clock]:
    """Make members that share partitions evenly, connected.

    Args:
        settings: The deployment; it must be open, its scripts loaded.
        address: Where Redis listens.
        shape: Members and partitions.
        cells: Genres of each batch; they go round.
        genres: How many there are.
    """
    clock = Clock(settings.bucket_ms, START_MS)
    names = [f"genre-{n:05d}" for n in range(genres)]
    made = []
    for own in _shares(*shape):
        call = written(settings, lambda store, own=own: store.read_progress(own))  # type: ignore[misc]
        batches = [
            applying(settings, p, [names[(p * 7 + n) % genres] for n in range(cells)]) for p in own
        ]
        link = socket.create_connection(address)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.append(Member(link, call, batches, clock))
    return Crowd(made), clock


def _shares(members: int, partitions: int) -> Iterator[list[int]]:
    for own in np.array_split(np.arange(partitions), members):
        yield own.tolist()
