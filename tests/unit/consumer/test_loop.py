"""The loop's counting: Redis owns the offsets, every record ends in one place.

Buckets are 10 s long here, events may be 3 s out of order:

    bucket   0        10        20        30   (seconds)
             |---A----|----B----|----C----|
"""

import pytest

from consumer.dead_letter_limit import LEAST_RECORDS
from consumer.errors import BrokerUnavailableError, DeadLetterRatioError, InvariantError
from contracts.forecasts import BucketRecord, ReplayPoint
from state.store import Sealed, StoreUnavailableError
from tests.contract.test_stores import A, B, C, batch
from tests.unit.consumer.making import World, click, make_world


@pytest.fixture
def world() -> World:
    return make_world(0)


def publish_next(world: World, *, partitions: int = 1, commit: bool = True) -> Sealed:
    """Close the next bucket as the forecaster would."""
    sealed = world.store.seal(
        partition_count=partitions,
        now_ms=world.wall_ms,
        expect_published_ms=world.store.read_progress().published_ms,
    )
    assert isinstance(sealed, Sealed)
    if commit:
        assert world.store.commit(sealed)
    return sealed


def restore_at(world: World, *, offset: int, cut: int) -> None:
    """Bring the store to where bucket A is published, reading on from an offset below its cut."""
    record = BucketRecord(
        bucket_start=A,
        bucket_seconds=10,
        counts={"crime": [3, 0, 0, 0, 0, 0, 0, 0]},
        genres_first_bucket={"crime": A},
        cut={0: cut},
        replay_from={0: ReplayPoint(offset=offset, watermark=None)},
        is_reset=False,
        model_version="none",
        emitted_at=0,
    )
    world.store.wipe()
    assert world.store.restore(record, {})


def test_a_new_partition_is_read_from_the_stored_offset(world: World) -> None:
    for second in range(5):
        world.log.write(0, click(1000 * second))
    world.store.apply(batch(0, 3, None, {(A, "crime"): 3}))
    assert world.step() == 0, "nothing is read before the partition is placed"
    assert world.log.seeks == [(0, 3)]
    assert world.step() == 2
    assert world.offsets == {0: 5}
    assert world.clicks() == {(A, "crime"): 5}


