"""Tastes beside the counts: where a partition is read from, and what is added when."""

import orjson

from consumer.tasting import GATHERED_SECONDS, Tasting
from contracts.forecasts import BucketRecord, ReplayPoint
from state.memory_tastes import MemoryTastes
from state.tastes import taste_of
from tests.unit.consumer.making import World, make_world

A = 1_000_000


def click(at_ms: int, user: str = "ann", genre: str = "crime") -> bytes:
    fields = {"event_id": "e", "event_time": at_ms, "user_id": user, "show_id": "s"}
    return orjson.dumps({**fields, "genres": [genre]})


def with_tastes(world: World, store: MemoryTastes | None = None, **changes: object) -> MemoryTastes:
    """Turn tastes on in a world, as a process that starts does."""
    store = store or MemoryTastes(world.settings)
    world.loop.tasting = Tasting(world.settings, store, **changes)  # type: ignore[arg-type]
    world.loop.tasting.monotonic = world.loop.monotonic
    world.log.unplaced = world.log.owned
    return store


def affinity(store: MemoryTastes, user: str = "ann") -> float:
    found = taste_of(user, 0, *store.read_user(user))
    return found.affinities["crime"] if found else 0.0


def pass_and_step(world: World) -> None:
    world.pass_time(2 * GATHERED_SECONDS)
    world.step(2)


def test_events_are_gathered_over_polls_and_added_once() -> None:
    world = make_world(0)
    store = with_tastes(world)
    for _ in range(3):
        world.log.write(0, click(A))
        world.step(2)
    assert (affinity(store), store.offsets) == (0.0, {"0": 0})
    pass_and_step(world)
    assert (affinity(store), store.offsets) == (3.0, {"0": 3})


def test_the_end_of_a_process_writes_what_it_has_gathered() -> None:
    world = make_world(0)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.step(2)
    world.loop.finish()
    assert (affinity(store), store.offsets) == (1.0, {"0": 1})


def test_what_a_dead_process_had_gathered_is_read_again_for_tastes_alone() -> None:
    world = make_world(0)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.step(2)
    with_tastes(world, store)  # another process; the counts stand at 1, the tastes at 0
    world.log.write(0, click(A))
    world.step(4)
    pass_and_step(world)
    assert (affinity(store), store.offsets) == (2.0, {"0": 2})
    assert sum(world.clicks().values()) == 2


def test_tastes_that_are_turned_on_begin_where_counting_is() -> None:
    world = make_world(0)
    world.log.write(0, click(A))
    world.step(2)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.step(2)
    pass_and_step(world)
    assert (affinity(store), store.offsets) == (1.0, {"0": 2})


def test_late_events_are_in_tastes_and_dead_letters_are_not() -> None:
    world = make_world(0)
    store = with_tastes(world)
    world.log.write(0, click(A + 60_000, user="bob"))
    world.log.write(0, click(A), timestamp_ms=A + 60_000)
    world.log.write(0, b"junk", timestamp_ms=A + 60_000)
    world.step(2)
    pass_and_step(world)
    assert len(world.side.late) == 1
    assert affinity(store) == 1.0
    assert store.offsets == {"0": 3}


def test_partitions_are_strands_of_their_own() -> None:
    world = make_world(0, 1)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.log.write(1, click(A))
    world.step(2)
    pass_and_step(world)
    assert affinity(store) == 2.0
    assert store.offsets == {"0": 1, "1": 1}


def test_a_user_is_forgotten_though_clicks_are_gathered_and_read_again() -> None:
    world = make_world(0)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.step(2)
    store.forget("ann", A + 5_000)
    pass_and_step(world)
    assert affinity(store) == 0.0
    store.begin({"0": 0})  # all of the log is read again
    with_tastes(world, store)
    world.log.write(0, click(A + 5_001))
    world.step(4)
    pass_and_step(world)
    assert affinity(store) == 1.0, "clicks after that do count"


def test_offsets_set_elsewhere_are_noticed_while_nothing_comes() -> None:
    world = make_world(0)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.step(2)
    pass_and_step(world)
    store.begin({"0": 0})
    for _ in range(3):
        pass_and_step(world)
    assert (affinity(store), store.offsets) == (1.0, {"0": 1})


def restored(world: World, offset: int) -> None:
    record = BucketRecord(
        bucket_start=2_000_000, bucket_seconds=10, counts={"crime": [9] + 7 * [0]},
        genres_first_bucket={"crime": A}, cut={0: offset},
        replay_from={0: ReplayPoint(offset=offset, watermark=2_010_000)},
        model_version="m", emitted_at=0,
    )  # fmt: skip
    assert world.store.restore(record, {})


def test_after_a_restore_tastes_that_are_behind_catch_up_and_counts_do_not_change() -> None:
    world = make_world(0)
    store = with_tastes(world)
    world.log.write(0, click(A))
    world.step(2)
    pass_and_step(world)
    for _ in range(3):
        world.log.write(0, click(A))
    restored(world, 3)  # others had read on to 3 and published; Redis has lost that
    world.step(5)
    pass_and_step(world)
    assert (affinity(store), store.offsets) == (4.0, {"0": 4})
    assert world.store.read_progress().offsets == {0: 4}


def test_retention_that_passed_where_tastes_end_is_gone_on_from() -> None:
    world = make_world(0)
    store = with_tastes(world)
    for _ in range(4):
        world.log.write(0, click(A))
    world.step(2)
    store.begin({"0": 0})
    with_tastes(world, store)
    world.log.begins[0] = 2
    world.log.records[0] = world.log.records[0][2:]
    world.loop.step()
    world.loop.close_gap({0: 0})
    world.step(3)
    pass_and_step(world)
    assert (affinity(store), store.offsets) == (2.0, {"0": 4})
