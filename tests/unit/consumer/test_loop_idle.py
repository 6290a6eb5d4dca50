"""The loop's idle leases and pauses: what may be left out of the global watermark, and when.

Buckets are 10 s long here, a partition idles after 6 s, 100 s ahead or behind is far.
"""

import pytest

from contracts.forecasts import BucketRecord, ReplayPoint
from state.store import Sealed
from tests.contract.test_stores import A, batch
from tests.unit.consumer.making import World, click, make_world

NOW_MS = 10_000_000
"""Where the wall clock begins."""


@pytest.fixture
def world() -> World:
    """One partition, read to its end; its only click has just come."""
    made = make_world(0)
    made.wall_ms = NOW_MS
    made.step()
    made.log.write(0, click(NOW_MS))
    made.step()
    return made


@pytest.fixture
def pair() -> World:
    """Two partitions, placed and empty."""
    made = make_world(0, 1)
    made.wall_ms = NOW_MS
    made.step()
    return made


def leased_until(world: World, p: int = 0) -> int | None:
    return world.store.read_progress().idle_until.get(p)


def wait(world: World, seconds: float) -> None:
    """Let time pass in steps of half a second, the loop running."""
    for _ in range(round(2 * seconds)):
        world.pass_time(0.5)
        world.step()


def update_watermark(world: World, partitions: int = 2) -> Sealed | str:
    """Have the store compute the global watermark, as the forecaster does."""
    return world.store.seal(
        partition_count=partitions,
        now_ms=world.wall_ms,
        expect_published_ms=world.store.read_progress().published_ms,
    )


def test_a_partition_read_to_its_end_is_idle_after_the_timeout(world: World) -> None:
    wait(world, 5.5)
    assert leased_until(world) is None
    wait(world, 0.5)
    assert leased_until(world) == NOW_MS + 6000 + 2000


def test_the_lease_is_renewed_while_quiet_and_ends_with_a_record(world: World) -> None:
    wait(world, 8)
    assert leased_until(world) == NOW_MS + 8000 + 2000
    world.log.write(0, click(NOW_MS + 8000))
    world.step()
    assert leased_until(world) is None
    wait(world, 5.5)
    assert leased_until(world) is None


def test_the_lease_is_dated_before_the_end_was_asked_for(world: World) -> None:
    wait(world, 5.5)
    world.log.before_answer = lambda: world.pass_time(1.5)
    world.pass_time(0.5)
    world.step()
    assert world.wall_ms == NOW_MS + 7500
    assert leased_until(world) == NOW_MS + 6000 + 2000


def test_a_partition_with_unread_records_is_not_idle(world: World) -> None:
    world.log.unreadable = {0}
    world.log.write(0, click(NOW_MS))
    wait(world, 20)
    assert leased_until(world) is None


def test_a_partition_fetched_to_its_end_but_not_applied_is_not_idle(world: World) -> None:
    def fetch_a_marker() -> None:
        world.log.write_marker(0)
        world.log.at[0] = world.log.ends[0]

    world.log.before_answer = fetch_a_marker
    wait(world, 20)
    assert leased_until(world) is None


def test_the_clock_starts_anew_when_the_broker_does_not_answer(world: World) -> None:
    world.log.is_silent = True
    wait(world, 10)
    assert leased_until(world) is None
    world.log.is_silent = False  # it did not answer until now, so producers could not write either
    wait(world, 5.5)
    assert leased_until(world) is None
    wait(world, 0.5)
    assert leased_until(world) is not None


def test_the_clock_starts_anew_when_a_partition_is_placed(world: World) -> None:
    wait(world, 5)
    world.log.unplaced = frozenset({0})  # a rebalance took it and gave it back
    wait(world, 6)
    assert leased_until(world) is None
    wait(world, 0.5)
    assert leased_until(world) is not None


def test_a_partition_that_was_taken_away_is_asked_for_no_more(pair: World) -> None:
    pair.loop.positions.clear()  # as after an error, in the same turn
    pair.log.owned = frozenset({0})
    wait(pair, 7)
    assert pair.log.asked == {0}


def test_dead_letters_keep_no_partition_awake(world: World) -> None:
    for _ in range(12):
        world.log.write(0, b"none", NOW_MS)
        wait(world, 0.5)
    assert len(world.side.dead_letters) == 12
    assert leased_until(world) == NOW_MS + 6000 + 2000


def test_ends_are_asked_for_twice_a_second_at_most(world: World) -> None:
    wait(world, 6)
    world.steps.clear()
    for _ in range(10):
        world.pass_time(0.1)
        world.step()
    assert world.steps.count("ask for ends") == 2


def test_a_broker_that_does_not_answer_is_asked_every_two_seconds(world: World) -> None:
    world.log.is_silent = True
    wait(world, 6)
    world.steps.clear()
    wait(world, 8)
    assert world.steps.count("ask for ends") == 4


