import numpy as np
import pytest

from model.calibration import (
    LEAST_LOWER_WEIGHT,
    OWN_RATE,
    SHARED_RATE,
    WIDEST,
    centre_of,
    drawn_to_whole,
    learnt,
    sides_of,
    stretched,
)

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SIDES = sides_of(LEVELS)
LONG = 1000.0


def after(
    lower: float, upper: float, came: float, seen: float = LONG, levels: tuple[float, ...] = LEVELS
) -> list[float]:
    """Log factors below and above after one bucket of one genre with one step."""
    column = np.array([[lower]], np.float32), np.array([[upper]], np.float32)
    return (
        learnt(
            sides_of(levels),
            np.zeros((1, 2, 1), np.float32),
            column,
            np.array([came], np.float32),
            np.array([[seen]], np.float32),
        )
        .ravel()
        .tolist()
    )


def test_a_hit_narrows_both_sides_a_little() -> None:
    both = -0.1 * (OWN_RATE + SHARED_RATE)
    assert after(5.0, 20.0, came=10.0) == pytest.approx([both, both], rel=1e-5)


def test_a_miss_widens_its_own_side_nine_times_as_much_as_a_hit_narrows() -> None:
    step = OWN_RATE + SHARED_RATE
    assert after(5.0, 20.0, came=21.0) == pytest.approx([-0.1 * step, 0.9 * step], rel=1e-5)
    assert after(5.0, 20.0, came=4.0) == pytest.approx([0.9 * step, -0.1 * step], rel=1e-5)


def test_clicks_on_the_bounds_are_inside() -> None:
    assert max(after(5.0, 20.0, came=5.0)) < 0
    assert max(after(5.0, 20.0, came=20.0)) < 0


def test_targets_are_those_of_the_outermost_levels() -> None:
    step = OWN_RATE + SHARED_RATE
    lower, upper = after(5.0, 20.0, came=10.0, levels=(0.05, 0.5, 0.8))
    assert (lower, upper) == pytest.approx((-0.05 * step, -0.2 * step), rel=1e-5)


def test_a_lower_bound_below_half_a_click_teaches_less() -> None:
    step = LEAST_LOWER_WEIGHT * (OWN_RATE + SHARED_RATE)
    assert after(0.0, 2.0, came=1.0)[0] == pytest.approx(-0.1 * step, rel=1e-5)
    assert after(0.2, 2.0, came=0.0)[0] == pytest.approx(0.9 * step, rel=1e-5)


def test_hits_of_an_upper_bound_near_nothing_hardly_narrow_it() -> None:
    quiet, busy = after(0.0, 0.1, came=0.0)[1], after(0.0, 5.0, came=0.0)[1]
    assert quiet == pytest.approx(0.1 * busy, rel=1e-5)


def test_what_is_not_held_teaches_nothing() -> None:
    assert after(5.0, 20.0, came=500.0, seen=0.0) == [0.0, 0.0]


def test_the_first_buckets_move_more() -> None:
    assert after(5.0, 20.0, 30.0, seen=4.0)[1] == pytest.approx(
        5.0 * after(5.0, 20.0, 30.0)[1], rel=1e-5
    )


def test_steps_share_what_they_see() -> None:
    lower, upper = np.full((1, 2), 5, np.float32), np.array([[20.0, 40.0]], np.float32)
    factors = np.zeros((1, 2, 2), np.float32)
    seen, came = np.full((1, 2), LONG, np.float32), np.array([30.0], np.float32)
    moved = learnt(SIDES, factors, (lower, upper), came, seen)[0, 1]
    shared = SHARED_RATE * (0.9 - 0.1) / 2
    assert moved.tolist() == pytest.approx([0.9 * OWN_RATE + shared, -0.1 * OWN_RATE + shared])


