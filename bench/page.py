"""RESULTS.md and the README's table, from results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.results import Cell, Part, Ratio, Results, Table

FOLDER: Final = Path(__file__).parent
"""Where results, page and plots are."""

README: Final = FOLDER.parent / "README.md"
"""The page that holds the table."""

MARK: Final = "<!-- speed: written by `make bench` -->"
"""Before the README's table."""

END: Final = "<!-- speed end -->"
"""After the README's table."""

README_KEYS: Final = (
    "ingest.bare", "ingest.confluent", "ingest.frameworks", "latency.close_20",
    "latency.close_2000", "latency.transaction_20", "step.window_20", "step.window_2000",
    "growth.genres", "growth.redis_bytes", "catchup.real_time",
)  # fmt: skip
"""Ratios that the README shows, those of them that were measured."""


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
    kind = "a quick run" if results.is_quick else "a full run"
    machine = ", ".join(f"{name} {shown(value)}" for name, value in results.machine.items())
    texts = [
        "# Speed: results\n",
        f"Written by `make bench`, {kind} on {results.taken_at}; {machine}.",
        "Every ratio is of figures from one run on one machine; spread is largest less smallest",
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
    texts.append(f"Took {part.seconds:.0f} s (`python -m bench --only {part.name}`).")
    return texts


def plot_name(part: Part, number: int) -> str:
    """Return the file name of a part's plot."""
    return f"{part.name}.svg" if number == 0 else f"{part.name}-{number + 1}.svg"


def readme_table(results: Results) -> str:
    """Return the README's table as Markdown."""
    ratios = [results.ratios[key] for key in README_KEYS if key in results.ratios]
    rows = tuple((ratio.says, ratio.value, _wanted(ratio)) for ratio in ratios)
    return markdown(Table("Speed", ("measured in one run", "figure", "wanted"), rows))


def with_speed(text: str, results: Results) -> str:
    """Return a README's text with the table between its marks, if it has them.

    Raises:
        ValueError: When only one of the marks is there.
    """
    if (MARK in text) != (END in text):
        raise ValueError(f"the README has only one of {MARK} and {END}")
    if MARK not in text:
        return text
    before, _, rest = text.partition(MARK)
    return f"{before}{MARK}\n{readme_table(results)}\n{END}{rest.partition(END)[2]}"


def write_pages(results: Results) -> None:
    """Write RESULTS.md and, where its marks are, the README's table."""
    (FOLDER / "RESULTS.md").write_text(results_page(results), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(with_speed(text, results), encoding="utf-8")