def old_events_for(world: World, seconds: float, *, lag_ms: int) -> None:
    """A live partition 0, and a 1 that gets an old event every half second."""
    for _ in range(round(2 * seconds)):
        world.pass_time(0.5)
        world.log.write(0, click(world.wall_ms))
        world.log.write(1, click(world.wall_ms - lag_ms), world.wall_ms)
        world.step()


def test_a_live_partition_that_only_gets_old_events_counts_as_idle(pair: World) -> None:
    old_events_for(pair, 5.5, lag_ms=500_000)
    assert leased_until(pair, 1) is None
    old_events_for(pair, 2, lag_ms=500_000)
    assert leased_until(pair, 1) == pair.wall_ms + 2000
    assert leased_until(pair, 0) is None


def test_a_live_partition_a_little_behind_is_not_idle(pair: World) -> None:
    old_events_for(pair, 20, lag_ms=90_000)
    assert leased_until(pair, 1) is None


def test_in_a_replay_no_partition_is_idle_for_being_far_behind(pair: World) -> None:
    for _ in range(40):
        pair.pass_time(0.5)
        for p in (0, 1):
            pair.log.write(p, click(pair.wall_ms - 500_000), pair.wall_ms)
        pair.step()
    assert leased_until(pair, 0) is None
    assert leased_until(pair, 1) is None


def test_a_partition_far_behind_with_unread_records_is_not_idle(pair: World) -> None:
    old_events_for(pair, 1, lag_ms=500_000)
    pair.log.unreadable = {1}
    old_events_for(pair, 20, lag_ms=500_000)
    assert leased_until(pair, 1) is None


def test_a_partition_far_ahead_is_paused_until_the_watermark_follows(pair: World) -> None:
    pair.log.write(0, click(5000))
    pair.log.write(1, click(500_000))
    pair.step()
    assert update_watermark(pair) == "wait"
    pair.step()
    assert pair.log.paused == {1}
    pair.log.write(1, click(501_000))
    pair.step()
    assert pair.offsets == {0: 1, 1: 1}, "what comes on it waits"

    pair.log.write(0, click(450_000))
    pair.step()
    assert isinstance(update_watermark(pair), Sealed)
    pair.step(2)
    assert pair.log.paused == set()
    assert pair.offsets == {0: 2, 1: 2}


def test_a_paused_partition_is_compared_too_and_not_idle(pair: World) -> None:
    pair.log.write(0, click(5000))
    pair.log.write(1, click(500_000))
    pair.step()
    assert update_watermark(pair) == "wait"
    before = pair.store.snapshot()
    pair.step()
    assert pair.log.paused == {1}
    pair.store.apply(batch(1, 4, None, {}, p=1))  # somebody else went on
    pair.step()
    assert pair.log.seeks[-1] == (1, 4)
    pair.store.rollback(before)
    pair.step()
    assert pair.log.seeks[-1] == (1, 1)
    assert pair.log.paused == {1}
    wait(pair, 20)
    assert pair.log.paused == {1}
    assert leased_until(pair, 0) is not None
    assert leased_until(pair, 1) is None


def test_the_clock_starts_anew_after_a_pause(pair: World) -> None:
    pair.log.write(0, click(5000))
    pair.log.write(1, click(500_000))
    pair.step()
    update_watermark(pair)
    wait(pair, 10)
    pair.log.write(0, click(450_000))
    pair.step()
    update_watermark(pair)
    pair.step()
    assert pair.log.paused == set()
    wait(pair, 5.5)
    assert leased_until(pair, 1) is None
    wait(pair, 0.5)
    assert leased_until(pair, 1) is not None


def test_below_a_restored_cut_nothing_is_paused(pair: World) -> None:
    record = BucketRecord(
        bucket_start=A,
        bucket_seconds=10,
        counts={},
        genres_first_bucket={},
        cut={0: 0, 1: 3},
        replay_from={0: ReplayPoint(offset=0, watermark=None),
                     1: ReplayPoint(offset=1, watermark=1000)},
        is_reset=False,
        model_version="none",
        emitted_at=0,
    )  # fmt: skip
    pair.store.wipe()
    assert pair.store.restore(record, {})
    pair.log.write(1, click(1000))
    pair.log.write(1, click(500_000))
    pair.step(3)
    assert pair.offsets == {0: 0, 1: 2}
    assert pair.log.paused == set()
    pair.log.write(1, click(500_000))
    pair.step()
    assert pair.offsets == {0: 0, 1: 3}
    pair.step()
    assert pair.log.paused == {1}


def test_a_wall_clock_that_is_set_back_makes_nobody_idle_or_awake(world: World) -> None:
    wait(world, 5.5)
    world.wall_ms -= 3_600_000
    world.step()
    assert leased_until(world) is None, "six seconds have not passed, whatever the clock says"
    wait(world, 0.5)
    assert leased_until(world) == world.wall_ms + 2000
