from typing import Any

import numpy as np
import pytest

from producer_sim.load.merging import merge_made, merge_truth
from producer_sim.outgoing import GenreLists
from producer_sim.truth import Truth
from tests.unit.producer_sim.making import RULES, acknowledged

LISTS: GenreLists = [("crime",), ("crime", "war")]
OTHER_LISTS: GenreLists = [("war",), ("crime", "war"), ("new",)]
ROWS = [(10_000, 0), (70_000, 1), (10_000, 1), (500_000, 0)]


def truth_of(partition: int, rows: list[tuple[int, int]], lists: GenreLists) -> dict[str, Any]:
    truth = Truth(RULES)
    truth.fold(partition, acknowledged(rows))
    return truth.report(lists)


def test_merged_truth_is_that_of_one_process_with_all_partitions() -> None:
    alone = Truth(RULES)
    alone.fold(0, acknowledged(ROWS))
    alone.fold(1, acknowledged(ROWS[1:]))
    merged = merge_truth([truth_of(1, ROWS[1:], LISTS), truth_of(0, ROWS, LISTS)])
    assert merged == alone.report(LISTS)


def test_processes_may_number_their_genres_differently() -> None:
    merged = merge_truth(
        [truth_of(0, [(10_000, 1)], LISTS), truth_of(1, [(10_000, 0), (10_000, 2)], OTHER_LISTS)]
    )
    assert merged["counted_per_genre"] == {"crime": 1, "new": 1, "war": 2}
    assert merged["events_per_bucket"]["war"] == {"0": 2}


def test_two_writers_of_a_partition_are_refused() -> None:
    parts = [truth_of(0, ROWS, LISTS), truth_of(0, ROWS, LISTS)]
    with pytest.raises(ValueError, match="partition 0"):
        merge_truth(parts)


def test_doubt_of_one_is_doubt_of_all() -> None:
    doubtful = Truth(RULES)
    doubtful.doubt("it rained")
    merged = merge_truth([truth_of(0, ROWS, LISTS), doubtful.report(LISTS)])
    assert merged["is_exact"] is False
    assert merged["doubts"] == ["it rained"]


def test_faults_add_up() -> None:
    one = {"late": 1, "malformed": 2, "malformed_by_kind": {"NaN": 2}}
    two = {"late": 3, "malformed": 2, "malformed_by_kind": {"NaN": 1, "empty": 1}}
    assert merge_made([one, two]) == {
        "late": 4,
        "malformed": 4,
        "malformed_by_kind": {"NaN": 3, "empty": 1},
    }


def test_fold_counts_alike_whatever_the_order_of_genre_lists() -> None:
    # Cells are counted by one number each: bucket and list must not run into each other.
    truth = Truth(RULES)
    rng = np.random.default_rng(1)
    rows = [(int(at), int(which)) for at, which in zip(
        np.sort(rng.integers(1, 600_000, 500)), rng.integers(0, 2, 500), strict=True
    )]  # fmt: skip
    truth.fold(0, acknowledged(rows))
    for which, genre in enumerate(("a", "b")):
        want: dict[int, int] = {}
        for at, number in rows:
            if number == which:
                want[at // 60_000 * 60_000] = want.get(at // 60_000 * 60_000, 0) + 1
        assert truth.counted([("a",), ("b",)])[genre] == want
