"""The evaluation of recommendations: scores by hand, nothing of the future, one formula."""

import math

import numpy as np
import pytest

from bench.recommending.page import PAGE, read_results, with_table
from bench.recommending.rankers import Known, as_served, by_formula, by_popularity, by_taste
from bench.recommending.scores import Resampled, first_places, judge
from bench.recommending.stream import BUCKET_MS, Stream, ask
from contracts.buckets import DAY_MS
from feed.recommend.outlook import LIFT_POWER
from feed.recommend.ranking import PRIOR_CLICKS

GENRES = ("a", "b", "c", "d", "e", "f")


def row(*columns: int) -> list[bool]:
    return [column in columns for column in range(len(GENRES))]


def test_ndcg_and_hits_are_those_worked_by_hand() -> None:
    places = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
    scores = judge(places, np.array([row(1, 5), row(0, 1)]))
    second, both = 1 / math.log2(3), 1 + 1 / math.log2(3)
    assert scores.ndcg == pytest.approx([second / both, 1.0])
    assert [scores.hit[count].tolist() for count in (1, 3, 5)] == [[0, 1], [1, 1], [1, 1]]


def test_an_event_of_more_genres_than_places_can_still_be_ranked_perfectly() -> None:
    assert judge(np.array([[0, 1, 2, 3, 4]]), np.ones((1, 6), np.bool_)).ndcg == [1.0]


def test_equal_values_keep_their_order() -> None:
    assert first_places(np.array([[1.0, 3.0, 1.0, 3.0, 0.0, 2.0]])).tolist() == [[1, 3, 5, 0, 2]]


def test_the_interval_is_as_wide_as_users_differ_not_events() -> None:
    users = Resampled.of(np.repeat([0, 1, 2, 3], 100))
    assert users.interval(np.repeat([0.0, 0.0, 1.0, 1.0], 100)) == (0.0, 1.0)
    assert users.interval(np.full(400, 0.5)) == (0.5, 0.5)


def test_the_pages_table_is_that_of_the_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_table(text, read_results()), "run: python -m bench.recommending"


def stream(*events: tuple[int, int, tuple[int, ...]]) -> Stream:
    times, users, genres = zip(*events, strict=True)
    has = np.array([row(*columns) for columns in genres])
    return Stream(GENRES, np.array(times), np.array(users), has)


def test_a_taste_is_of_what_came_before_and_decays() -> None:
    same = DAY_MS + 5
    found = ask(
        stream((5, 7, (0, 1)), (same, 7, (1,)), (same, 7, (2,)), (2 * DAY_MS + 5, 7, (3,))),
        same, 3 * DAY_MS, half_life_days=1.0,
    )  # fmt: skip
    assert found.affinities.tolist() == [
        [0.5, 0.5, 0, 0, 0, 0],
        [0.5, 0.5, 0, 0, 0, 0],  # at the same millisecond: not known yet
        [0.25, 0.75, 0.5, 0, 0, 0],
    ]


def test_the_newest_hour_known_is_one_that_is_over() -> None:
    found = ask(
        stream((0, 1, (0,)), (2 * BUCKET_MS - 1, 1, (0,)), (2 * BUCKET_MS, 1, (0,))),
        BUCKET_MS, 9 * BUCKET_MS, half_life_days=1.0,
    )  # fmt: skip
    assert found.hours.tolist() == [0, 1]


def recorded() -> tuple[Known, Stream]:
    draw = np.random.default_rng(3)
    events = [
        (hour * BUCKET_MS + number, int(draw.integers(5)), tuple(draw.choice(6, 2, replace=False)))
        for hour in range(50)
        for number in range(6)
    ]
    made = stream(*events)
    _, clicks = made.clicks()
    expected = {hour: draw.uniform(0.1, 3.0, 6) for hour in range(50)}
    return Known(GENRES, clicks, expected), made


def test_what_is_evaluated_is_what_is_served() -> None:
    known, made = recorded()
    asked = ask(made, 20 * BUCKET_MS, 50 * BUCKET_MS, half_life_days=1.0)
    by_hand = by_formula(known, asked, prior=PRIOR_CLICKS, power=LIFT_POWER)
    assert as_served(known, asked).tolist() == by_hand.tolist()


def test_without_a_taste_own_clicks_are_popularity() -> None:
    known, made = recorded()
    asked = ask(made, 20 * BUCKET_MS, 50 * BUCKET_MS, half_life_days=1.0)
    asked.affinities[:] = 0
    assert by_taste(known, asked).tolist() == by_popularity(known, asked).tolist()


def test_exploring_changes_the_last_place_of_some() -> None:
    known, made = recorded()
    asked = ask(made, 20 * BUCKET_MS, 50 * BUCKET_MS, half_life_days=1.0)
    asked.affinities[:] = 0
    plain, exploring = as_served(known, asked), as_served(known, asked, ratio=0.5)
    assert exploring[:, :-1].tolist() == plain[:, :-1].tolist()
    changed = (exploring[:, -1] != plain[:, -1]).mean()
    assert 0.3 < changed < 0.7
