import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.buckets import is_late
from producer_sim.outgoing import IMPRESSION_LIST, NO_EVENT, GenreLists
from producer_sim.truth import Acknowledged, Rules, Truth
from tests.unit.producer_sim.making import RULES, acknowledged

LISTS: GenreLists = [("crime",), ("crime", "war")]
MINUTE = 60_000


def test_log_worked_by_hand() -> None:
    # Out-of-orderness 5 s; bucket [0, 60 s) ends where the watermark reaches 60,000.
    #   offset      0       1       2        3       4        5       6
    #   time   10,000  64,999  59,999   65,000  59,999  60,000       -
    #   before      -   5,000  59,999   59,999  60,000  60,000       -
    #   place     in      in       in      in    LATE       in    dead
    truth = Truth(RULES)
    rows = [(10_000, 0), (64_999, 1), (59_999, 0), (65_000, 0), (59_999, 1), (60_000, 0)]
    truth.fold(0, acknowledged([*rows, (0, NO_EVENT)]))
    assert truth.counted(LISTS) == {"crime": {0: 2, MINUTE: 3}, "war": {MINUTE: 1}}
    assert truth.late_by_genre(LISTS) == {"crime": 1, "war": 1}
    assert (truth.sent, truth.late, truth.dead_letters) == (7, 1, 1)
    assert truth.partitions[0].watermark_ms == 60_000
    assert truth.report(LISTS)["is_exact"] is True


def test_an_impression_moves_the_watermark_and_counts_in_no_genre() -> None:
    truth = Truth(RULES)
    truth.fold(0, acknowledged([(10_000, 0), (70_000, IMPRESSION_LIST), (10_000, 0)]))
    truth.fold(0, acknowledged([(10_000, IMPRESSION_LIST)], first_offset=3))
    assert truth.counted(LISTS) == {"crime": {0: 1}}
    assert truth.late_by_genre(LISTS) == {"crime": 1}
    report = truth.report(LISTS)
    assert (report["counted"], report["impressions"], report["late"]) == (1, 1, 2)


def test_partitions_have_watermarks_of_their_own() -> None:
    truth = Truth(RULES)
    truth.fold(0, acknowledged([(500_000, 0)]))
    truth.fold(1, acknowledged([(10_000, 0)]))
    assert truth.late == 0


def test_event_past_the_skew_is_a_dead_letter_and_moves_nothing() -> None:
    truth = Truth(RULES)
    # 60 s of skew are allowed, exactly.
    truth.fold(0, acknowledged([(160_001, 0), (10_000, 0), (160_000, 0)], stamp_ms=100_000))
    assert (truth.dead_letters, truth.late) == (1, 0)
    # The watermark goes by the record's timestamp where the event is ahead of it.
    assert truth.partitions[0].watermark_ms == 95_000


def test_folding_in_pieces_is_folding_at_once() -> None:
    rows = [(10_000, 0), (70_000, 0), (10_000, 1), (130_000, 0), (70_000, 1)]
    once, pieces = Truth(RULES), Truth(RULES)
    once.fold(0, acknowledged(rows))
    for offset, row in enumerate(rows):
        pieces.fold(0, acknowledged([row], first_offset=offset))
    assert once.report(LISTS) == pieces.report(LISTS)


def test_topic_that_was_not_empty_is_not_exact() -> None:
    truth = Truth(RULES)
    truth.fold(3, acknowledged([(10_000, 0)], first_offset=8))
    report = truth.report(LISTS)
    assert report["is_exact"] is False
    assert "partition 3 held records before this run" in str(report["doubts"])


def test_others_writing_in_between_is_not_exact() -> None:
    truth = Truth(RULES)
    truth.fold(0, acknowledged([(10_000, 0)]))
    truth.fold(0, acknowledged([(10_000, 0)], first_offset=2))
    assert "others wrote" in str(truth.report(LISTS)["doubts"])


def test_run_goes_on_exactly_from_where_another_ended() -> None:
    first = Truth(RULES)
    first.fold(0, acknowledged([(70_000, 0)]))
    second = Truth(RULES, {0: (1, first.partitions[0].watermark_ms)})
    second.fold(0, acknowledged([(10_000, 0)], first_offset=1))
    assert second.late == 1
    assert second.report(LISTS)["is_exact"] is True


LOG = st.lists(
    st.tuples(
        st.integers(0, 1),  # partition
        st.integers(1, 400),  # event time
        st.integers(100, 300),  # record timestamp
        st.sampled_from([NO_EVENT, 0, 1]),
        st.booleans(),  # whether a fold ends here
    ),
    max_size=60,
)


@given(LOG)
def test_truth_is_the_rule_applied_record_by_record(
    log: list[tuple[int, int, int, int, bool]],
) -> None:
    rules = Rules(bucket_ms=50, max_out_of_orderness_ms=20, max_future_skew_ms=30)
    truth = Truth(rules)
    expected: dict[str, dict[int, int]] = {}
    fronts: dict[int, int] = {}
    late = dead = 0
    waiting: dict[int, list[tuple[int, int, int, int]]] = {0: [], 1: []}
    lengths = {0: 0, 1: 0}
    for partition, event_ms, stamp_ms, genre_list, is_end in log:
        waiting[partition].append((lengths[partition], stamp_ms, event_ms, genre_list))
        lengths[partition] += 1
        if is_end:
            columns = np.array(waiting[partition], np.int64).T
            truth.fold(partition, Acknowledged(*columns))
            waiting[partition] = []
        if genre_list == NO_EVENT or event_ms > stamp_ms + 30:
            dead += 1
            continue
        front = fronts.get(partition)
        if is_late(event_ms, None if front is None else front - 20, 50):
            late += 1
        else:
            for genre in LISTS[genre_list]:
                cells = expected.setdefault(genre, {})
                start = event_ms // 50 * 50
                cells[start] = cells.get(start, 0) + 1
        fronts[partition] = max(min(event_ms, stamp_ms), front or 0)
    for partition, rows in waiting.items():
        if rows:
            truth.fold(partition, Acknowledged(*np.array(rows, np.int64).T))
    assert truth.counted(LISTS) == expected
    assert (truth.sent, truth.late, truth.dead_letters) == (len(log), late, dead)
