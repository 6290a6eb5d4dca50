"""The evaluation's results as a file, a table and a plot."""

import json
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from model.figures import INK, MODEL_COLOUR, MUTED, styled

RESULTS: Final = Path(__file__).parent / "results.json"
"""What was found last."""

DOCS: Final = Path(__file__).parents[2] / "docs"

PAGE: Final = DOCS / "experiments.md"
"""Holds the table."""

PLOT: Final = DOCS / "recommendations.svg"
"""NDCG@5 of every ranking, with intervals."""

BEGIN: Final = "<!-- recommendations: written by `python -m bench.recommending` -->"
END: Final = "<!-- recommendations end -->"

AHEAD: Final = ("ahead_by_user", "ahead_by_day")
"""Intervals of the difference, of users and of days drawn again."""

Results = dict[str, Any]


def write_results(results: Results) -> None:
    """Write the results as JSON."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read_results() -> Results:
    """Return the results that were written last."""
    found: Results = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def table(results: Results) -> str:
    """Return the test span's scores as a Markdown table."""
    lines = [
        "| ranking | NDCG@5 | hit@1 | hit@3 | hit@5 | genrecast ahead, NDCG@5 | 95 %, over users |"
        " over days |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in results["test"]["rows"].items():
        hits = " | ".join(f"{row['hit'][count]:.3f}" for count in ("1", "3", "5"))
        ahead = " |  | "
        if row["ahead_by_user"] is not None:
            told = [f"{row[key][0]:+.4f} to {row[key][1]:+.4f}" for key in AHEAD]
            ahead = f"{row['ahead']:+.4f} | {' | '.join(told)}"
        lines.append(f"| {name} | {row['ndcg']:.4f} | {hits} | {ahead} |")
    return "\n".join(lines)


def with_table(text: str, results: Results) -> str:
    """Return a page's text with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{rest.partition(END)[2]}"


def write_page(results: Results) -> None:
    """Write the table into the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


def figure_of(results: Results) -> Figure:
    """Draw NDCG@5 of every ranking with its interval."""
    rows = results["test"]["rows"]
    names = list(rows)[::-1]
    with styled():
        figure = Figure(figsize=(7.6, 0.34 * len(names) + 1.1), layout="constrained")
        axes = figure.subplots()
        for place, name in enumerate(names):
            value, (low, high) = rows[name]["ndcg"], rows[name]["ndcg_interval"]
            colour = MODEL_COLOUR if name.startswith("genrecast") else MUTED
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
            axes.plot(value, place, "o", color=colour, markersize=5)
            axes.annotate(
                f"{value:.3f}", (high, place), xytext=(5, 0), textcoords="offset points",
                va="center", fontsize=8.5, color=INK,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("NDCG@5 of the next event's genres, 95 % interval over users")
        axes.grid(visible=False, axis="y")
    return figure


def write_plot(results: Results) -> None:
    """Write the plot as SVG on white."""
    figure = figure_of(results)
    figure.set_facecolor("white")
    with styled(), mpl.rc_context({"svg.hashsalt": "recommending"}):
        figure.savefig(PLOT, format="svg", metadata={"Date": None, "Creator": None})
