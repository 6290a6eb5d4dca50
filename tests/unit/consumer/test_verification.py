"""What verify compares, worked by hand: buckets A, B, C of 10 s, one or two partitions."""

from consumer.aggregate import aggregate_records
from consumer.verification import (
    Differences,
    ForecastCheck,
    Ledger,
    Position,
    Recounted,
    compare_counts,
    compare_places,
    open_ledger,
)
from contracts.forecasts import BucketRecord, ReplayPoint
from tests.unit.consumer.test_aggregate import SETTINGS, A, B, C, Rec, click

WATERMARK = A - 1


def published(
    bucket: int,
    counts: dict[str, int],
    cut: int,
    replay: tuple[int, int | None] = (0, None),
    *,
    is_reset: bool = False,
) -> BucketRecord:
    return BucketRecord(
        bucket_start=bucket,
        bucket_seconds=10,
        counts={genre: [n, *([0] * 7)] for genre, n in counts.items()},
        genres_first_bucket=dict.fromkeys(counts, bucket),
        cut={0: cut},
        replay_from={0: ReplayPoint(offset=replay[0], watermark=replay[1])},
        is_reset=is_reset,
        model_version="m",
        emitted_at=0,
    )


def recount(ledger: Ledger, *log: Rec) -> Recounted:
    recounted = Recounted(ledger)
    aggregate = aggregate_records(
        log, partition=0, span=(0, len(log)), watermark_ms=None, settings=SETTINGS
    )
    recounted.fold(0, aggregate)
    return recounted


def ledger_of(*journal: BucketRecord, begin: int = 0, since: int | None = None) -> Ledger:
    differences = Differences()
    made = open_ledger(journal, {0: begin}, since, differences)
    assert differences.count == 0
    return made


def differences_of(ledger: Ledger, *log: Rec) -> list[str]:
    found = Differences()
    compare_counts(recount(ledger, *log), found)
    return found.shown


def test_equal_counts_have_no_difference() -> None:
    ledger = ledger_of(published(A, {"g": 2}, cut=3), published(B, {"g": 1}, cut=3))
    assert differences_of(ledger, click(0, A), click(1, A), click(2, B)) == []


def test_count_that_differs_is_named_with_bucket_genre_and_both_numbers() -> None:
    ledger = ledger_of(published(A, {"g": 3}, cut=2))
    (told,) = differences_of(ledger, click(0, A), click(1, A))
    assert "genre 'g': the journal has clicks 3 (log 2)" in told


def test_impressions_are_told_and_belong_to_no_bucket_and_no_side_topic() -> None:
    ledger = ledger_of(published(A, {"g": 1}, cut=1), published(B, {"g": 1}, cut=4))
    shown = (click(1, A, "g", action="impression"), click(3, B, "new", action="impression"))
    log = (click(0, A), shown[0], click(2, B), shown[1], click(4, C, action="impression"))
    recounted = recount(ledger, *log)
    assert differences_of(ledger, *log) == []
    assert (recounted.events, recounted.impressions, recounted.late) == (2, 2, set())


def test_event_after_the_cut_does_not_count_but_belongs_on_the_late_topic() -> None:
    # A closed at offset 1, while this partition was idle; its next record was read before B closed.
    ledger = ledger_of(published(A, {"g": 1}, cut=1), published(B, {"g": 0}, cut=2))
    recounted = recount(ledger, click(0, A), click(1, A))
    assert recounted.cells == {(A, "g"): (1, 0, 0, 0, 0, 0, 0, 0)}
    assert recounted.late == {Position(0, 1)}


def test_events_of_open_buckets_are_left_out() -> None:
    ledger = ledger_of(published(A, {"g": 1}, cut=2))
    recounted = recount(ledger, click(0, A), click(1, C), click(2, C))
    assert recounted.events == 1
    assert recounted.late == set()


