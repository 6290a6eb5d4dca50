"""Accuracy on three sets of real counts, beside the scores of other methods.

Runs `genrecast backtest` on every data set as a user would, one setting for all, reads its forecast
files back, scores them, and writes the tables and the plot. Further options go to the command, such
as `--as-shipped`; then nothing but the figures on the terminal is written.
"""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.accuracy.plot import write_plot
from bench.accuracy.tables import (
    FOLDER,
    OURS,
    RESULTS,
    Row,
    ratio_over_all,
    read_rows,
    with_ratios,
    write_rows,
    write_tables,
)
from model.comparison import SCORED_LEVELS
from model.forecast_file import ReadForecasts, timing_path
from model.loading import load_history
from model.scores import ScoreSums, seasonal_scale
from model.splits import fit_to_split, read_split

SPLITS: Final = FOLDER / "splits.json"
FORECASTS: Final = Path("build/accuracy")
"""Where forecasts and reports of the run are left."""


def backtest(data: Path, options: list[str]) -> Path:
    """Run the command on a data set and return its forecast file."""
    split = read_split(SPLITS, data)
    out = FORECASTS / f"{data.stem}.parquet"
    command = [
        sys.executable, "-c", "from genrecast.cli import main; main()", "backtest",
        "--data", str(data), "--bucket", str(split.bucket_seconds),
        "--horizon", str(split.horizon), "--origins", str(SPLITS), "--out", str(out), *options,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return out


def score(data: Path, forecasts: Path) -> Row:
    """Return the scores of a forecast file, as a row of the results."""
    split = read_split(SPLITS, data)
    history = fit_to_split(load_history(data, split.bucket_seconds or 3600), split)
    rows = split.plan(history, 1).rows
    clicks = history.clicks.astype(float)
    read = ReadForecasts.of(forecasts, split)
    sums = ScoreSums(
        SCORED_LEVELS, seasonal_scale(clicks[: rows[0] + 1], split.season), split.horizon
    )
    for origin, row in enumerate(rows):
        actual = clicks[row + 1 : row + 1 + split.horizon].T
        sums.add(actual, read.mean[origin], read.quantiles[origin])
    metrics = sums.metrics()
    figures = {
        "MASE": metrics.mase, "RMSSE": metrics.rmsse, "WQL": metrics.wql, "WQLs": metrics.wqls,
        "cov80": metrics.coverage, "width": metrics.width, "crossed": metrics.crossed,
    }  # fmt: skip
    with timing_path(forecasts).open(newline="", encoding="utf-8") as stream:
        timing = next(csv.DictReader(stream))
    times = {"fit_s": float(timing["fit_s"]), "fc_s": float(timing["forecast_s"])}
    return {"dataset": split.name, "method": OURS} | {
        name: f"{value:.6g}" for name, value in (figures | times).items()
    }


def main(options: list[str]) -> None:
    """Run, score, tell, write."""
    FORECASTS.mkdir(parents=True, exist_ok=True)
    ours = []
    for data in sorted((FOLDER / "data").glob("*.parquet")):
        print(f"== {data.stem}", flush=True)
        ours.append(score(data, backtest(data, options)))
    rows = with_ratios([*read_rows(FOLDER / "peers.csv"), *ours])
    for row in rows:
        if row["method"] == OURS:
            print(
                f"{row['dataset']:24s} WQL {float(row['WQL']):.4f}  ratio {float(row['ratio']):.3f}"
                f"  cov80 {float(row['cov80']):.3f}  step {1000 * float(row['fc_s']):.2f} ms"
            )
    print(f"geometric mean of the ratios {ratio_over_all(rows)[OURS]:.3f}")
    if options:
        print("further options were given: no table was written")
        return
    write_rows(RESULTS, rows)
    write_plot(rows, FOLDER / "accuracy.svg")
    write_tables(rows)
    print(f"wrote {RESULTS}, RESULTS.md, accuracy.svg and the table in docs/comparison.md")


if __name__ == "__main__":
    main(sys.argv[1:])
