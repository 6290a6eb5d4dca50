"""Turns of reading: what is in hand when Redis is emptied is read again, whatever else is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import orjson

from consumer.aggregate import Elsewhere
from consumer.broker.source import OffsetGapError
from consumer.health import Readiness
from consumer.loop import Loop
from consumer.records import Record
from consumer.service import Backoff, Service
from state.memory_store import MemoryStore
from tests.contract.test_stores import A, batch, clicks, settings_for


@dataclass
class Click:
    offset: int
    timestamp: int = 1000
    key: bytes | None = None
    value: bytes | None = orjson.dumps(
        {"event_id": "e", "event_time": 1000, "user_id": "u", "show_id": "s", "genres": ["crime"]}
    )


@dataclass
class Log:
    """One partition of clicks, with its reader and side topics; each poll takes two records."""

    begin: int = 0
    end: int = 4
    at: int = 0
    owned: frozenset[int] = frozenset({0})
    unplaced: frozenset[int] = frozenset()
    meanwhile: Callable[[], object] = lambda: None

    def poll(self, timeout_ms: int) -> Mapping[int, Sequence[Record]]:
        if self.at < self.begin:
            raise OffsetGapError({0: self.at})
        taken = [Click(offset) for offset in range(self.at, min(self.at + 2, self.end))]
        self.at += len(taken)
        return {0: taken} if taken else {}

    def position(self, partition: int) -> int | None:
        return self.at

    def seek(self, partition: int, offset: int) -> None:
        self.at = offset

    def pause_only(self, partitions: set[int]) -> None:
        assert not partitions

    def last_end(self, partition: int) -> int | None:
        return self.end

    def end_offsets(self, partitions: set[int]) -> dict[int, int]:
        ends = dict.fromkeys(partitions, self.end)
        self.meanwhile()
        return ends

    def begin_offsets(self, partitions: set[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, self.begin)

    def commit(self, offsets: Mapping[int, int]) -> None:
        return

    def send(
        self, partition: int, late: Sequence[Elsewhere], dead_letters: Sequence[Elsewhere]
    ) -> None:
        assert not late
        assert not dead_letters

    def flush(self) -> None:
        return


@dataclass
class Consumer:
    """A process' reading side on an opened store."""

    log: Log = field(default_factory=Log)
    store: MemoryStore = field(default_factory=lambda: MemoryStore(settings_for()))

    def __post_init__(self) -> None:
        self.store.open()
        self.service = Service(settings_for(), Readiness(lambda: 0.0))
        self.loop = Loop(
            settings_for(), self.log, self.store, self.log, Event(), monotonic=lambda: 0.0
        )

    def take_turn(self) -> int | None:
        return self.service._take_turn(self.loop, self.log, self.store, Backoff(Event()))


def test_records_in_hand_when_redis_was_emptied_at_the_beginning_are_read_again() -> None:
    consumer = Consumer()
    consumer.log.at = 4
    consumer.take_turn()  # placed at offset 0, where Redis stands
    consumer.store.wipe()
    consumer.take_turn()  # two records were taken, then Redis turned out to be empty
    for _ in range(3):
        consumer.take_turn()
    assert consumer.store.read_open() == {A: {"crime": clicks(4)}}


def test_redis_emptied_and_the_log_cut_short_at_once_end_no_process() -> None:
    consumer = Consumer()
    consumer.take_turn()
    consumer.store.wipe()
    consumer.log.begin, consumer.log.at = 2, 0
    for _ in range(4):
        consumer.take_turn()
    assert consumer.store.read_open() == {A: {"crime": clicks(2)}}


def test_one_stopped_while_asking_for_the_ends_takes_no_topic_for_recreated() -> None:
    consumer = Consumer()
    consumer.take_turn()
    consumer.log.begin, consumer.log.at = 2, 0
    # Others read on, past the end that this one has just been told.
    consumer.log.meanwhile = lambda: consumer.store.apply(batch(0, 6, None, {}))
    assert consumer.take_turn() == 0
    assert consumer.store.read_progress().offsets == {0: 6}
