"""Tastes are what the log's events add up to, whatever happens to those who add them up."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
from hypothesis import given
from hypothesis import strategies as st

from consumer.loop import Loop
from consumer.tasting import Tasting
from contracts.events import ClickEvent
from state.memory_store import MemoryStore
from state.memory_tastes import MemoryTastes
from state.store import StoreUnavailableError
from state.taste_store import HeldTastes, TasteBatch, WriteOutcome
from state.tastes import taste_of
from tests.contract.test_stores import settings_for
from tests.taste_oracle import assert_same, tastes_of
from tests.unit.consumer.making import BEGAN, Log, SideLog

A = 1_000_000_000
SETTINGS = settings_for(tastes=True, taste_half_life_days=0.0005, max_future_skew_seconds=1e6)
PARTITIONS = (0, 1, 2)

written = st.tuples(
    st.just("write"),
    st.sampled_from(PARTITIONS),
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["ann", "bob"]),
            "event_time": st.integers(A, A + 120_000),
            "genres": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
            "action": st.sampled_from(["click", "play", "like", "share"]),
            "watch_seconds": st.none() | st.floats(0, 7_200),
        }
    ),
)
happens = st.one_of(
    written,
    written,
    st.tuples(st.just("step"), st.sampled_from([0, 1]), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 1.5]), st.none()),
    st.tuples(st.just("move"), st.sampled_from(PARTITIONS), st.none()),
    st.tuples(st.sampled_from(["crash", "lose", "drop", "forget scripts"]), st.just(0), st.none()),
    st.tuples(st.sampled_from(["keep", "go back"]), st.just(0), st.none()),
)


class Shaky(MemoryTastes):
    """Loses a call before it, or its reply, when asked to."""

    loses_call = False
    loses_reply = False

    def read(self, strand: str, users: object) -> HeldTastes:
        if self.loses_call:
            self.loses_call = False
            raise StoreUnavailableError("lost")
        return MemoryTastes.read(self, strand, users)  # type: ignore[arg-type]

    def write(self, batch: TasteBatch) -> WriteOutcome:
        outcome = MemoryTastes.write(self, batch)
        if self.loses_reply:
            self.loses_reply = False
            raise StoreUnavailableError("lost")
        return outcome


@dataclass
class World:
    """Two members over one log and one Redis, in memory, with a hand-moved clock."""

    counts: MemoryStore = field(default_factory=lambda: MemoryStore(SETTINGS))
    tastes: Shaky = field(default_factory=lambda: Shaky(SETTINGS))
    elapsed: float = 0.0
    events: list[ClickEvent] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts.open()
        self.logs = [Log([]), Log([])]
        self.logs[0].assign(*PARTITIONS)
        self.logs[1].records, self.logs[1].ends = self.logs[0].records, self.logs[0].ends
        self.logs[1].begins = self.logs[0].begins
        self.loops = [self.start(log) for log in self.logs]
        self.step(0)  # tastes have begun: Redis goes back to no moment before that
        self.kept = self.copy()

    def start(self, log: Log) -> Loop:
        def now() -> float:
            return BEGAN + self.elapsed

        tasting = Tasting(SETTINGS, self.tastes, monotonic=now)
        return Loop(
            SETTINGS, log, self.counts, SideLog([]), threading.Event(), tasting=tasting,
            monotonic=now, sleep=lambda seconds: None,
        )  # fmt: skip

    def copy(self) -> tuple[object, ...]:
        t = self.tastes
        records = {strand: dict(held) for strand, held in t.records.items()}
        return self.counts.snapshot(), dict(t.offsets), records, list(t.genres), t.half_life_ms

    def do(self, name: str, what: object, event: dict[str, object] | None) -> None:
        if name == "write" and event is not None and isinstance(what, int):
            named = {"event_id": str(len(self.events)), "show_id": "s", **event}
            self.logs[0].write(what, orjson.dumps(named), A + 120_000)
            self.events.append(ClickEvent.model_validate(named))
        elif name == "step" and isinstance(what, int):
            self.step(what)
        elif name == "wait" and isinstance(what, float):
            self.elapsed += what
        elif name == "move" and isinstance(what, int):
            self.move(what)
        elif name == "crash":
            self.logs[0].unplaced = self.logs[0].owned
            self.loops[0] = self.start(self.logs[0])
        elif name == "keep":
            self.kept = self.copy()
        elif name == "go back":
            self.go_back()
        else:
            self.tastes.loses_call, self.tastes.loses_reply = name == "drop", name == "lose"

    def move(self, p: int) -> None:
        begins = dict(self.logs[0].begins)
        giver, taker = self.logs if p in self.logs[0].owned else reversed(self.logs)
        records, end = self.logs[0].records[p], self.logs[0].ends[p]
        giver.owned -= {p}
        taker.assign(p)
        self.logs[0].records[p], self.logs[0].ends[p] = records, end
        self.logs[0].begins.update(begins)

    def go_back(self) -> None:
        counts, offsets, records, genres, half_life_ms = self.kept
        self.counts.rollback(counts)  # type: ignore[arg-type]
        t = self.tastes
        t.offsets, t.genres = dict(offsets), list(genres)  # type: ignore[call-overload]
        t.records = {s: dict(held) for s, held in records.items()}  # type: ignore[attr-defined]
        t.half_life_ms = half_life_ms  # type: ignore[assignment]

    def step(self, member: int) -> None:
        with suppress(StoreUnavailableError):  # as the service does: on with the next turn
            self.loops[member].step()

    def settle(self) -> None:
        self.tastes.loses_call = self.tastes.loses_reply = False
        for _ in range(8):
            self.elapsed += 2.0
            self.step(0)
            self.step(1)


@given(st.lists(happens, max_size=40))
def test_every_event_of_the_log_is_in_its_users_taste_once(
    happening: list[tuple[str, object, dict[str, object] | None]],
) -> None:
    world = World()
    for what in happening:
        world.do(*what)
    world.settle()
    ends = {str(p): end for p, end in world.logs[0].ends.items()}
    assert world.tastes.offsets == ends
    expected = tastes_of(world.events, SETTINGS)
    for user in ("ann", "bob"):
        found = taste_of(user, 0, *world.tastes.read_user(user))
        if user in expected:
            assert_same(found, expected[user])
        else:
            assert found is None