def test_genres_past_the_limit_are_compared_as_other() -> None:
    ledger = ledger_of(published(A, {"g": 1, "(other)": 2}, cut=3))
    assert differences_of(ledger, click(0, A), click(1, A, "x"), click(2, A, "y")) == []


def test_bucket_that_the_journal_lacks_is_named() -> None:
    ledger = ledger_of(published(A, {"g": 1}, cut=3), published(C, {"g": 0}, cut=3, is_reset=True))
    (told,) = differences_of(ledger, click(0, A), click(1, B))
    assert "not in the journal" in told


def test_journal_with_a_bucket_twice_or_missing_differs() -> None:
    found = Differences()
    twice = [published(A, {}, cut=0), published(A, {}, cut=0), published(C, {}, cut=0)]
    open_ledger(twice, {0: 0}, None, found)
    assert found.count == 2


def test_shortened_log_is_compared_from_where_it_is_whole() -> None:
    # Retention has taken offsets below 5: A's record replays from 3, B's from 6.
    ledger = ledger_of(
        published(A, {"g": 1}, cut=5, replay=(3, WATERMARK)),
        published(B, {"g": 1}, cut=7, replay=(6, B)),
        published(C, {"g": 1}, cut=8),
        begin=5,
    )
    assert list(ledger.buckets) == [C]
    assert ledger.begins == {0: ReplayPoint(offset=6, watermark=B)}


def test_since_leaves_out_what_was_before() -> None:
    journal = [published(bucket, {}, cut=0) for bucket in (A, B, C)]
    assert list(ledger_of(*journal, since=C).buckets) == [C]
    assert list(ledger_of(*journal, since=B + 1).buckets) == [C]
    assert list(ledger_of(*journal, since=A - 10_000).buckets) == [A, B, C]
    assert list(ledger_of(*journal, since=A + 1).buckets) == [B, C]


def test_side_topic_must_hold_what_belongs_there_and_nothing_else() -> None:
    found = Differences()
    compare_places(
        "late", {Position(0, 1), Position(0, 2)}, {Position(0, 2), Position(0, 9)}, found
    )
    assert [told.split(":")[0] for told in found.shown] == [
        "offset 1 of partition 0", "offset 9 of partition 0",
    ]  # fmt: skip


def test_letters_that_were_sent_again_belong_on_their_topic_as_far_as_all_is_decided() -> None:
    ledger = ledger_of(
        published(A, {"g": 2}, cut=2, replay=(2, None)), published(B, {"g": 1}, cut=5), since=B
    )
    recounted = Recounted(ledger)
    recounted.set_aside({0: {1, 3, 5}, 7: {0}})
    assert recounted.dead_letters == {Position(0, 3)}


def checked(*forecasts: tuple[str, int, int], is_whole: bool = True) -> list[str]:
    ledger = ledger_of(published(A, {"g": 2}, cut=2), published(B, {"g": 0, "h": 1}, cut=3))
    found = Differences()
    check = ForecastCheck(ledger, found)
    for forecast in forecasts:
        check.add(*forecast)
    check.finish(is_whole=is_whole)
    return found.shown


def test_forecasts_once_per_genre_in_order_with_the_journals_count_agree() -> None:
    assert checked(("g", A, 2), ("g", B, 0), ("h", B, 1)) == []


def test_forecast_twice_missing_out_of_order_or_with_another_count_differs() -> None:
    assert any("there twice" in t for t in checked(("g", A, 2), ("g", A, 2), ("g", B, 0)))
    assert "forecasts of 'h': 0 buckets of 1" in checked(("g", A, 2), ("g", B, 0))
    assert any("after" in t for t in checked(("g", B, 0), ("g", A, 2), ("h", B, 1)))
    (told,) = checked(("g", A, 5), ("g", B, 0), ("h", B, 1))
    assert "observed_clicks 5, the journal has 2" in told


def test_forecasts_that_retention_took_are_not_missed() -> None:
    assert checked(("g", B, 0), ("h", B, 1), is_whole=False) == []
