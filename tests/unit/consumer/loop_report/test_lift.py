"""Lift against a known effect: intervals that cover it as often as they say."""

import math

import numpy as np

from consumer.loop_report.clicks import Floats, Users
from consumer.loop_report.lift import compare, ratio_of_means

RUNS = 400


def drawn(rng: np.random.Generator, users: int, effect: float) -> Users:
    """Users of very different habits, a fifth held out; recommendations add `effect` of them."""
    habit: Floats = rng.gamma(0.5, 40.0, users)
    out = rng.random(users) < 0.2
    return Users(
        is_held_out=out,
        organic=np.asarray(1.0 + rng.poisson(habit), np.float64),
        recommended=np.where(out, 0.0, rng.poisson(effect * habit)),
        impressions=np.where(out, 0.0, 5.0),
        before=rng.poisson(habit).astype(np.float64),
    )


def test_interval_covers_the_true_lift_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    true = 0.1 * 20 / 21  # of 20 clicks, beside one that everybody has
    covered = np.zeros((RUNS, 2))
    widths = np.zeros((RUNS, 2))
    for row in range(RUNS):
        found = compare(drawn(rng, 2_000, 0.1), 0.2)
        assert found.adjusted is not None
        for column, lift in enumerate((found.lift, found.adjusted)):
            covered[row, column] = lift.low <= true <= lift.high
            widths[row, column] = lift.high - lift.low
    # 3 standard errors of a share of 0.95 in 400 runs are 0.033.
    assert (np.abs(covered.mean(axis=0) - 0.95) < 0.033).all()
    assert widths[:, 1].mean() < 0.5 * widths[:, 0].mean()


def test_figures_worked_by_hand() -> None:
    found = compare(
        Users(
            is_held_out=np.array([False, False, True, True]),
            organic=np.array([4.0, 2.0, 2.0, 2.0]),
            recommended=np.array([1.0, 1.0, 0.0, 0.0]),
            impressions=np.array([9.0, 9.0, 0.0, 2.0]),
            before=np.zeros(4),
        ),
        0.5,
    )
    assert (found.treated, found.held_out) == (2, 2)
    assert (found.treated_clicks, found.organic, found.held_out_clicks) == (4.0, 3.0, 2.0)
    assert (found.lift.ratio, found.organic_lift.ratio) == (1.0, 0.5)
    assert found.adjusted is None
    assert found.split_p == 1.0
    assert found.held_out_impressions == 2


def test_no_lift_is_told_where_a_group_is_missing() -> None:
    nobody: Floats = np.zeros(0)
    for lift in (ratio_of_means(nobody, np.ones(5)), ratio_of_means(np.ones(5), np.zeros(5))):
        assert math.isnan(lift.ratio)
