"""Shows by their clicks of late: what the sketch promises, and what it forgets."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.recommend.shows import MOST_GENRES, MOST_HALF_LIVES, HeavyHitters, RecentShows

HOUR = 3_600_000
START = 1_767_571_200_000

streams = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.floats(0.1, 10)), min_size=1, max_size=300
)


@given(streams, st.integers(1, 12))
def test_a_weight_lies_between_the_bounds_and_no_heavy_item_is_missed(
    stream: list[tuple[str, float]], capacity: int
) -> None:
    sketch, true = HeavyHitters(capacity), Counter[str]()
    for item, weight in stream:
        sketch.add(item, weight)
        true[item] += weight  # type: ignore[assignment]
    total = sum(weight for _, weight in stream)
    assert len(sketch.weights) <= capacity
    for item, weight in sketch.weights.items():
        assert weight - sketch.surplus[item] <= true[item] * (1 + 1e-9)
        assert true[item] <= weight * (1 + 1e-9)
    for item, weight in true.items():
        assert item in sketch.weights or weight <= total / capacity * (1 + 1e-9)


def test_the_lightest_makes_room_and_leaves_its_weight_as_doubt() -> None:
    sketch = HeavyHitters(2)
    for item, weight in (("a", 5.0), ("b", 2.0), ("c", 1.0)):
        sketch.add(item, weight)
    assert sketch.weights == {"a": 5.0, "c": 3.0}
    # c has 1 for certain: it does not stand with b's clicks.
    assert sketch.heaviest(2) == [("a", 5.0), ("c", 1.0)]


def test_a_steady_show_has_its_rate() -> None:
    shows = RecentShows(HOUR)
    for second in range(0, 20 * 3600, 6):  # 600 an hour, for twenty half-lives
        shows.add("s1", ["crime"], START + second * 1000)
    ((show, rate),) = shows.top(3)["crime"]
    assert show == "s1"
    assert rate == pytest.approx(600, rel=0.01)


def test_what_was_clicked_long_ago_gives_way_to_what_is_clicked_now() -> None:
    shows = RecentShows(HOUR)
    for _ in range(100):
        shows.add("old", ["crime", "noir"], START)
    for _ in range(10):
        shows.add("now", ["crime"], START + 5 * HOUR)  # 100 clicks are worth 3.1 by then
    assert [show for show, _ in shows.top(5)["crime"]] == ["now", "old"]
    assert [show for show, _ in shows.top(5)["noir"]] == ["old"]


def test_order_of_arrival_changes_nothing() -> None:
    events = [("a", START), ("b", START + 2 * HOUR), ("a", START + HOUR), ("c", START - HOUR)]
    there, back = RecentShows(HOUR), RecentShows(HOUR)
    for show, time_ms in events:
        there.add(show, ["crime"], time_ms)
    for show, time_ms in reversed(events):
        back.add(show, ["crime"], time_ms)
    rates, others = dict(there.top(5)["crime"]), dict(back.top(5)["crime"])
    assert rates == pytest.approx(others)


def test_a_click_that_stands_for_several_counts_for_them() -> None:
    one, several = RecentShows(HOUR), RecentShows(HOUR)
    for _ in range(4):
        one.add("s1", ["crime"], START)
    several.add("s1", ["crime"], START, clicks=4.0)
    assert one.top(1) == several.top(1)


def test_years_between_two_clicks_leave_only_the_later_one() -> None:
    shows = RecentShows(60_000)
    shows.add("before", ["crime"], START)
    later = START + 3 * 365 * 24 * HOUR
    assert (later - START) / 60_000 > MOST_HALF_LIVES
    shows.add("after", ["noir"], later)
    shows.add("before", ["crime"], START)  # long past: it must not come back
    assert {genre: [s for s, _ in top] for genre, top in shows.top(3).items()} == {
        "noir": ["after"]
    }


def test_a_flood_of_genres_leaves_those_that_are_clicked_on() -> None:
    shows = RecentShows(HOUR)
    for number in range(3 * MOST_GENRES):
        shows.add("s1", ["crime"], START)
        shows.add("s2", [f"made up {number}"], START)
    top = shows.top(1)
    assert len(top) == MOST_GENRES
    assert "crime" in top
