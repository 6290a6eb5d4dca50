import numpy as np

from producer_sim.load.counted import Counted
from producer_sim.load.observer import Observer

Seen = list[tuple[list[float], list[float]]]


def offsets(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.int64)


def shown(found: list[tuple[np.ndarray, np.ndarray]]) -> Seen:
    return [(due.tolist(), at.tolist()) for due, at in found]


def test_record_is_counted_at_the_first_look_past_its_offset() -> None:
    counted = Counted()
    counted.expect(0, offsets(0, 4), np.array([1.0, 1.1, 1.2, 1.3]))
    # Offsets 0 and 1 are behind "next 2", offset 2 behind "next 3"; 3 is not counted yet.
    found = shown(counted.see([(0, 5.0, 2), (0, 6.0, 3)]))
    assert found == [([1.0, 1.1, 1.2], [5.0, 5.0, 6.0])]
    assert counted.uncounted == 1
    assert shown(counted.see([(0, 7.0, 9)])) == [([1.3], [7.0])]
    assert counted.uncounted == 0


def test_partitions_are_told_apart() -> None:
    counted = Counted()
    counted.expect(0, offsets(0, 1), np.array([1.0]))
    counted.expect(1, offsets(0, 1), np.array([2.0]))
    assert shown(counted.see([(1, 5.0, 1)])) == [([2.0], [5.0])]
    assert counted.uncounted == 1


def test_acknowledgement_that_comes_after_the_sighting_counts_from_the_sighting() -> None:
    counted = Counted()
    assert counted.see([(0, 5.0, 10), (0, 6.0, 20)]) == []
    counted.expect(0, offsets(8, 4), np.array([1.0, 1.0, 1.0, 1.0]))
    assert shown(counted.see([])) == [([1.0] * 4, [5.0, 5.0, 6.0, 6.0])]


def test_what_nobody_counts_is_told() -> None:
    counted = Counted()
    counted.expect(0, offsets(0, 3), np.array([1.0, 2.0, 3.0]))
    counted.see([(0, 5.0, 1)])
    assert [due.tolist() for due in counted.give_up()] == [[2.0, 3.0]]


def test_observer_notes_moves_only_and_no_way_back() -> None:
    observer = Observer(dict)
    observer.look(1.0, {0: 5, 1: 0})
    observer.look(2.0, {0: 5, 1: 3})
    observer.look(3.0, {0: 4, 1: 4})
    assert observer.take() == [(0, 1.0, 5), (1, 2.0, 3), (1, 3.0, 4)]
    assert observer.take() == []