def test_each_loop_finds_that_a_quiet_partition_went_back_and_reads_it_again(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    before = world.store.snapshot()
    world.log.write(0, click(2000))
    world.step()
    world.store.rollback(before)  # a failover: nothing new comes on this partition
    world.step()
    assert world.log.seeks[-1] == (0, 1)
    world.step()
    assert (world.offsets, world.clicks()) == ({0: 2}, {(A, "crime"): 2})


def test_records_in_hand_of_a_partition_that_went_back_do_not_count(world: World) -> None:
    world.step()
    before = world.store.snapshot()
    world.log.write(0, click(1000))
    world.step()
    world.log.write(0, click(2000))
    world.store.rollback(before)
    assert world.step() == 0
    assert world.step() == 2
    assert world.clicks() == {(A, "crime"): 2}


def test_a_partition_that_was_taken_away_is_forgotten_and_placed_anew(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    world.log.owned = frozenset()
    world.step()
    assert world.loop.positions == {}
    world.store.apply(batch(1, 4, None, {(A, "crime"): 3}))  # its owner meanwhile
    world.log.assign(0)
    world.step()
    assert world.log.seeks[-1] == (0, 4)


def test_a_move_over_control_records_alone_is_stored(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    world.log.write_marker(0)
    world.log.write_marker(0)
    assert not world.loop.is_caught_up()
    assert world.step() == 0
    assert world.offsets == {0: 3}
    assert world.loop.is_caught_up()
    assert world.clicks() == {(A, "crime"): 1}
    world.step()
    assert len(world.store.batches) == 2, "one for the click, one for the markers"


@pytest.mark.parametrize("cells_at_most", [1, 2, 7, 2000])
def test_a_batch_in_pieces_counts_as_in_one(
    monkeypatch: pytest.MonkeyPatch, cells_at_most: int
) -> None:
    monkeypatch.setattr("consumer.loop.MAX_CELLS", cells_at_most)
    world = make_world(0, max_genres=100)
    world.step()
    # Offset 8 is late (A ends at 10 s, the watermark is 24 s - 3 s), offset 9 is no click.
    for second in (1, 11, 2, 12, 13, 14, 21, 24):
        world.log.write(0, click(1000 * second, f"genre {second}", "crime"))
    world.log.write(0, click(9000, "late"))
    world.log.write(0, b"none", 25_000)
    world.log.write_marker(0)
    assert world.step() == 10

    assert world.clicks() == {
        (A, "genre 1"): 1, (A, "genre 2"): 1, (A, "crime"): 2,
        (B, "genre 11"): 1, (B, "genre 12"): 1, (B, "genre 13"): 1, (B, "genre 14"): 1,
        (B, "crime"): 4,
        (C, "genre 21"): 1, (C, "genre 24"): 1, (C, "crime"): 2,
    }  # fmt: skip
    assert world.side.late == [(0, 8, A)]
    assert [(p, offset) for p, offset, _ in world.side.dead_letters] == [(0, 9)]
    totals = world.store.read_totals()
    assert totals == {"counted": 8, "late": 1, "dead_letters": 1}
    progress = world.store.read_progress()
    assert (progress.offsets, progress.watermarks) == ({0: 11}, {0: 21_000})
    if cells_at_most < 2000:
        assert len(world.store.batches) > 1
        # One record of two genres is the least piece there is.
        assert max(len(b.cells) for b in world.store.batches) <= max(2, cells_at_most)


def test_a_batch_that_touches_a_sealed_bucket_waits_and_changes_nothing(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    world.store.finish()
    publish_next(world, commit=False)
    world.log.write(0, click(11_000))
    world.log.write(0, click(2000))  # of A: in time by the log, closed by hand
    world.log.write(0, b"none", 11_000)
    world.log.write(0, click(24_000))
    world.log.write(0, click(12_000))  # of B: late by the log
    for _ in range(3):
        assert world.step() == 0
        assert world.log.seeks[-1] == (0, 1), "it is read again"
    assert (world.offsets, world.store.read_totals()) == ({0: 1}, {"counted": 1})

    assert world.store.commit(publish_next(world, commit=False))
    assert world.step() == 5
    assert world.clicks() == {(B, "crime"): 1, (C, "crime"): 1}
    # However often the batch was read, what goes aside is written once.
    assert world.side.late == [(0, 5, B), (0, 2, A)]
    assert len(world.side.dead_letters) == 1
    assert not any(world.loop._sent_aside.values()), "nothing is remembered of what is applied"


def test_refused_records_go_to_late_before_the_rest_counts(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    world.store.finish()
    publish_next(world)
    world.log.write(0, click(2000, "noir"))
    world.log.write(0, click(11_000, "noir"))
    world.steps.clear()
    assert world.step() == 2
    assert world.steps == ["apply", "side topics", "apply"]
    assert world.side.late == [(0, 1, A)]
    assert world.clicks() == {(B, "noir"): 1}
    assert world.store.read_totals() == {"counted": 2, "late": 1, "buckets": 1}


def test_refused_records_below_a_restored_cut_are_skipped(world: World) -> None:
    for time_ms in (1000, 2000, 11_000, 3000, 12_000):
        world.log.write(0, click(time_ms))
    restore_at(world, offset=0, cut=3)
    assert world.step(2) == 5
    # Offsets 0 and 1 are in bucket A's count; offset 3 came after its cut.
    assert world.side.late == [(0, 3, A)]
    assert world.clicks() == {(B, "crime"): 2}
    totals = world.store.read_totals()
    assert (totals["skipped"], totals["late"], totals["counted"]) == (2, 1, 2)


def test_side_topics_are_written_before_the_offset_moves(world: World) -> None:
    world.step()
    world.log.write(0, b"none", 1000)
    world.steps.clear()
    world.step()
    assert world.steps == ["side topics", "apply"]
    assert [(p, offset) for p, offset, _ in world.side.dead_letters] == [(0, 0)]


def test_a_side_topic_that_is_away_holds_the_offset(world: World) -> None:
    world.step()
    world.log.write(0, b"none", 1000)
    world.side.is_away = True
    with pytest.raises(BrokerUnavailableError):
        world.step()
    assert world.offsets == {}
    world.side.is_away = False
    world.step(2)
    assert world.offsets == {0: 1}
    assert len(world.side.dead_letters) == 1


def test_an_apply_whose_reply_was_lost_counts_once(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.store.replies_to_lose = 1
    with pytest.raises(StoreUnavailableError):
        world.step()
    world.step()
    assert world.log.seeks[-1] == (0, 1)
    world.log.write(0, click(2000))
    world.step()
    assert world.clicks() == {(A, "crime"): 2}


def test_records_before_the_position_are_not_applied(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    world.log.at[0] = 0  # a client that lost its position
    assert world.step() == 0
    assert world.log.seeks[-1] == (0, 1)
    assert world.clicks() == {(A, "crime"): 1}


def test_a_gap_is_closed_where_the_log_begins(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.step()
    for second in range(4):
        world.log.write(0, click(1000 * second))
    world.store.apply(batch(0, 1, None, {(A, "crime"): 1}))
    world.log.begins[0] = 3
    world.log.records[0] = world.log.records[0][3:]
    world.loop.close_gap({0: 1})
    assert world.offsets == {0: 3}
    assert "partition 0: offsets 1-2 are lost" in caplog.text
    assert world.step() == 1
    assert world.clicks() == {(A, "crime"): 2}


def test_a_first_start_on_a_log_that_begins_later_loses_nothing_and_says_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.log.begins[0] = world.log.ends[0] = 7
    world.log.write(0, click(1000))
    world.loop.close_gap({0: 0})
    assert world.step() == 1
    assert world.offsets == {0: 8}
    assert not caplog.text


def test_a_stored_offset_past_the_end_is_a_topic_made_anew(world: World) -> None:
    world.store.apply(batch(0, 9, None, {(A, "crime"): 9}))
    world.log.write(0, click(1000))
    with pytest.raises(InvariantError, match="partition 0 of clicks ends at 1, but 9 was read"):
        world.loop.close_gap({0: 9})
    assert world.offsets == {0: 9}


def test_offsets_are_committed_to_kafka_now_and_then_for_lag_tools(world: World) -> None:
    world.step()
    world.log.write(0, click(1000))
    world.step()
    assert world.log.committed == {0: 0}
    world.pass_time(5)
    world.step()
    assert world.log.committed == {0: 1}


def test_closing_is_woken_when_a_watermark_enters_another_bucket_and_not_at_every_batch(
    world: World,
) -> None:
    world.step()
    is_woken = {}
    for second in (4, 9, 13, 14):  # the watermark is 3 s behind: 1, 6, 10, 11
        world.loop.changed.clear()
        world.log.write(0, click(1000 * second))
        assert world.step() == 1
        is_woken[second] = world.loop.changed.is_set()
    assert is_woken == {4: True, 9: False, 13: True, 14: False}


def test_what_goes_aside_of_a_poll_is_written_before_any_offset_moves() -> None:
    world = make_world(0, 1)
    world.step()
    for p in (0, 1):
        world.log.write(p, b"none", 1000)
        world.log.write(p, click(1000))
    world.steps.clear()
    assert world.step() == 4
    assert world.steps == ["side topics", "apply", "apply"], "waited for once"
    assert sorted((p, offset) for p, offset, _ in world.side.dead_letters) == [(0, 0), (1, 0)]


def test_a_partition_that_has_to_wait_does_not_hold_up_another() -> None:
    world = make_world(0, 1)
    world.step()
    world.log.write(0, click(1000))
    world.step()
    world.store.finish()
    publish_next(world, partitions=2, commit=False)
    world.log.write(0, click(2000))  # of the sealed bucket
    world.log.write(1, click(11_000))
    assert world.step() == 1
    assert world.offsets == {0: 1, 1: 1}


def test_too_many_dead_letters_stand_still_and_are_noted_with_nothing_written_aside() -> None:
    world = make_world(0)
    world.step()
    for _ in range(LEAST_RECORDS):
        world.log.write(0, b"broken", 1000)
    with pytest.raises(DeadLetterRatioError):
        world.step(2)
    assert world.loop.limit.refused == 0
    assert (world.side.dead_letters, world.offsets) == ([], {})
    assert "partition 0, from offset 0" in world.store.read_progress().paused[0]

    world.loop.limit.wave_on(0, LEAST_RECORDS)
    assert world.step(2) == LEAST_RECORDS
    assert not world.loop.is_refusing
    assert len(world.side.dead_letters) == LEAST_RECORDS
    assert world.store.read_progress().paused == {}


def test_a_member_that_takes_over_a_pause_lets_no_few_records_through() -> None:
    world = make_world(0)
    world.store.note_pause(0, 0, "as another member left it")
    world.step()
    world.log.write(0, b"broken", 1000)
    with pytest.raises(DeadLetterRatioError):
        world.step(2)
    assert world.side.dead_letters == []
