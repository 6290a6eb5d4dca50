"""Answers from kept buckets, worked by hand."""

from dataclasses import replace

import pytest

from contracts.buckets import DAY_MS
from feed.serve import views
from feed.serve.kept import KeptBucket, keep
from tests.unit.feed.making import MINUTE, at, bucket, kept

DAY_BUCKETS = DAY_MS // MINUTE


def buckets(*numbers_and_clicks: tuple[int, int]) -> list[KeptBucket]:
    return [kept(number, clicks=clicks) for number, clicks in numbers_and_clicks]


def test_growth_of_few_clicks_is_smoothed() -> None:
    # none of late, 20 expected: (20 + 1) / (0 + 1) - 1
    trend = views.trending(buckets((0, 0)), limit=1).genres[0]
    assert (trend.observed, trend.expected, trend.growth) == (0.0, 20.0, 20.0)


def test_the_busiest_of_late_come_first() -> None:
    whole = bucket(0)
    busier = whole.forecasts["noir"].model_copy(update={"observed_clicks": 99})
    kept_bucket = keep(replace(whole, forecasts={**whole.forecasts, "noir": busier}))
    genres = views.overview([kept_bucket], points=5).genres
    assert [one.genre for one in genres] == ["noir", "crime"]


def test_skill_compares_with_the_day_before() -> None:
    # the median forecast was 9; 12 came, a day before it was 6: 1 - 3 / 6
    now = DAY_BUCKETS + 1
    kept_buckets = buckets((1, 6), (now - 1, 0), (now, 12))
    overview = views.overview(kept_buckets, points=1)
    assert [one.skill for one in overview.genres] == [0.5, 0.5]
    assert [one.skill for one in views.overview(kept_buckets[1:], points=1).genres] == [None, None]


def test_a_genre_that_came_later_had_no_clicks_before() -> None:
    old = kept(0, ["crime"], clicks=5)
    new = kept(1, ["crime", "noir"], clicks=7)
    recent = {one.genre: one.recent for one in views.overview([old, new], points=2).genres}
    assert recent == {"crime": [5, 7], "noir": [0, 7]}
    assert len(views.history([old, new], "noir", buckets=5, ahead=1).buckets) == 1


def test_history_over_a_hole_has_no_forecast_for_the_bucket_behind_it() -> None:
    found = views.history(buckets((0, 1), (1, 1), (3, 1)), "crime", buckets=3, ahead=1).buckets
    assert [one.bucket_start for one in found] == [at(0), at(1), at(3)]
    assert [one.mean for one in found] == [None, 10.0, None]


@pytest.mark.parametrize("ahead", [4, 1_000])
def test_history_further_ahead_than_the_horizon_is_empty(ahead: int) -> None:
    found = views.history(buckets((0, 1), (4, 1)), "crime", buckets=9, ahead=ahead).buckets
    assert [one.quantiles for one in found] == [None, None]


def test_a_record_without_clicks_has_no_weighted_loss() -> None:
    step = views.record(buckets((0, 0), (1, 0)), "crime").steps[0]
    assert (step.mae, step.wql, step.coverage, step.n) == (9.0, None, 0.0, 1)


def test_a_record_of_one_bucket_is_empty() -> None:
    record = views.record(buckets((0, 5)), "crime")
    assert (record.buckets, record.levels, record.steps) == (1, [], [])


def test_promotions_are_changes_of_the_model_that_publishes() -> None:
    kept_buckets = [kept(n, version=v) for n, v in ((0, "lstm-1"), (1, "lstm-1"), (2, "lstm-2"))]
    (change,) = views.promotions(kept_buckets)
    assert change.model_dump() == {
        "bucket_start": at(2), "model_version": "lstm-2", "previous": "lstm-1",
    }  # fmt: skip
