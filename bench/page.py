"""RESULTS.md and the tables of docs/comparison.md, from results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.results import Cell, Part, Ratio, Results, Table

FOLDER: Final = Path(__file__).parent
"""Where results, page and plots are."""

COMPARISON: Final = FOLDER.parent / "docs" / "comparison.md"
"""The page that holds the tables."""

MARKS: Final = {
    "speed": ("<!-- speed: written by `make bench` -->", "<!-- speed end -->"),
    "same job": ("<!-- same job: written by `make bench` -->", "<!-- same job end -->"),
}
"""Before and after each table there."""

SHOWN_KEYS: Final = (
    "ingest.bare", "ingest.confluent", "ingest.frameworks", "latency.close_20",
    "latency.close_2000", "latency.transaction_20", "step.window_20", "step.window_2000",
    "growth.genres", "growth.redis_bytes", "catchup.real_time",
)  # fmt: skip
"""Ratios that are shown there, those of them that were measured."""


def shown(value: Cell) -> str:
    """Return a figure as people read it: three digits that count, thousands apart."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return (
        f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    )


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    lines = [
        f"| {' | '.join(table.columns)} |",
        "|---|" + "--:|" * (len(table.columns) - 1),
        *(f"| {' | '.join(map(shown, row))} |" for row in table.rows),
    ]
    return "\n".join(lines)


def ratio_table(ratios: Sequence[Ratio]) -> Table:
    """Return ratios beside what is wanted of them."""
    rows = [
        (ratio.says, ratio.value, _wanted(ratio), _verdict(ratio), _percent(ratio.noise))
        for ratio in ratios
    ]
    return Table("Ratios", ("", "measured", "wanted", "", "spread"), tuple(rows))


def _wanted(ratio: Ratio) -> str:
    if ratio.wanted is None:
        return "more is better" if ratio.better == "higher" else "less is better"
    return f"{'≥' if ratio.better == 'higher' else '≤'} {shown(ratio.wanted)}"


def _verdict(ratio: Ratio) -> str:
    if ratio.wanted is None:
        return ""
    return "✓" if ratio.is_held else "✗"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def results_page(results: Results) -> str:
    """Return RESULTS.md."""
    kind = "quick runs" if results.is_quick else "full runs"
    machine = ", ".join(f"{name} {shown(value)}" for name, value in results.machine.items())
    texts = [
        "# Speed: results\n",
        f"Written by `make bench`, {kind}; {machine}.",
        "Every ratio is of figures from one run on one machine, each part says when; spread is "
        "largest less smallest",
        "over the rounds.\n",
        "## At a glance\n",
        markdown(ratio_table([r for r in results.ratios.values() if r.wanted is not None])),
        "",
    ]
    for part in results.parts.values():
        texts += [*_section(part), ""]
    return "\n".join(texts).rstrip() + "\n"


def _section(part: Part) -> list[str]:
    texts = [f"## {part.title}\n", f"{part.how}\n"]
    texts += [
        f"![{plot.title}](plots/{plot_name(part, number)})\n"
        for number, plot in enumerate(part.plots)
    ]
    if part.ratios:
        texts += [markdown(ratio_table(part.ratios)), ""]
    for table in part.tables:
        texts += [f"**{table.title}**\n", markdown(table), ""]
    texts += [f"Not measured: {name}: {reason}\n" for name, reason in part.missing.items()]
    texts.append(
        f"Taken on {part.taken_at} in {part.seconds:.0f} s (`python -m bench --only {part.name}`)."
    )
    return texts


def plot_name(part: Part, number: int) -> str:
    """Return the file name of a part's plot."""
    return f"{part.name}.svg" if number == 0 else f"{part.name}-{number + 1}.svg"


def speed_table(results: Results) -> str:
    """Return the ratios that are shown beside the peers, as Markdown."""
    ratios = [results.ratios[key] for key in SHOWN_KEYS if key in results.ratios]
    rows = tuple((ratio.says, ratio.value, _wanted(ratio)) for ratio in ratios)
    return markdown(Table("Speed", ("measured in one run", "figure", "wanted"), rows))


def same_job_table(results: Results) -> str:
    """Return what everybody took for the same job, as Markdown; empty when nobody was measured."""
    tables = results.parts["ingest"].tables if "ingest" in results.parts else ()
    return markdown(tables[0]) if tables else ""


def with_tables(text: str, results: Results) -> str:
    """Return a page's text with each table between its marks, those that it has.

    Raises:
        ValueError: When only one mark of a pair is there.
    """
    tables = {"speed": speed_table(results), "same job": same_job_table(results)}
    for name, (mark, end) in MARKS.items():
        if (mark in text) != (end in text):
            raise ValueError(f"the page has only one of {mark} and {end}")
        if mark in text:
            before, _, rest = text.partition(mark)
            text = f"{before}{mark}\n{tables[name]}\n{end}{rest.partition(end)[2]}"
    return text


def write_pages(results: Results) -> None:
    """Write RESULTS.md and the tables of the comparison."""
    (FOLDER / "RESULTS.md").write_text(results_page(results), encoding="utf-8")
    text = COMPARISON.read_text(encoding="utf-8")
    COMPARISON.write_text(with_tables(text, results), encoding="utf-8")
