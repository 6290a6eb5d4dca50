"""Clicks over a span, worked by hand: bucket n had n clicks, step h expects 10 h."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.serve.answers import Inventory
from feed.serve.inventory import SpanError, SpanGoneError, inventory, past_scores
from feed.serve.kept import KeptBucket
from feed.serve.views import series_of
from tests.unit.feed.making import MINUTE, at, kept

BUCKETS = [kept(number, clicks=number) for number in range(20)]
NOW = at(20)
REACH = at(23)


def span(start: int, end: int, buckets: Sequence[KeptBucket] = BUCKETS) -> Inventory:
    return inventory(buckets, "crime", start, end)


def test_what_is_past_is_counted_and_has_no_interval() -> None:
    found = span(at(17), NOW)
    assert (found.observed, found.expected, found.mean) == (17 + 18 + 19, 0, 54)
    assert found.quantiles is None
    assert not found.is_pro_rata


def test_what_is_to_come_is_the_sum_of_the_steps_means() -> None:
    found = span(NOW, REACH)
    assert (found.observed, found.expected, found.mean) == (0, 10 + 20 + 30, 60)
    assert (found.counted_until, found.reaches_until) == (NOW, REACH)


def test_a_span_over_now_has_counts_and_expectations() -> None:
    found = span(at(18), at(21))
    assert (found.observed, found.expected, found.mean) == (37, 10, 47)
    assert found.quantiles is not None
    assert found.quantiles["0.1"] == pytest.approx(37 + 5, rel=1e-3)
    assert found.quantiles["0.9"] == pytest.approx(37 + 20, rel=1e-3)


def test_a_bucket_that_is_cut_counts_by_its_share() -> None:
    found = span(at(19) + MINUTE // 2, at(20) + MINUTE // 4)
    assert (found.observed, found.expected) == (9.5, 2.5)
    assert found.is_pro_rata


def test_the_sum_is_tighter_than_quantiles_added() -> None:
    quantiles = span(NOW, REACH).quantiles
    assert quantiles is not None
    assert 5 + 10 + 15 < quantiles["0.1"] < 9 + 18 + 27 < quantiles["0.9"] < 20 + 40 + 60


def test_dependence_is_learnt_from_origins_that_came_true() -> None:
    assert span(NOW, REACH).origins == 20 - 3
    assert span(NOW, REACH, BUCKETS[-3:]).origins == 0


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (NOW, NOW, "`from` must be before `to`"),
        (REACH, NOW, "`from` must be before `to`"),
        (NOW, REACH + 1, f"the forecast reaches 2026-01-05 00:23:00 UTC ({REACH})"),
        (0, 253_402_300_799_999, "the forecast reaches"),
    ],
)
def test_a_span_that_can_not_be_answered_is_told_why(start: int, end: int, told: str) -> None:
    with pytest.raises(SpanError) as refused:
        span(start, end)
    assert told in str(refused.value)


def test_counts_that_are_not_kept_are_not_made_up() -> None:
    with pytest.raises(SpanGoneError, match="counts are kept from 2026-01-05 00:00:00 UTC"):
        span(at(0) - 1, REACH)
    with pytest.raises(SpanGoneError, match="1 are not kept"):
        span(at(3), at(6), [b for b in BUCKETS if b.start_ms != at(4)])


def test_a_genre_that_came_later_had_no_clicks_before() -> None:
    buckets = [kept(0, ["noir"], clicks=5), kept(1, ["noir", "crime"], clicks=7)]
    assert span(at(0), at(2), buckets).observed == 7


def test_past_errors_are_those_of_the_forecasts_for_the_same_bucket() -> None:
    # Origin 2's step 3 was for bucket 5: 5 clicks where 15 to 60 were expected, 27 in the middle.
    scores = past_scores(series_of(BUCKETS, "crime"), MINUTE, 3)
    assert scores.shape == (17, 3)
    assert scores[2, 2] < -1.28
    # Origin 14's step 1 was for bucket 15: above its median of 9, below 20.
    assert 0 < scores[14, 0] < 1.28


MOMENTS = st.integers(at(10), REACH)


@given(st.lists(MOMENTS, min_size=3, max_size=3, unique=True).map(sorted))
@settings(max_examples=60, deadline=None)
def test_spans_add_up_in_the_mean_and_grow_with_their_ends(moments: list[int]) -> None:
    first, middle, last = moments
    left, right, whole = span(first, middle), span(middle, last), span(first, last)
    assert left.mean + right.mean == pytest.approx(whole.mean, abs=1e-3)
    assert left.observed + right.observed == pytest.approx(whole.observed, abs=1e-3)
    for part in (left, right, whole):
        values = list((part.quantiles or {}).values())
        assert values == sorted(values)
        assert all(value >= part.observed >= 0 for value in values)
    for part in (left, right):
        # Between two spans' quantiles: a part with no interval is what was counted.
        known = part.quantiles or dict.fromkeys(whole.quantiles or {}, part.observed)
        assert all(known[q] <= value + 1e-3 for q, value in (whole.quantiles or {}).items())


def test_alike_questions_have_alike_answers() -> None:
    assert span(NOW, REACH) == span(NOW, REACH)
    assert np.isfinite(list((span(NOW, REACH).quantiles or {}).values())).all()
