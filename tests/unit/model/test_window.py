import numpy as np
import pytest

from contracts.measures import MEASURE_COUNT
from model.window import MAX_CLICKS, Window

BUCKET = 60_000


def cells_of(*clicks: int) -> np.ndarray:
    cells = np.zeros((len(clicks), MEASURE_COUNT), np.int64)
    cells[:, 0] = clicks
    return cells


def begins(*rows: int) -> np.ndarray:
    return np.array(rows, np.int64) * BUCKET


def filled(capacity: int, count: int) -> Window:
    """One genre; bucket i has i clicks."""
    window = Window(capacity, BUCKET)
    for row in range(count):
        window.append(row * BUCKET, cells_of(row), begins(0))
    return window


def test_lag_counts_back_from_the_last_bucket() -> None:
    window = filled(capacity=10, count=4)
    assert [int(window.lag(k)[0][0]) for k in range(4)] == [3, 2, 1, 0]


def test_lag_before_the_window_is_unknown() -> None:
    clicks, known = filled(capacity=10, count=4).lag(4)
    assert (clicks.tolist(), known.tolist()) == ([0], [False])


def test_window_holds_no_more_than_its_capacity() -> None:
    window = filled(capacity=3, count=500)
    assert len(window) == 3
    assert window.starts_ms.tolist() == [497 * BUCKET, 498 * BUCKET, 499 * BUCKET]
    assert [int(window.lag(k)[0][0]) for k in range(3)] == [499, 498, 497]
    assert not window.lag(3)[1].any()


def test_genre_that_comes_later_is_unknown_before() -> None:
    window = filled(capacity=10, count=3)
    window.append(3 * BUCKET, cells_of(3, 7), begins(0, 3))
    assert window.genre_count == 2
    assert window.lag(0)[0].tolist() == [3, 7]
    clicks, known = window.lag(1)
    assert clicks.tolist() == [2, 0]
    assert known.tolist() == [True, False]


def test_growth_past_the_allocation_keeps_what_was_there() -> None:
    window = filled(capacity=10, count=3)
    window.append(3 * BUCKET, cells_of(*range(100)), begins(0, *([3] * 99)))
    assert window.lag(0)[0].tolist() == list(range(100))
    assert window.lag(1)[0].tolist() == [2, *([0] * 99)]


@pytest.mark.parametrize("next_row", [5, 3, 0], ids=["gap", "again", "back"])
def test_a_start_that_does_not_follow_clears_the_window(next_row: int) -> None:
    window = filled(capacity=10, count=4)
    window.append(next_row * BUCKET, cells_of(9), begins(0))
    assert len(window) == 1
    assert window.lag(0)[0].tolist() == [9]
    assert not window.lag(1)[1].any()


def test_clear_forgets_buckets_and_keeps_genres() -> None:
    window = filled(capacity=10, count=4)
    window.clear()
    assert (len(window), window.genre_count) == (0, 1)


def test_genres_may_not_go_missing() -> None:
    window = Window(4, BUCKET)
    window.append(0, cells_of(1, 2), begins(0, 0))
    with pytest.raises(ValueError, match="1 genres after 2"):
        window.append(BUCKET, cells_of(1), begins(0))


def test_hostile_counts_do_not_overflow() -> None:
    window = Window(5, BUCKET)
    for row in range(50):
        window.append(row * BUCKET, cells_of(2**62), begins(0))
    assert window.lag(0)[0].tolist() == [MAX_CLICKS]
    assert (np.diff(window.past().prefix[:, 0]) == MAX_CLICKS).all()


def test_view_of_the_first_buckets_is_the_window_as_it_was() -> None:
    window, earlier = filled(capacity=5, count=9), filled(capacity=5, count=7)
    view = window.up_to(3)
    np.testing.assert_array_equal(view.starts_ms, earlier.starts_ms[2:])
    assert [int(view.lag(k)[0][0]) for k in range(3)] == [6, 5, 4]
    assert len(window) == 5


def test_view_cannot_be_appended_to() -> None:
    view = filled(capacity=5, count=3).up_to(2)
    with pytest.raises(ValueError, match="view"):
        view.append(2 * BUCKET, cells_of(1), begins(0))
