"""A log, side topics and a clock in memory, for tests of the loop."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from consumer.aggregate import Elsewhere
from consumer.errors import BrokerUnavailableError
from consumer.loop import Loop
from consumer.records import Record
from contracts.settings import Settings
from state.memory_store import MemoryStore
from state.store import ApplyOutcome, Batch, StoreUnavailableError
from tests.contract.test_stores import settings_for

BEGAN = 1_000.0
"""Where the hand-moved clock begins, monotonic seconds."""


@dataclass(slots=True)
class Written:
    """A record of the log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def click(time_ms: int, *genres: str) -> bytes:
    return orjson.dumps(
        {
            "event_id": "e", "event_time": time_ms, "user_id": "u", "show_id": "s",
            "genres": genres or ("crime",),
        }
    )  # fmt: skip


@dataclass
class Log:
    """The clicks topic as one member sees it; `steps` collects what was asked of it, in order."""

    steps: list[str]
    records: dict[int, list[Written]] = field(default_factory=dict)
    begins: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    owned: frozenset[int] = frozenset()
    unplaced: frozenset[int] = frozenset()
    paused: set[int] = field(default_factory=set)
    at: dict[int, int] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    is_silent: bool = False
    before_answer: Callable[[], None] | None = None
    asked: set[int] = field(default_factory=set)
    seeks: list[tuple[int, int]] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)

    def assign(self, *partitions: int) -> None:
        """Give partitions to this member, as a rebalance does."""
        self.owned |= set(partitions)
        self.unplaced |= set(partitions)
        for p in partitions:
            self.at[p] = 0
            self.records.setdefault(p, [])
            self.ends.setdefault(p, 0)
            self.begins.setdefault(p, 0)

    def write(self, p: int, value: bytes | None, timestamp_ms: int | None = None) -> None:
        """Append a record; a click's timestamp is its event time unless given."""
        if timestamp_ms is None:
            timestamp_ms = orjson.loads(value or b"")["event_time"]
        self.records[p].append(Written(self.ends[p], timestamp_ms, b"key", value))
        self.ends[p] += 1

    def write_marker(self, p: int) -> None:
        """Append a control record: an offset that no reader gets."""
        self.ends[p] += 1

    def poll(self, timeout_ms: int) -> dict[int, Sequence[Record]]:
        found: dict[int, Sequence[Record]] = {}
        for p in self.owned - self.unplaced - self.paused - self.unreadable:
            some = [record for record in self.records[p] if record.offset >= self.at[p]]
            self.at[p] = self.ends[p]
            if some:
                found[p] = some
        return found

    def position(self, partition: int) -> int | None:
        return self.at[partition] if partition in self.owned else None

    def seek(self, partition: int, offset: int) -> None:
        self.seeks.append((partition, offset))
        self.at[partition] = offset
        self.unplaced -= {partition}

    def pause_only(self, partitions: set[int]) -> None:
        self.paused = set(partitions)

    def end_offsets(self, partitions: set[int]) -> dict[int, int]:
        self.steps.append("ask for ends")
        self.asked |= partitions
        if self.is_silent:
            raise BrokerUnavailableError("no answer")
        if self.before_answer is not None:
            self.before_answer()
        return {p: self.ends[p] for p in partitions}

    def last_end(self, partition: int) -> int | None:
        return self.ends.get(partition)

    def begin_offsets(self, partitions: set[int]) -> dict[int, int]:
        return {p: self.begins[p] for p in partitions}

    def commit(self, offsets: Mapping[int, int]) -> None:
        self.committed = dict(offsets)


@dataclass
class SideLog:
    """The late and dead-letter topics."""

    steps: list[str]
    late: list[tuple[int, int, int]] = field(default_factory=list)
    dead_letters: list[tuple[int, int, str]] = field(default_factory=list)
    is_away: bool = False
    _sent: list[tuple[int, Sequence[Elsewhere], Sequence[Elsewhere]]] = field(default_factory=list)

    def send(
        self, partition: int, late: Sequence[Elsewhere], dead_letters: Sequence[Elsewhere]
    ) -> None:
        self._sent += [(partition, late, dead_letters)]

    def flush(self) -> None:
        sent, self._sent = self._sent, []
        if self.is_away:
            raise BrokerUnavailableError("no answer")
        self.steps.append("side topics")
        for partition, late, dead_letters in sent:
            self.late += [(partition, e.record.offset, e.bucket_ms) for e in late]
            self.dead_letters += [(partition, e.record.offset, e.reason) for e in dead_letters]


class WatchedStore(MemoryStore):
    """The store, noting each batch it was given."""

    def __init__(self, settings: Settings, steps: list[str]) -> None:
        super().__init__(settings)
        self.steps = steps
        self.batches: list[Batch] = []
        self.replies_to_lose = 0

    def apply(self, batch: Batch) -> ApplyOutcome:
        self.steps.append("apply")
        self.batches.append(batch)
        outcome = super().apply(batch)
        if self.replies_to_lose:
            self.replies_to_lose -= 1
            raise StoreUnavailableError("the reply was lost")
        return outcome


@dataclass
class World:
    """One member over an empty log and an empty store, with hand-moved clocks."""

    settings: Settings
    steps: list[str]
    log: Log
    store: WatchedStore
    side: SideLog
    loop: Loop = field(init=False)
    elapsed: float = 0.0
    wall_ms: int = 0

    def __post_init__(self) -> None:
        self.loop = Loop(
            self.settings, self.log, self.store, self.side, threading.Event(),
            monotonic=lambda: BEGAN + self.elapsed,
            wall_ms=lambda: self.wall_ms,
            sleep=self.pass_time,
        )  # fmt: skip

    def pass_time(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall_ms += round(seconds * 1000)

    def step(self, times: int = 1) -> int:
        return sum(self.loop.step() for _ in range(times))

    def clicks(self) -> dict[tuple[int, str], int]:
        """Clicks of the buckets that are not published, by bucket start and genre."""
        held = self.store.read_open()
        return {(b, g): cell[0] for b, cells in held.items() for g, cell in cells.items()}

    @property
    def offsets(self) -> dict[int, int]:
        return self.store.read_progress().offsets


def make_world(*partitions: int, **changes: object) -> World:
    """Make one that owns these partitions; no record is written yet."""
    settings, steps = settings_for(**changes), list[str]()
    store = WatchedStore(settings, steps)
    store.open()
    log, side = Log(steps), SideLog(steps)
    log.assign(*partitions)
    return World(settings, steps, log, store, side)
