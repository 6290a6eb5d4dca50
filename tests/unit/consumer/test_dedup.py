"""Repeated event ids, worked by hand: buckets A and B of 10 s."""

import collections

from hypothesis import given
from hypothesis import strategies as st

from consumer.aggregate import Aggregate, aggregate_records, move_refused
from consumer.dedup import DIGEST_BYTES, Seen, digest
from tests.unit.consumer.test_aggregate import SETTINGS, A, B, Rec, click, counts


def aggregate(*records: Rec, seen: Seen | None, watermark: int | None = None) -> Aggregate:
    span = (records[0].offset, records[-1].offset + 1)
    return aggregate_records(
        records, partition=0, span=span, watermark_ms=watermark, settings=SETTINGS, seen=seen
    )


def test_repeated_event_counts_once_within_a_batch() -> None:
    done = aggregate(click(0, A), click(1, A, event_id="0"), click(2, A), seen=Seen())
    assert counts(done) == {(A, "g"): 2}
    assert done.batch.duplicates == 1
    assert [e.record.offset for e in done.repeated] == [1]
    assert done.batch.event_ids == {A: digest("0") + digest("2")}


def test_repeated_event_counts_once_across_batches_and_restarts() -> None:
    first = aggregate(click(0, A), seen=Seen())
    again = aggregate(click(1, A, event_id="0"), seen=Seen(first.batch.event_ids))
    assert counts(again) == {}
    assert again.batch.duplicates == 1
    assert again.batch.event_ids == {A: b""}, "the bucket is touched, with nothing new"


def test_without_dedup_events_count_as_they_come() -> None:
    done = aggregate(click(0, A), click(1, A, event_id="0"), seen=None)
    assert counts(done) == {(A, "g"): 2}
    assert done.batch.event_ids == {}


def test_same_id_in_another_bucket_is_another_event() -> None:
    done = aggregate(click(0, A), click(1, B, event_id="0"), seen=Seen())
    assert counts(done) == {(A, "g"): 1, (B, "g"): 1}


def test_late_event_is_late_though_its_id_is_known() -> None:
    seen = Seen({A: digest("0")})
    done = aggregate(click(7, A, event_id="0"), seen=seen, watermark=B)
    assert [e.record.offset for e in done.late] == [7]
    assert done.repeated == ()


def test_repeated_event_of_a_bucket_that_closed_without_it_is_late() -> None:
    seen = Seen({A: digest("0")})
    done = aggregate(click(7, A, event_id="0"), click(8, B), seen=seen)
    rest, late = move_refused(done, published_ms=A, restored_cut=0)
    assert [e.record.offset for e in late] == [7]
    assert rest.batch.duplicates == 0
    assert rest.batch.event_ids == {B: digest("8")}
    assert counts(rest) == {(B, "g"): 1}


def test_what_is_forgotten_or_only_planned_is_not_held() -> None:
    seen = Seen({A: digest("a"), B: digest("b")})
    assert seen.after({A: digest("new")}).has(A, digest("new"))
    assert not seen.has(A, digest("new"))
    seen.forget(A)
    assert not seen.has(A, digest("a"))
    assert seen.has(B, digest("b"))
    assert len(digest("a")) == DIGEST_BYTES


@given(
    drawn=st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from("abcd")), max_size=30),
    cut=st.integers(0, 30),
)
def test_each_id_counts_once_per_bucket_wherever_a_batch_ends(
    drawn: list[tuple[int, str]], cut: int
) -> None:
    log = [click(i, A + at, event_id=name) for i, (at, name) in enumerate(drawn)]
    seen, total, watermark = Seen(), collections.Counter[tuple[int, str]](), None
    in_time: set[tuple[int, str]] = set()
    for some in (log[:cut], log[cut:]):
        if not some:
            continue
        done = aggregate(*some, seen=seen, watermark=watermark)
        late = {e.record.offset for e in done.late}
        in_time |= {
            (A + at - (A + at) % SETTINGS.bucket_ms, name)
            for i, (at, name) in enumerate(drawn)
            if i not in late and any(r.offset == i for r in some)
        }
        total.update(counts(done))
        seen.add(done.batch.event_ids)
        watermark = done.batch.watermark_ms
    assert sum(total.values()) == len(in_time)
