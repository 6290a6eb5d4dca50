"""Ranking: usual share, taste and lift, each worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.recommend.exploring import MOST_TRIED, place
from feed.recommend.outlook import EVEN_SHARE, LIFT_POWER, Outlook, outlook_of
from feed.recommend.ranking import NOTABLE_FACTOR, PRIOR_CLICKS, rank

GENRES = ("crime", "noir", "space", "comedy")


def outlook(usual: dict[str, float], expected: dict[str, float] | None = None) -> Outlook:
    genres = list(usual)
    ahead = usual if expected is None else expected
    return outlook_of(
        genres, np.array([usual[g] for g in genres]), np.array([ahead[g] for g in genres])
    )


STEADY = outlook({"crime": 50.0, "noir": 30.0, "space": 15.0, "comedy": 5.0})


def genres_of(found: Outlook, affinities: dict[str, float], limit: int = 4) -> list[str]:
    return [one.genre for one in rank(found, affinities, limit)]


def test_without_a_taste_and_a_change_ahead_genres_stand_by_their_usual_share() -> None:
    assert genres_of(STEADY, {}) == ["crime", "noir", "space", "comedy"]
    assert [one.why for one in rank(STEADY, {}, 4)] == ["popular"] * 4


def test_own_clicks_weigh_as_much_as_everybodys_after_so_many() -> None:
    # space: (0.99 * 0.15 + 0.01 / 4 + 10 / 20) = 0.651, crime: 0.4975
    first, second, *_ = rank(STEADY, {"space": 10.0}, 4)
    assert (first.genre, second.genre) == ("space", "crime")
    share = 0.99 * 0.15 + EVEN_SHARE / 4
    assert first.score == pytest.approx(share + 10 / PRIOR_CLICKS)
    assert (first.why, second.why) == ("taste", "popular")


def test_a_genre_that_is_to_rise_comes_first_and_says_so() -> None:
    rising = outlook(
        {"crime": 50.0, "noir": 30.0, "space": 15.0, "comedy": 5.0},
        {"crime": 20.0, "noir": 60.0, "space": 15.0, "comedy": 5.0},
    )
    first = rank(rising, {}, 4)[0]
    expected, usual = 0.99 * 0.6 + EVEN_SHARE / 4, 0.99 * 0.3 + EVEN_SHARE / 4
    assert (first.genre, first.why) == ("noir", "rising")
    assert first.lift == pytest.approx(expected / usual)
    assert first.score == pytest.approx(usual * (expected / usual) ** LIFT_POWER)


def test_when_all_genres_grow_alike_none_is_rising() -> None:
    usual = {"crime": 50.0, "noir": 30.0}
    evening = outlook(usual, {genre: 9 * clicks for genre, clicks in usual.items()})
    assert [one.lift for one in rank(evening, {}, 2)] == pytest.approx([1.0, 1.0])
    assert {one.why for one in rank(evening, {}, 2)} == {"popular"}


def test_the_reason_is_the_larger_factor() -> None:
    rising = outlook({"crime": 50.0, "noir": 50.0}, {"crime": 20.0, "noir": 80.0})
    by_lift = rank(rising, {"noir": 1.0}, 1)[0]  # 1 + 0.05 / 0.5 against the root of 1.6
    by_taste = rank(rising, {"noir": 10.0}, 1)[0]
    assert (by_lift.why, by_taste.why) == ("rising", "taste")
    assert math.sqrt(1.6) > NOTABLE_FACTOR


def test_a_genre_without_forecast_is_expected_to_stay() -> None:
    found = outlook({"crime": 50.0, "noir": 50.0}, {"crime": 50.0, "noir": math.nan})
    assert found.lift == pytest.approx((1.0, 1.0))


def test_before_the_first_click_all_genres_are_alike() -> None:
    found = outlook({"crime": 0.0, "noir": 0.0})
    assert found.usual == (0.5, 0.5)
    assert genres_of(found, {}) == ["crime", "noir"]


def test_nothing_is_recommended_of_nothing() -> None:
    assert rank(outlook_of((), np.zeros(0), np.zeros(0)), {"crime": 1.0}, 5) == []


@pytest.mark.parametrize("affinity", [math.nan, math.inf, -1.0, 0.0])
def test_an_affinity_that_is_no_positive_number_counts_nothing(affinity: float) -> None:
    assert rank(STEADY, {"comedy": affinity}, 4) == rank(STEADY, {}, 4)


def test_a_genre_that_nothing_is_forecast_for_is_left_out() -> None:
    assert genres_of(STEADY, {"western": 100.0}) == list(GENRES)


clicks = st.floats(0, 1e6)
outlooks = st.lists(st.tuples(clicks, clicks), min_size=1, max_size=40).map(
    lambda rows: outlook_of(
        [f"g{number}" for number in range(len(rows))],
        np.array([usual for usual, _ in rows]),
        np.array([ahead for _, ahead in rows]),
    )
)
tastes = st.dictionaries(st.integers(0, 45).map(lambda n: f"g{n}"), st.floats(0.001, 1e4))


@given(outlooks, tastes, st.integers(1, 50))
def test_a_few_are_the_first_of_all_and_none_comes_twice(
    found: Outlook, taste: dict[str, float], limit: int
) -> None:
    everything = rank(found, taste, len(found.genres))
    assert {one.genre for one in everything} == set(found.genres)
    scores = [one.score for one in everything]
    assert scores == sorted(scores, reverse=True)
    some = rank(found, taste, limit)
    assert [one.score for one in some] == pytest.approx(scores[:limit])


@given(outlooks, tastes, st.integers(1, 50), st.text(max_size=70), st.floats(0, 1))
def test_exploring_changes_the_last_place_only_and_repeats_itself(
    found: Outlook, taste: dict[str, float], limit: int, seed: str, ratio: float
) -> None:
    places = place(found, taste, limit, seed=seed, ratio=ratio)
    best = rank(found, taste, limit)
    assert places == place(found, taste, limit, seed=seed, ratio=ratio)
    assert [one.ranked for one in places[:-1]] == best[:-1]
    assert all(one.propensity == 1.0 for one in places[:-1])
    last = places[-1]
    assert 0 < last.propensity <= 1
    if last.ranked != best[-1]:
        assert last.ranked.why == "new"
        assert last.ranked.genre not in taste
        assert last.ranked.genre not in {one.genre for one in best}


def test_how_often_a_genre_is_tried_is_what_its_propensity_says() -> None:
    found = outlook({f"g{number}": 100.0 - number for number in range(40)})
    last = [place(found, {}, 5, seed=f"u{n} 0", ratio=0.3)[-1] for n in range(4_000)]
    tried = [one for one in last if one.ranked.why == "new"]
    assert len(tried) / len(last) == pytest.approx(0.3, abs=0.03)
    assert {one.propensity for one in tried} == {0.3 / MOST_TRIED}
    assert {one.ranked.genre for one in tried} == {f"g{n}" for n in range(5, 5 + MOST_TRIED)}
    kept = [one for one in last if one.ranked.why != "new"]
    assert {(one.ranked.genre, one.propensity) for one in kept} == {("g4", 0.7)}


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_ratio_of_all_or_nothing_is_kept(ratio: float) -> None:
    last = {place(STEADY, {}, 2, seed=str(n), ratio=ratio)[-1].ranked.why for n in range(50)}
    assert last == ({"new"} if ratio else {"popular"})


def test_where_nothing_is_left_to_try_nothing_is_tried() -> None:
    places = place(STEADY, {}, 4, seed="u1 0", ratio=1.0)
    assert [one.ranked.genre for one in places] == list(GENRES)
    assert {one.propensity for one in places} == {1.0}
