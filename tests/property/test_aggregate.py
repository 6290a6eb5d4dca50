"""A bucket's content is a pure function of the log, however the log is cut into batches."""

import collections
import itertools

from hypothesis import given
from hypothesis import strategies as st

from consumer.aggregate import aggregate_records
from contracts.buckets import bucket_start, is_late
from tests.unit.consumer.test_aggregate import SETTINGS, A, Rec, click

records = st.lists(
    st.tuples(st.integers(0, 80_000), st.sampled_from("abc"), st.integers(0, 120_000)), max_size=40
)


def log_of(drawn: list[tuple[int, str, int]]) -> list[Rec]:
    return [
        click(i, A + at, genre, stamp=A + stamp) if at % 7 else Rec(i, b"junk", A + stamp)
        for i, (at, genre, stamp) in enumerate(drawn)
    ]


@given(drawn=records, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_batch_borders_change_nothing(drawn: list[tuple[int, str, int]], cuts: list[int]) -> None:
    log = log_of(drawn)
    borders = sorted({0, len(log), *(c for c in cuts if c < len(log))})
    cells: collections.Counter[tuple[int, str]] = collections.Counter()
    late, dead, watermark = [], [], None
    for start, end in itertools.pairwise(borders):
        done = aggregate_records(
            log[start:end], partition=0, span=(start, end), watermark_ms=watermark,
            settings=SETTINGS,
        )  # fmt: skip
        cells.update({key: cell[0] for key, cell in done.batch.cells.items()})
        late += [e.record.offset for e in done.late]
        dead += [e.record.offset for e in done.dead_letters]
        if done.batch.watermark_ms is not None:
            watermark = done.batch.watermark_ms
    assert (cells, late, dead) == by_the_rule(drawn)


def by_the_rule(
    drawn: list[tuple[int, str, int]],
) -> tuple[collections.Counter[tuple[int, str]], list[int], list[int]]:
    """The design's rule, record by record."""
    cells: collections.Counter[tuple[int, str]] = collections.Counter()
    late, dead, watermark = [], [], None
    for i, (at, genre, stamp) in enumerate(drawn):
        event_ms, stamp_ms = A + at, A + stamp
        if not at % 7 or event_ms > stamp_ms + SETTINGS.max_future_skew_ms:
            dead.append(i)
            continue
        if is_late(event_ms, watermark, SETTINGS.bucket_ms):
            late.append(i)
        else:
            cells[bucket_start(event_ms, SETTINGS.bucket_ms), genre] += 1
        reached = min(event_ms, stamp_ms) - SETTINGS.max_out_of_orderness_ms
        watermark = reached if watermark is None else max(watermark, reached)
    return cells, late, dead
