import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from model.splits import (
    Split,
    SplitError,
    fit_to_split,
    held_out_split,
    missing_from,
    read_split,
)

from .making import HOUR_MS, MONDAY_MS, history_of

# 30 December 2024, 00:00: the first bucket of `history_of`.
ENTRY = {
    "freq": "h", "m": 24, "H": 2, "T": 10, "series": ["genre-1", "genre-0"],
    "first": "2024-12-30 00:00:00", "train_end": "2024-12-30 05:00:00",
    "origins": ["2024-12-30 05:00:00", "2024-12-30 07:00:00"], "stride": 2,
}  # fmt: skip


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def split_of(tmp_path: Path, **changes: object) -> Split:
    path = write(tmp_path / "splits.json", {"counts": ENTRY | changes})
    return read_split(path, Path("counts.parquet"))


def test_split_is_read_as_written(tmp_path: Path) -> None:
    assert split_of(tmp_path) == Split(
        name="counts",
        series=("genre-1", "genre-0"),
        season=24,
        horizon=2,
        origins_ms=(MONDAY_MS + 5 * HOUR_MS, MONDAY_MS + 7 * HOUR_MS),
        train_end_ms=MONDAY_MS + 5 * HOUR_MS,
        first_ms=MONDAY_MS,
        bucket_seconds=3600,
    )


def test_origins_come_in_order_and_once(tmp_path: Path) -> None:
    late, early = "2024-12-30T07:00:00", "2024-12-30T05:00:00Z"
    split = split_of(tmp_path, origins=[late, early, late])
    assert split.origins_ms == (MONDAY_MS + 5 * HOUR_MS, MONDAY_MS + 7 * HOUR_MS)


def test_training_never_reaches_past_the_first_origin(tmp_path: Path) -> None:
    assert split_of(tmp_path, train_end="2024-12-30 09:00:00").train_end_ms == (
        MONDAY_MS + 5 * HOUR_MS
    )


def test_data_set_is_the_one_named_as_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "splits.json", {"a": ENTRY | {"H": 1}, "b": ENTRY | {"H": 3}})
    assert read_split(path, Path("b.csv.gz")).horizon == 3
    assert read_split(path, Path("b.csv.gz"), "a").horizon == 1


def test_the_only_data_set_needs_no_name(tmp_path: Path) -> None:
    path = write(tmp_path / "splits.json", {"a": ENTRY})
    assert read_split(path, Path("other.parquet")).name == "a"


WRONG = {
    "two": ({"a": ENTRY, "b": ENTRY}, None, "none named c; say --dataset; it has a, b"),
    "unknown": ({"a": ENTRY}, "d", "no data set d; it has a"),
    "empty": ({}, None, "it has nothing"),
    "no origins": ({"a": ENTRY | {"origins": []}}, None, "a.origins"),
    "no horizon": ({"a": {"origins": ["2024-12-30"]}}, None, "a.H"),
    "odd time": ({"a": ENTRY | {"origins": ["noon"]}}, None, "a.origins.0"),
    "a list": ([1], None, "file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_of_splits_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    content, dataset, reason = WRONG[name]
    path = write(tmp_path / "splits.json", content)
    with pytest.raises(SplitError, match=reason) as refused:
        read_split(path, Path("c.csv"), dataset)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_missing_file_of_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="cannot be read"):
        read_split(tmp_path / "none.json", Path("a.csv"))


def test_history_has_exactly_the_series_of_the_split(tmp_path: Path) -> None:
    history = history_of(np.arange(30).reshape(10, 3))
    fitted = fit_to_split(history, split_of(tmp_path))
    assert fitted.names == ("genre-1", "genre-0")
    assert fitted.clicks.tolist() == history.clicks[:, [1, 0]].tolist()
    assert split_of(tmp_path).plan(fitted, 2016).rows == (5, 7)


def test_what_the_table_leaves_out_counts_as_nothing(tmp_path: Path) -> None:
    # The table begins in hour 2 and ends in hour 6; one series never appears in it.
    split = split_of(tmp_path, series=["genre-0", "silent"])
    history = history_of(np.arange(1, 11)[:, None]).rows(2, 7)
    fitted = fit_to_split(history, split)
    assert fitted.clicks.tolist() == [
        [0, 0], [0, 0], [3, 0], [4, 0], [5, 0], [6, 0], [7, 0], [0, 0], [0, 0], [0, 0],
    ]  # fmt: skip
    assert fitted.first_row.tolist() == [2, 10]
    assert missing_from(history, split) == (("silent",), 3)


def test_origin_before_the_data_is_refused(tmp_path: Path) -> None:
    split = split_of(tmp_path, first=None)
    with pytest.raises(SplitError, match="before the first bucket"):
        fit_to_split(history_of(np.ones((20, 2), np.int64)).rows(6, 20), split)


def test_grid_that_would_eat_the_memory_is_refused(tmp_path: Path) -> None:
    split = split_of(tmp_path, origins=["2024-12-30", "9999-12-30"])
    with pytest.raises(SplitError, match="too many"):
        fit_to_split(history_of(np.ones((20, 2), np.int64)), split)


def test_origin_within_a_bucket_belongs_to_it(tmp_path: Path) -> None:
    split = split_of(tmp_path, origins=["2024-12-30 05:30:00"])
    assert split.plan(history_of(np.ones((10, 2), np.int64)), 9).rows == (5,)
    named = datetime(2024, 12, 30, 5, 30, tzinfo=UTC).timestamp() * 1000
    assert split.origins_ms == (named,)


def test_held_out_split_is_over_the_latest_buckets() -> None:
    history = history_of(np.ones((1000, 1), np.int64))
    split = held_out_split(history, "x", 24, share=0.15, origins=20)
    rows = split.plan(history, 2016).rows
    assert rows[-1] == 1000 - 24 - 1
    assert rows[0] >= 849
    assert 18 <= len(rows) <= 30
    assert split.train_end_ms == split.origins_ms[0]


def test_too_short_a_history_has_no_split() -> None:
    with pytest.raises(ValueError, match="no origin with 24 buckets after it"):
        held_out_split(history_of(np.ones((10, 1), np.int64)), "x", 24)