def test_factors_stay_within_their_range() -> None:
    factors = np.zeros((1, 2, 1), np.float32)
    bounds = np.array([[5.0]], np.float32), np.array([[20.0]], np.float32)
    seen = np.ones((1, 1), np.float32)
    for _ in range(200):
        factors = learnt(SIDES, factors, bounds, np.array([1e6], np.float32), seen)
    assert factors.ravel().tolist() == pytest.approx([-WIDEST, WIDEST])


def test_stretching_doubles_the_distances_of_one_side() -> None:
    quantiles = np.array([[[4.0, 8.0, 10.0, 13.0, 20.0]]], np.float32)
    factors = np.log(np.array([[[1.0], [2.0]]], np.float32))
    centre = quantiles[:, :, 2]
    wide = stretched(SIDES, centre, quantiles, factors).ravel().tolist()
    assert wide == pytest.approx([4.0, 8.0, 10.0, 16.0, 30.0], rel=1e-6)


def test_stretching_ends_at_no_clicks() -> None:
    quantiles = np.array([[[4.0, 8.0, 10.0, 13.0, 20.0]]], np.float32)
    factors = np.log(np.array([[[3.0], [1.0]]], np.float32))
    wide = stretched(SIDES, quantiles[:, :, 2], quantiles, factors).ravel().tolist()
    assert wide == pytest.approx([0.0, 4.0, 10.0, 13.0, 20.0], abs=1e-5)


@pytest.mark.parametrize(
    ("levels", "quantiles", "centre"),
    [
        ((0.1, 0.5, 0.9), (1.0, 5.0, 9.0), 5.0),
        ((0.4, 0.8), (4.0, 8.0), 5.0),
        ((0.5,), (5.0,), 5.0),
        ((0.8, 0.9), (8.0, 9.0), 7.0),
    ],
)
def test_the_centre_is_the_median_or_without_one_the_mean(
    levels: tuple[float, ...], quantiles: tuple[float, ...], centre: float
) -> None:
    mean = np.array([[7.0]], np.float32)
    found = centre_of(sides_of(levels), mean, np.array([[quantiles]], np.float32))
    assert found.item() == pytest.approx(centre)


def test_levels_on_one_side_have_one_bound() -> None:
    assert sides_of((0.8, 0.9)).lower_target is None
    assert sides_of((0.1, 0.2)).upper_target is None
    assert (sides_of((0.5,)).lower_target, sides_of((0.5,)).upper_target) == (None, None)


def drawn(*medians: float, around: float = 3.0) -> list[float]:
    """Medians as published, of quantiles so far apart."""
    spread = around * np.array([-2.0, -1.0, 0.0, 1.0, 2.0], np.float32)
    quantiles = np.array([medians], np.float32)[:, :, None] + spread
    return [float(median) for median in drawn_to_whole(SIDES, quantiles)[0, :, 2]]


def test_small_medians_are_drawn_to_whole_clicks() -> None:
    assert drawn(0.2, 0.7, 2.3, 5.9) == [0.0, 1.0, 2.0, 6.0]


def test_large_medians_stay_as_they_are() -> None:
    assert drawn(8.3, 1234.5) == pytest.approx([8.3, 1234.5])


def test_a_median_is_never_drawn_beyond_its_neighbours() -> None:
    assert drawn(0.2, 0.7, around=0.1) == pytest.approx([0.1, 0.8])


def test_medians_that_hardly_differ_are_published_hardly_different() -> None:
    medians = np.linspace(0.0, 9.0, 90_001)
    assert np.diff(drawn(*medians)).max() < 4 * 1e-4


def test_bounds_are_not_drawn() -> None:
    quantiles = np.array([[[0.1, 0.3, 0.6, 1.3, 2.6]]], np.float32)
    whole = drawn_to_whole(SIDES, quantiles)[0, 0]
    assert whole[[0, 1, 3, 4]].tolist() == quantiles[0, 0, [0, 1, 3, 4]].tolist()


def test_levels_without_a_median_are_left_alone() -> None:
    quantiles = np.array([[[0.1, 0.6]]], np.float32)
    assert drawn_to_whole(sides_of((0.1, 0.9)), quantiles) is quantiles
