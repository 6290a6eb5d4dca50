import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.comparison import Compared
from model.forecast_file import (
    ReadForecasts,
    Timing,
    timing_path,
    write_timing,
    writing_forecasts,
)
from model.forecaster import Forecasts
from model.splits import Split

from .making import HOUR_MS, MONDAY_MS

SPLIT = Split("counts", ("drama", 'ünï, "c"\n0 de\''), 24, 2, (MONDAY_MS, MONDAY_MS + HOUR_MS), 0)
ROWS = (30, 31)
LEVELS = (0.1, 0.25, 0.5, 0.9)


def compared_at(row: int) -> Compared:
    """Values that say where they belong: row, series, step, then level (0 for the mean)."""
    mean = np.array([[row * 100 + s * 10 + h for h in (1, 2)] for s in (0, 1)], np.float32)
    levels = np.array([0.125, 0.25, 0.5, 0.875], np.float32)
    forecasts = Forecasts(mean, mean[:, :, None] + levels)
    return Compared(row, np.zeros((2, 2)), forecasts, forecasts, forecasts)


def write(path: Path) -> Path:
    with writing_forecasts(path, SPLIT, ROWS, LEVELS, "ours") as writer:
        for row in ROWS:
            writer.write(compared_at(row))
    return path


def test_parquet_has_one_row_per_cell_in_long_form(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "f.parquet"))
    assert table.column_names == [
        "dataset", "method", "series", "origin", "step", "quantile", "value",
    ]  # fmt: skip
    assert table.num_rows == 2 * 2 * 2 * 4
    cell = {name: column[-1] for name, column in table.to_pydict().items()}
    assert cell == {
        "dataset": "counts",
        "method": "ours",
        "series": SPLIT.series[1],
        "origin": table["origin"][-1].as_py(),
        "step": 2,
        "quantile": "0.9",
        "value": 3112.875,
    }
    assert str(cell["origin"]) == "2024-12-30 01:00:00"
    assert table["origin"].type == pa.timestamp("ms")
    assert set(table["quantile"].to_pylist()) == {"mean", "0.1", "0.5", "0.9"}


def test_csv_has_the_same_rows(tmp_path: Path) -> None:
    with write(tmp_path / "f.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 32
    assert rows[-1]["series"] == SPLIT.series[1]
    assert rows[-1]["origin"].startswith("2024-12-30 01:00:00")
    assert (rows[-1]["quantile"], float(rows[-1]["value"])) == ("0.9", 3112.875)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_was_written_is_read_back(tmp_path: Path, ending: str) -> None:
    read = ReadForecasts.of(write(tmp_path / f"f.{ending}"), SPLIT)
    wanted = [compared_at(row).model for row in ROWS]
    np.testing.assert_array_equal(read.mean, [forecasts.mean for forecasts in wanted])
    np.testing.assert_array_equal(
        read.quantiles, [forecasts.quantiles[:, :, [0, 2, 3]] for forecasts in wanted]
    )


def test_incomplete_file_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "f.parquet")
    with pytest.raises(ValueError, match="12 cells of counts are missing"):
        ReadForecasts.of(path, replace(SPLIT, series=(*SPLIT.series, "other")))


def test_cell_that_is_there_twice_is_not_read(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "f.parquet"))
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), tmp_path / "g.parquet")
    with pytest.raises(ValueError, match="a cell twice"):
        ReadForecasts.of(tmp_path / "g.parquet", SPLIT)


def test_backtest_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with writing_forecasts(tmp_path / "f.parquet", SPLIT, ROWS, LEVELS, "ours") as writer:
            writer.write(compared_at(30))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_timing_lies_beside_the_forecasts(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    assert write_timing(path, SPLIT, "ours", Timing(61.5, 0.002, "as it is, frozen")) == (
        tmp_path / "f.timing.csv"
    )
    assert timing_path(path).read_text() == (
        'dataset,method,fit_s,forecast_s,note\ncounts,ours,61.5,0.002,"as it is, frozen"\n'
    )
