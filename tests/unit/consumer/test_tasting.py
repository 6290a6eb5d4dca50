"""Tastes beside the counts: where a partition is read from, and what is added when."""

from dataclasses import dataclass, field

import orjson
import pytest

from consumer import tasting
from consumer.tasting import GATHERED_SECONDS, Tasting
from contracts.forecasts import BucketRecord, ReplayPoint
from state.memory_tastes import MemoryTastes
from state.tastes import taste_of
from tests.unit.consumer.making import World, make_world

A = 1_000_000


def click(at_ms: int, user: str = "ann") -> bytes:
    fields = {"event_id": "e", "event_time": at_ms, "user_id": user, "show_id": "s"}
    return orjson.dumps({**fields, "genres": ["crime"]})


@dataclass
class Member:
    """One with tastes, over a world of its own; a click is Ann's unless said otherwise."""

    world: World = field(default_factory=lambda: make_world(0))
    store: MemoryTastes = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryTastes(self.world.settings)
        self.start()

    def start(self) -> None:
        """Begin as a process does: nothing is in memory."""
        loop, log = self.world.loop, self.world.log
        loop.tasting = Tasting(self.world.settings, self.store, monotonic=loop.monotonic)
        log.unplaced = log.owned

    def click(self, *, times: int = 1, at_ms: int = A, user: str = "ann") -> None:
        for _ in range(times):
            self.world.log.write(0, click(at_ms, user))
        self.world.step(4)

    def wait(self) -> None:
        self.world.pass_time(2 * GATHERED_SECONDS)
        self.world.step(2)

    @property
    def ann(self) -> float:
        found = taste_of("ann", 0, *self.store.read_user("ann"))
        return found.affinities["crime"] if found else 0.0

    @property
    def tastes(self) -> tuple[float, dict[str, int]]:
        """Ann's affinity, and up to where clicks are in tastes."""
        return self.ann, self.store.offsets


def published_at(cut: dict[int, int], points: dict[int, int]) -> BucketRecord:
    """Return a bucket later than the clicks, as the journal has it."""
    return BucketRecord(
        bucket_start=2_000_000, bucket_seconds=10, counts={"crime": [9] + 7 * [0]},
        genres_first_bucket={"crime": A}, cut=cut,
        replay_from={p: ReplayPoint(offset=at, watermark=2_010_000) for p, at in points.items()},
        model_version="m", emitted_at=0,
    )  # fmt: skip


def test_events_are_gathered_over_polls_and_added_once() -> None:
    member = Member()
    for _ in range(3):
        member.click()
    assert member.tastes == (0.0, {"0": 0})
    member.wait()
    assert member.tastes == (3.0, {"0": 3})


def test_events_of_many_users_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasting, "GATHERED_USERS", 2)
    member = Member()
    member.click(times=9)
    assert member.tastes == (0.0, {"0": 0})
    member.click(user="bob")
    assert member.tastes == (9.0, {"0": 10})


def test_the_end_of_a_process_writes_what_it_has_gathered() -> None:
    member = Member()
    member.click()
    member.world.loop.finish()
    assert member.tastes == (1.0, {"0": 1})


def test_what_a_dead_process_had_gathered_is_read_again_for_tastes_alone() -> None:
    member = Member()
    member.click()
    member.start()  # the counts stand at 1, the tastes at 0
    member.click()
    member.wait()
    assert member.tastes == (2.0, {"0": 2})
    assert sum(member.world.clicks().values()) == 2


def test_tastes_that_are_turned_on_begin_where_counting_is() -> None:
    world = make_world(0)
    world.log.write(0, click(A))
    world.step(2)
    member = Member(world)
    member.click()
    member.wait()
    assert member.tastes == (1.0, {"0": 2})


def test_late_events_are_in_tastes_and_dead_letters_are_not() -> None:
    member = Member()
    log = member.world.log
    log.write(0, click(A + 60_000, user="bob"))
    log.write(0, click(A), timestamp_ms=A + 60_000)
    log.write(0, b"junk", timestamp_ms=A + 60_000)
    member.world.step(2)
    member.wait()
    assert len(member.world.side.late) == 1
    assert member.tastes == (1.0, {"0": 3})


def test_partitions_are_strands_of_their_own() -> None:
    member = Member(make_world(0, 1))
    for partition in (0, 1):
        member.world.log.write(partition, click(A))
    member.world.step(2)
    member.wait()
    assert member.tastes == (2.0, {"0": 1, "1": 1})


def test_a_user_is_forgotten_though_clicks_are_gathered_and_read_again() -> None:
    member = Member()
    member.click()
    member.store.forget("ann", A + 5_000)
    member.wait()
    assert member.ann == 0.0
    member.store.begin({"0": 0})  # all of the log is read again
    member.start()
    member.click(at_ms=A + 5_001)
    member.wait()
    assert member.ann == 1.0, "clicks after that do count"


def test_offsets_set_elsewhere_are_noticed_while_nothing_comes() -> None:
    member = Member()
    member.click()
    member.wait()
    member.store.begin({"0": 0})
    for _ in range(3):
        member.wait()
    assert member.tastes == (1.0, {"0": 1})


def test_after_a_restore_tastes_that_are_behind_catch_up_and_counts_do_not_change() -> None:
    member = Member()
    member.click()
    member.wait()
    for _ in range(3):
        member.world.log.write(0, click(A))
    # Others had read on to 3 and published; Redis has lost that.
    published = published_at({0: 3}, {0: 3})
    assert member.world.store.restore(published, {})
    member.world.step(5)
    member.wait()
    assert member.tastes == (4.0, {"0": 4})
    assert member.world.offsets == {0: 4}


def test_a_member_that_had_begun_when_redis_was_emptied_reads_again_where_the_restore_says() -> (
    None
):
    member = Member(make_world(0, tastes=True))
    member.click(times=3)
    member.wait()
    assert member.tastes == (3.0, {"0": 3})
    store = member.world.store
    store.wipe()
    store.tastes = member.store
    assert store.restore(published_at({0: 3}, {0: 1}), {})
    member.world.step(5)
    for _ in range(3):
        member.wait()
    assert member.tastes == (2.0, {"0": 3}), "what came before the restore's offset went with Redis"
    assert member.world.offsets == {0: 3}


def test_retention_that_passed_where_tastes_end_is_gone_on_from() -> None:
    member = Member()
    member.click(times=4)
    member.store.begin({"0": 0})
    member.start()
    log, loop = member.world.log, member.world.loop
    log.begins[0] = 2
    log.records[0] = log.records[0][2:]
    loop.step()
    loop.close_gap({0: 0})
    member.world.step(3)
    member.wait()
    assert member.tastes == (2.0, {"0": 4})
