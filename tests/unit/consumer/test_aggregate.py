"""Lateness by the log, worked by hand: buckets of 10 s, 3 s out of order, 60 s of skew.

event time   0    5    10   15   20   25   (seconds)
bucket       |---A-----|----B-----|----C
"""

import json
from dataclasses import dataclass

from consumer.aggregate import Aggregate, aggregate_records, move_refused
from contracts.settings import Settings

SETTINGS = Settings(bucket_seconds=10, max_out_of_orderness_seconds=3)
A, B, C = 1_000_000, 1_010_000, 1_020_000
LATER = A + 3_600_000


@dataclass
class Rec:
    offset: int
    value: bytes | None
    timestamp: int = LATER
    key: bytes | None = None


def click(offset: int, event_ms: int, genres: str = "g", stamp: int = LATER, **more: object) -> Rec:
    event = {
        "event_id": str(offset),
        "event_time": event_ms,
        "user_id": "u",
        "show_id": "s",
        "genres": genres.split("|"),
        **more,
    }
    return Rec(offset, json.dumps(event).encode(), stamp)


def aggregate(*records: Rec, watermark: int | None = None) -> Aggregate:
    span = (records[0].offset, records[-1].offset + 1)
    return aggregate_records(
        records, partition=0, span=span, watermark_ms=watermark, settings=SETTINGS
    )


def counts(done: Aggregate) -> dict[tuple[int, str], int]:
    return {key: cell[0] for key, cell in done.batch.cells.items()}


def test_bucket_is_half_open() -> None:
    done = aggregate(click(0, A), click(1, B - 1), click(2, B))
    assert counts(done) == {(A, "g"): 2, (B, "g"): 1}


def test_event_counts_once_in_each_of_its_genres() -> None:
    done = aggregate(click(0, A, "crime|medical|crime"))
    assert counts(done) == {(A, "crime"): 1, (A, "medical"): 1}
    assert done.batch.counted == 1


def test_record_is_late_only_when_the_records_before_it_had_ended_its_bucket() -> None:
    # The watermark is the largest event time before it, less 3 s.
    in_time = aggregate(click(0, B + 2_999), click(1, B - 1))
    assert in_time.late == ()
    late = aggregate(click(0, B + 3_000), click(1, B - 1))
    assert [(e.record.offset, e.bucket_ms) for e in late.late] == [(1, A)]
    assert counts(late) == {(B, "g"): 1}


def test_record_does_not_make_itself_late() -> None:
    assert aggregate(click(0, C + 9_000), watermark=A).late == ()


def test_lateness_carries_over_from_the_stored_watermark() -> None:
    assert len(aggregate(click(0, B - 1), watermark=B).late) == 1
    assert aggregate(click(0, B - 1), watermark=B - 1).late == ()


def test_watermark_is_clamped_to_the_records_timestamp() -> None:
    # Allowed to be ahead of its own timestamp, it moves the watermark no further than that.
    done = aggregate(click(0, C, stamp=A + 5_000), click(1, A, stamp=A + 5_000))
    assert done.late == ()
    assert done.batch.watermark_ms == A + 2_000
    assert done.batch.front == (A + 5_000, A + 5_000)


def test_event_too_far_in_the_future_is_a_dead_letter_and_moves_nothing() -> None:
    done = aggregate(click(0, A + 60_001, stamp=A), click(1, A + 60_000, stamp=A))
    assert [e.reason.split(":")[0] for e in done.dead_letters] == ["event_time"]
    assert done.batch.counted == 1
    assert done.batch.watermark_ms == A - 3_000


def test_only_dead_letters_leave_the_watermark_alone() -> None:
    done = aggregate(Rec(0, b"junk"), Rec(1, None), watermark=A)
    assert (done.batch.watermark_ms, done.batch.front) == (None, None)
    assert (done.batch.dead_letters, done.batch.next_offset) == (2, 2)


def test_measures_are_sums_of_those_who_carry_them() -> None:
    done = aggregate(
        click(0, A, watch_seconds=1.5, age=30, gender="f"),
        click(1, A, watch_seconds=2, gender="m"),
        click(2, A, age=40, gender="x"),
        click(3, A),
    )
    assert done.batch.cells == {(A, "g"): (4, 3500, 2, 70, 2, 1, 1, 1)}


def test_watch_time_is_rounded_to_milliseconds_event_by_event() -> None:
    done = aggregate(*(click(i, A, watch_seconds=0.0006) for i in range(3)))
    assert done.batch.cells[A, "g"][1:3] == (3, 3)


def test_cells_come_by_bucket_and_genres_in_order_of_first_appearance() -> None:
    done = aggregate(click(0, B, "z|m"), click(1, A, "b"), click(2, A, "k"), click(3, B, "b"))
    assert list(done.batch.cells) == [(A, "b"), (A, "k"), (B, "z"), (B, "m"), (B, "b")]


def test_an_impression_moves_the_watermark_and_touches_no_bucket() -> None:
    done = aggregate(click(0, A, "g"), click(1, C, "new", action="impression"), click(2, A, "g"))
    assert counts(done) == {(A, "g"): 1}
    assert (done.batch.counted, done.batch.impressions, done.batch.late) == (1, 1, 1)
    assert done.batch.watermark_ms == C - 3_000
    only = aggregate(click(0, A, action="impression"))
    assert not only.batch.cells
    assert not len(only.every)
    assert only.batch.records == 1


def test_a_late_impression_is_late_as_any_event() -> None:
    done = aggregate(click(0, A, action="impression"), watermark=B)
    assert [e.record.offset for e in done.late] == [0]
    assert (done.batch.impressions, done.batch.late) == (0, 1)


def test_clicks_that_name_a_recommendation_are_counted_as_such_too() -> None:
    done = aggregate(
        click(0, A, recommendation_id="r"),
        click(1, A, action="play", recommendation_id="r"),
        click(2, A),
        click(3, A, action="impression", recommendation_id="r"),
    )
    assert (done.batch.counted, done.batch.attributed, done.batch.impressions) == (3, 2, 1)
    rest, _ = move_refused(done, published_ms=A, restored_cut=0)
    assert (rest.batch.attributed, rest.batch.impressions, rest.batch.late) == (0, 1, 3)


def test_refused_events_become_late_and_those_before_the_restored_cut_are_skipped() -> None:
    done = aggregate(click(5, A), click(6, B), click(7, A))
    rest, late = move_refused(done, published_ms=A, restored_cut=6)
    assert [e.record.offset for e in late] == [7]
    assert counts(rest) == {(B, "g"): 1}
    assert (rest.batch.counted, rest.batch.late, rest.batch.skipped) == (1, 1, 1)
