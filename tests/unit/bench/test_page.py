from dataclasses import replace
from pathlib import Path

import pytest

from bench.drawing import figure_of, write_plots
from bench.page import (
    COMPARISON,
    FOLDER,
    MARKS,
    markdown,
    ratio_table,
    results_page,
    same_job_table,
    shown,
    speed_table,
    with_tables,
)
from bench.results import Part, Plot, Ratio, Results, Table, read_results, write_results

BARE = Ratio("ingest.bare", "events per CPU second, over bare poll()", 1.25, "higher", 1.0, 0.04)
CLOSE = Ratio("latency.close_20", "close to visible p99, ms", 61.5, "lower", 50.0)
LINES = Plot("lines", "Memory", "s", "MB", {"a": ((0.0, 1.0), (1.0, 2.0))})
BARS = Plot("bars", "Ingest", "", "", {"genrecast": ((300.0, 0.0),), "b": ((10.0, 0.0),)}, "x")
PART = Part(
    "ingest", "Ingest", "Measured so.", (BARE,),
    (Table("Behind it", ("", "events"), (("ours", 1234567), ("none", None))),),
    (LINES, BARS), {"Faust": "no wheel"}, "2026-01-05 00:00 UTC", 12.0,
)  # fmt: skip
RESULTS = Results(
    {"cores": 2}, False,
    {"ingest": PART, "latency": Part("latency", "Latency", "So.", (CLOSE,))},
)  # fmt: skip
SPEED, SPEED_END = MARKS["speed"]
JOB, JOB_END = MARKS["same job"]
TEXT = f"# Title\n{SPEED}\nold\n{SPEED_END}\nrest\n{JOB}\n{JOB_END}\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("as it is", "as it is"),
        (1234567, "1,234,567"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
    ],
)
def test_figures_have_three_digits(value: float | str | None, text: str) -> None:
    assert shown(value) == text


def test_table_as_markdown_worked_by_hand() -> None:
    assert markdown(PART.tables[0]).splitlines() == [
        "|  | events |",
        "|---|--:|",
        "| ours | 1,234,567 |",
        "| none |  |",
    ]


def test_ratios_stand_beside_what_is_wanted() -> None:
    assert ratio_table([BARE, CLOSE]).rows == (
        (BARE.says, 1.25, "≥ 1.00", "✓", "4%"),
        (CLOSE.says, 61.5, "≤ 50.0", "✗", ""),
    )


def test_a_ratio_without_bound_is_held() -> None:
    free = replace(BARE, wanted=None)
    assert free.is_held
    assert ratio_table([free]).rows[0][2:4] == ("more is better", "")


def test_page_has_every_part_with_its_plots_and_who_is_missing() -> None:
    page = results_page(RESULTS)
    assert "## Ingest\n\nMeasured so.\n" in page
    assert "![Memory](plots/ingest.svg)" in page
    assert "![Ingest](plots/ingest-2.svg)" in page
    assert "Not measured: Faust: no wheel" in page
    assert "Taken on 2026-01-05 00:00 UTC in 12 s (`python -m bench --only ingest`)." in page
    assert page.index("## At a glance") < page.index("## Ingest") < page.index("## Latency")


def test_speed_table_holds_the_chosen_ratios() -> None:
    assert speed_table(RESULTS).splitlines()[2:] == [
        f"| {BARE.says} | 1.25 | ≥ 1.00 |",
        f"| {CLOSE.says} | 61.5 | ≤ 50.0 |",
    ]


def test_the_same_job_is_the_first_table_of_ingest() -> None:
    assert same_job_table(RESULTS) == markdown(PART.tables[0])
    assert same_job_table(replace(RESULTS, parts={})) == ""


def test_tables_are_written_between_their_marks() -> None:
    text = with_tables(TEXT, RESULTS)
    assert text == (
        f"# Title\n{SPEED}\n{speed_table(RESULTS)}\n{SPEED_END}\nrest\n"
        f"{JOB}\n{same_job_table(RESULTS)}\n{JOB_END}\n"
    )
    assert with_tables(text, RESULTS) == text


def test_page_without_marks_is_left_alone() -> None:
    assert with_tables("# Title\n", RESULTS) == "# Title\n"


def test_page_with_one_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="only one"):
        with_tables(f"# Title\n{SPEED}\n", RESULTS)


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    write_results(RESULTS, tmp_path / "results.json")
    assert read_results(tmp_path / "results.json") == RESULTS


def test_results_of_another_format_are_none(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"format": 0}')
    assert read_results(tmp_path / "results.json") is None
    assert read_results(tmp_path / "absent.json") is None


def test_parts_measured_anew_replace_older_ones_and_keep_the_order() -> None:
    anew = Results({"cores": 4}, False, {"ingest": replace(PART, how="Otherwise.")})
    merged = anew.merged_into(RESULTS, ["ingest", "latency"])
    assert list(merged.parts) == ["ingest", "latency"]
    assert merged.parts["ingest"].how == "Otherwise."
    assert merged.parts["latency"] == RESULTS.parts["latency"]


def test_bars_name_everybody_and_show_the_figure() -> None:
    axes = figure_of(BARS).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["genrecast", "b"]
    assert [text.get_text() for text in axes.texts] == ["300", "10"]


def test_plots_are_the_same_from_the_same_results(tmp_path: Path) -> None:
    paths = write_plots(RESULTS, tmp_path / "a")
    again = write_plots(RESULTS, tmp_path / "b")
    assert [path.name for path in paths] == ["ingest.svg", "ingest-2.svg"]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]


def test_pages_are_those_of_the_results() -> None:
    results = read_results(FOLDER / "results.json")
    assert results is not None
    assert (FOLDER / "RESULTS.md").read_text(encoding="utf-8") == results_page(results)
    text = COMPARISON.read_text(encoding="utf-8")
    assert text == with_tables(text, results), "run: python -m bench --page"


def test_times_are_not_compared_with_other_runs() -> None:
    timed = replace(CLOSE, is_ratio=False)
    results = replace(RESULTS, parts={"ingest": replace(PART, ratios=(BARE, timed))})
    assert list(results.ratios) == ["ingest.bare", "latency.close_20"]
    assert list(results.comparable) == ["ingest.bare"]
