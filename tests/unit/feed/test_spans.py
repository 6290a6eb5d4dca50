"""Sums of steps whose errors hang together, against what is known of normal ones."""

import numpy as np
import pytest

from feed.serve.spans import (
    PRIOR_CORRELATION,
    correlations,
    draw_scores,
    normal_scores,
    scores_of,
    sum_quantiles,
    values_at,
)

LEVELS = normal_scores(("0.1", "0.25", "0.5", "0.75", "0.9"))
STEPS = 6
NORMAL = 100 + 10 * np.tile(LEVELS, (STEPS, 1))
"""Six steps, each normal with mean 100 and standard deviation 10."""


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_a_sum_of_normal_steps_is_normal_with_the_variance_of_the_sum(rho: float) -> None:
    apart = np.abs(np.subtract.outer(np.arange(STEPS), np.arange(STEPS)))
    correlation = rho**apart
    deviation = 10 * np.sqrt(correlation.sum())
    found = sum_quantiles(NORMAL, LEVELS, np.ones(STEPS), correlation)
    np.testing.assert_allclose(found, 600 + deviation * LEVELS, atol=0.06 * deviation)


def test_one_whole_step_has_its_own_quantiles() -> None:
    shares = np.array([0, 0, 1, 0, 0, 0])
    whole = np.array([0.0, 1.0, 3.0, 5.0, 9.0])
    quantiles = np.vstack([NORMAL[:2], whole, NORMAL[3:]])
    found = sum_quantiles(quantiles, LEVELS, shares, np.eye(STEPS))
    # A count on the bound of its interval is in it, and stays there.
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-9)


def test_no_step_is_no_click() -> None:
    assert not sum_quantiles(NORMAL, LEVELS, np.zeros(STEPS), np.eye(STEPS)).any()


def test_quantiles_go_on_beyond_the_outermost_but_never_below_nothing() -> None:
    found = values_at(np.array([1.0, 2.0, 4.0, 6.0, 7.0]), LEVELS, np.array([-4.0, 0.0, 4.0]))
    assert found[0] == 0
    assert found[1] == 4
    # From 0.75 to 0.9 it rises by 1 in 0.607 standard deviations.
    assert found[2] == pytest.approx(7 + (4 - 1.2816) / 0.6071, rel=1e-3)


def test_a_count_is_scored_by_the_middle_of_its_chances() -> None:
    scores = scores_of(np.array([100.0, 113.0, 0.0]), NORMAL[:3], LEVELS)
    np.testing.assert_allclose(scores[:2], [0, 1.3], atol=0.01)
    assert scores[2] == -4


def test_a_genre_of_few_clicks_does_not_err_by_having_none() -> None:
    quantiles = np.array([[0.0, 0.0, 0.0, 0.2, 0.8]])
    assert abs(scores_of(np.array([0.0]), quantiles, LEVELS)[0]) < 0.5


def test_without_past_errors_neighbours_are_drawn_together() -> None:
    found = correlations(np.zeros((0, 3)))
    assert found[0].tolist() == [1, PRIOR_CORRELATION, PRIOR_CORRELATION**2]


def test_many_past_errors_are_believed() -> None:
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((20_000, 1))
    found = correlations(np.sqrt(0.6) * shared + np.sqrt(0.4) * rng.standard_normal((20_000, 4)))
    np.testing.assert_allclose(found[~np.eye(4, dtype=bool)], 0.6, atol=0.02)


def test_paths_hang_together_as_told_and_each_step_is_spread_evenly() -> None:
    correlation = correlations(np.zeros((0, 4)))
    drawn = draw_scores(correlation)
    np.testing.assert_allclose(np.corrcoef(drawn.T), correlation, atol=0.05)
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(drawn[:, [0] * 4], axis=0))


def test_a_step_is_drawn_alike_however_many_follow() -> None:
    correlation = correlations(np.zeros((0, 6)))
    np.testing.assert_array_equal(draw_scores(correlation)[:, :3], draw_scores(correlation[:3, :3]))
