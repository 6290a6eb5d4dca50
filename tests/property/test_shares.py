"""Deployments that share the genres of one topic: together they count what one would, once."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.aggregate import Aggregate, aggregate_pieces, move_refused
from consumer.records import LogRecord
from contracts.settings import Settings
from contracts.shares import GenreShare

COUNT = 3
SHARES = [f"{number}/{COUNT}" for number in range(1, COUNT + 1)]

events = st.lists(
    st.tuples(
        st.integers(0, 200),
        st.lists(st.sampled_from([f"genre-{n}" for n in range(9)]), min_size=1, max_size=4),
        st.sampled_from(["click", "click", "click", "impression"]),
    ),
    max_size=60,
)


def aggregate(drawn: list[tuple[int, list[str], str]], share: str | None) -> Aggregate:
    """Aggregate events, by second, genres, action; each is followed by a record that is none."""
    values = [
        orjson.dumps(
            {
                "event_id": str(n), "event_time": 1 + second * 1000, "user_id": "u",
                "show_id": "s", "genres": genres, "action": action,
            }
        )
        for n, (second, genres, action) in enumerate(drawn)
    ]  # fmt: skip
    records = [LogRecord(n, 10**9, None, value) for n, value in enumerate([*values, b"{"])]
    own = Settings(bucket_seconds=10, max_out_of_orderness_seconds=5, genre_share=share)
    [piece] = aggregate_pieces(
        records, partition=0, span=(0, len(records)), watermark_ms=None, settings=own,
        max_cells=10_000,
    )  # fmt: skip
    return piece


def places(piece: Aggregate) -> set[int]:
    return {late.record.offset for late in piece.late}


@settings(max_examples=60)
@given(events)
def test_shares_count_each_cell_once_and_agree_on_all_that_is_not_about_genres(
    drawn: list[tuple[int, list[str], str]],
) -> None:
    whole, parts = aggregate(drawn, None), [aggregate(drawn, share) for share in SHARES]
    cells = [dict(part.batch.cells) for part in parts]
    assert {key: cell for each in cells for key, cell in each.items()} == dict(whole.batch.cells)
    assert sum(map(len, cells)) == len(whole.batch.cells)
    assert set().union(*map(places, parts)) == places(whole)
    for part in parts:
        assert part.batch.records == whole.batch.records
        assert part.batch.dead_letters == 1
        for name in ("watermark_ms", "front", "next_offset"):
            assert getattr(part.batch, name) == getattr(whole.batch, name)
        assert len(part.every) == len(whole.every)  # tastes know no shares


@settings(max_examples=60)
@given(events, st.integers(0, 20))
def test_what_a_published_bucket_refuses_is_late_in_the_share_that_it_belongs_to(
    drawn: list[tuple[int, list[str], str]], closed: int
) -> None:
    whole, _ = move_refused(aggregate(drawn, None), published_ms=closed * 10_000, restored_cut=0)
    parts = [
        move_refused(aggregate(drawn, share), published_ms=closed * 10_000, restored_cut=0)[0]
        for share in SHARES
    ]
    cells = {key: cell for part in parts for key, cell in part.batch.cells.items()}
    assert cells == dict(whole.batch.cells)
    assert set().union(*map(places, parts)) == places(whole)
    assert {part.batch.records for part in parts} == {whole.batch.records}


@given(st.text(min_size=1), st.integers(1, 50))
def test_each_genre_is_in_one_share(genre: str, count: int) -> None:
    found = [n for n in range(1, count + 1) if GenreShare(f"{n}/{count}").of((genre,))]
    assert len(found) == 1


def test_a_genres_share_is_the_same_for_ever() -> None:
    genres = ("crime", "noir", "medical", "(other)", "日本")
    found = [GenreShare(f"{n}/3").of(genres) for n in (1, 2, 3)]
    assert found == [("(other)", "日本"), ("noir", "medical"), ("crime",)]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "2", "2/4/8", "a/b", "-1/4", "01/4"])
def test_what_is_no_share_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValidationError, match=r"such as 2/4"):
        Settings(genre_share=text)
