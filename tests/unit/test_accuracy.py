"""The accuracy tables are those of the results, and the benchmark's files fit together."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.__main__ import SPLITS, score
from bench.accuracy.plot import accuracy_figure
from bench.accuracy.tables import (
    COMPARISON,
    FOLDER,
    RESULTS,
    Row,
    ratio_over_all,
    read_rows,
    results_page,
    with_accuracy,
    with_ratios,
    wql_table,
)
from model.comparison import Compared
from model.forecast_file import Timing, write_timing, writing_forecasts
from model.forecaster import Forecasts
from model.loading import load_history
from model.splits import fit_to_split, read_split

DATA = sorted((FOLDER / "data").glob("*.parquet"))
PAGE = "# Title\n<!-- accuracy: written by `make accuracy` -->\nold\n<!-- accuracy end -->\nrest\n"


def made(method: str, *wql: float, seconds: float = 0.002) -> list[Row]:
    """Rows of a method on the data sets a and b."""
    return [
        {"dataset": name, "method": method, "WQL": str(value), "fc_s": str(seconds)}
        for name, value in zip("ab", wql, strict=True)
    ]


ROWS = with_ratios(
    [*made("LightGBM-directQ", 0.4, 0.2), *made("other", 0.8, 0.2), *made("genrecast", 0.2, 0.16)]
)


def test_wql_table_is_that_of_the_results() -> None:
    rows = read_rows(RESULTS)
    text = COMPARISON.read_text(encoding="utf-8")
    assert text == with_accuracy(text, rows), "run: python -m bench.accuracy.tables"
    assert ("accuracy end" in text) == bool(rows)


def test_results_page_is_that_of_the_results() -> None:
    rows, page = read_rows(RESULTS), FOLDER / "RESULTS.md"
    assert page.exists() == bool(rows)
    assert not rows or page.read_text(encoding="utf-8") == results_page(rows)


def test_results_hold_the_peers_as_they_were_measured() -> None:
    measured = {(row["dataset"], row["method"]): row for row in read_rows(FOLDER / "peers.csv")}
    assert len(measured) == 42
    for row in read_rows(RESULTS):
        if row["method"] != "genrecast":
            peer = measured.pop((row["dataset"], row["method"]))
            assert {name: row[name] for name in ("WQL", "MASE", "cov80", "fc_s")} == {
                name: peer[name] for name in ("WQL", "MASE", "cov80", "fc_s")
            }
    assert not read_rows(RESULTS) or not measured


def test_ratios_are_to_the_reference_worked_by_hand() -> None:
    # genrecast: 0.2 / 0.4 and 0.16 / 0.2, root of 0.5 x 0.8; other: 2 and 1, root of 2.
    means = ratio_over_all(ROWS)
    assert list(means) == ["genrecast", "LightGBM-directQ", "other"]
    assert list(means.values()) == pytest.approx([0.4**0.5, 1.0, 2**0.5])


def test_wql_table_worked_by_hand() -> None:
    assert wql_table(ROWS).splitlines() == [
        "| WQL (lower is better) | a | b | ratio | forecast, ms at most |",
        "|---|--:|--:|--:|--:|",
        "| **genrecast** | **0.200** | **0.160** | **0.63** | **2.0** |",
        "| LightGBM-directQ | 0.400 | 0.200 | 1.00 | 2.0 |",
        "| other | 0.800 | 0.200 | 1.41 | 2.0 |",
    ]


def test_table_is_written_between_its_marks() -> None:
    text = with_accuracy(PAGE, ROWS)
    assert text.startswith("# Title\n<!-- accuracy")
    assert text.endswith("<!-- accuracy end -->\nrest\n")
    assert "old" not in text
    assert wql_table(ROWS) in text
    assert with_accuracy(text, ROWS) == text


def test_page_without_marks_is_left_as_it_is() -> None:
    assert with_accuracy("# Title\n", ROWS) == "# Title\n"


def test_marks_without_results_and_half_a_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no results"):
        with_accuracy(PAGE, [])
    with pytest.raises(ValueError, match="only one of"):
        with_accuracy(PAGE.replace("<!-- accuracy end -->", ""), ROWS)


def test_results_page_has_every_method_and_data_set() -> None:
    page = results_page(ROWS)
    assert page.count("| **genrecast** |") == 3
    assert "## a\n" in page
    assert "| other | 1.414 |" in page


def test_plot_has_the_best_method_on_top() -> None:
    axes = accuracy_figure(ROWS).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "genrecast"


def test_every_data_set_has_its_split_and_licence() -> None:
    assert {path.stem for path in DATA} == set(json.loads(SPLITS.read_text()))
    assert len(list((FOLDER / "data").glob("LICENSE-*"))) == 2


@pytest.mark.parametrize("data", DATA, ids=lambda path: path.stem)
def test_forecast_file_that_repeats_yesterday_scores_as_the_peer_does(
    data: Path, tmp_path: Path
) -> None:
    split = read_split(SPLITS, data)
    history = fit_to_split(load_history(data, split.bucket_seconds or 0), split)
    plan = split.plan(history, 1)
    out = tmp_path / "naive.parquet"
    with writing_forecasts(out, split, plan.rows, (0.1, 0.5, 0.9), "naive") as writer:
        for row in plan.rows:
            first = row + 1 - split.season
            mean = history.clicks[first : first + split.horizon].T.astype(np.float32)
            told = Forecasts(mean, np.repeat(mean[:, :, None], 3, axis=2))
            writer.write(Compared(row, np.zeros(mean.shape), told, told, told))
    write_timing(out, split, "naive", Timing(0.0, 0.001, ""))
    naive = next(
        row
        for row in read_rows(FOLDER / "peers.csv")
        if (row["dataset"], row["method"]) == (data.stem, "SeasonalNaive")
    )
    ours = score(data, out)
    for name in ("MASE", "RMSSE"):
        assert float(ours[name]) == pytest.approx(float(naive[name]), rel=1e-5)
