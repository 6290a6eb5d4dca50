"""A bucket's content is a pure function of the log, however the log is cut into batches."""

import collections
import itertools

from hypothesis import given
from hypothesis import strategies as st

from consumer.aggregate import aggregate_pieces, aggregate_records
from contracts.buckets import bucket_start, is_late
from tests.unit.consumer.test_aggregate import SETTINGS, A, Rec, click

records = st.lists(
    st.tuples(st.integers(0, 80_000), st.sampled_from("abc"), st.integers(0, 120_000)), max_size=40
)


def log_of(drawn: list[tuple[int, str, int]]) -> list[Rec]:
    return [
        click(i, A + at, genre, stamp=A + stamp, action=action_of(at))
        if at % 7
        else Rec(i, b"junk", A + stamp)
        for i, (at, genre, stamp) in enumerate(drawn)
    ]


def action_of(at: int) -> str:
    return "impression" if at % 3 == 0 else "click"


@given(drawn=records, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_batch_borders_change_nothing(drawn: list[tuple[int, str, int]], cuts: list[int]) -> None:
    log = log_of(drawn)
    borders = sorted({0, len(log), *(c for c in cuts if c < len(log))})
    cells: collections.Counter[tuple[int, str]] = collections.Counter()
    late, dead, shown, watermark = [], [], [], None
    for start, end in itertools.pairwise(borders):
        done = aggregate_records(
            log[start:end], partition=0, span=(start, end), watermark_ms=watermark,
            settings=SETTINGS,
        )  # fmt: skip
        cells.update({key: cell[0] for key, cell in done.batch.cells.items()})
        late += [e.record.offset for e in done.late]
        dead += [e.record.offset for e in done.dead_letters]
        shown += done.records.offsets[done.impressions].tolist()
        assert done.batch.records == end - start
        if done.batch.watermark_ms is not None:
            watermark = done.batch.watermark_ms
    assert (cells, late, dead, shown) == by_the_rule(drawn)


def by_the_rule(
    drawn: list[tuple[int, str, int]],
) -> tuple[collections.Counter[tuple[int, str]], list[int], list[int], list[int]]:
    """The design's rule, record by record."""
    cells: collections.Counter[tuple[int, str]] = collections.Counter()
    late, dead, shown, watermark = [], [], [], None
    for i, (at, genre, stamp) in enumerate(drawn):
        event_ms, stamp_ms = A + at, A + stamp
        if not at % 7 or event_ms > stamp_ms + SETTINGS.max_future_skew_ms:
            dead.append(i)
            continue
        if is_late(event_ms, watermark, SETTINGS.bucket_ms):
            late.append(i)
        elif action_of(at) == "impression":
            shown.append(i)
        else:
            cells[bucket_start(event_ms, SETTINGS.bucket_ms), genre] += 1
        reached = min(event_ms, stamp_ms) - SETTINGS.max_out_of_orderness_ms
        watermark = reached if watermark is None else max(watermark, reached)
    return cells, late, dead, shown


@given(drawn=records, places=st.lists(st.integers(0, 40), max_size=20))
def test_impressions_added_to_a_log_change_no_count_unless_they_make_others_late(
    drawn: list[tuple[int, str, int]], places: list[int]
) -> None:
    clicks = [click(i, A + at, genre, stamp=A + 200_000) for i, (at, genre, _) in enumerate(drawn)]
    log, front = list(clicks), 0
    for place in sorted(min(place, len(clicks)) for place in places):
        # As far as the clicks before it have come, so it is behind no watermark and moves none.
        front = max([A, *(A + at for at, _, _ in drawn[:place])])
        shown = click(0, front, "never clicked", stamp=A + 200_000, action="impression")
        log.insert(log.index(clicks[place]) if place < len(clicks) else len(log), shown)
    given = {"partition": 0, "watermark_ms": None, "settings": SETTINGS}
    alone = aggregate_records(clicks, span=(0, len(clicks)), **given)  # type: ignore[arg-type]
    mixed = aggregate_records(log, span=(0, len(log)), **given)  # type: ignore[arg-type]
    assert mixed.batch.cells == alone.batch.cells
    assert len(mixed.late) == len(alone.late)
    assert mixed.batch.impressions == len(places)


lists = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)


@given(
    drawn=st.lists(st.tuples(st.integers(0, 80_000), lists), max_size=40),
    max_cells=st.integers(1, 12),
)
def test_pieces_are_small_and_count_what_the_whole_counts(
    drawn: list[tuple[int, list[str]]], max_cells: int
) -> None:
    log = [
        click(i, A + at, "|".join(genres), stamp=A + 80_000) for i, (at, genres) in enumerate(drawn)
    ]
    given = {"partition": 0, "span": (0, len(log)), "watermark_ms": None, "settings": SETTINGS}
    whole = aggregate_records(log, **given)  # type: ignore[arg-type]
    pieces = aggregate_pieces(log, max_cells=max_cells, **given)  # type: ignore[arg-type]
    cells: collections.Counter[tuple[int, str]] = collections.Counter()
    for piece in pieces:
        assert len(piece.batch.cells) <= max_cells or piece.batch.counted == 1
        cells.update({key: cell[0] for key, cell in piece.batch.cells.items()})
    assert cells == {key: cell[0] for key, cell in whole.batch.cells.items()}
    spans = [(piece.batch.expected_offset, piece.batch.next_offset) for piece in pieces]
    assert [0, *(end for _, end in spans)] == [*(begin for begin, _ in spans), len(log)]
    assert sum(len(piece.late) for piece in pieces) == len(whole.late)
