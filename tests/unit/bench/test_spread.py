import pytest

from bench.spread import percentile, ratios_of, spread_of


def test_percentile_is_between_its_neighbours() -> None:
    # 101 values 0 .. 100: the 99th percentile is the value 99.
    assert percentile(list(range(101)), 99) == pytest.approx(99)
    assert percentile([10.0, 20.0], 99) == pytest.approx(19.9)


def test_spread_is_largest_less_smallest_over_the_median() -> None:
    assert spread_of([9.0, 10.0, 12.0]) == pytest.approx(0.3)
    assert spread_of([5.0]) == 0


def test_ratios_are_taken_round_by_round() -> None:
    # 2, 2 and 3: a slow second round slows both sides and leaves their ratio alone.
    assert ratios_of([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == (2.0, 0.5)


def test_ratios_of_different_numbers_of_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios_of([1.0, 2.0], [1.0])
