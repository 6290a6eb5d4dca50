"""The report as people read it in a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from consumer.loop_report.report import LoopReport
from consumer.loop_report.rows import (
    RATE_HEADS,
    SCORE_HEADS,
    SPILL_NOTE,
    rate_rows,
    score_rows,
    user_facts,
)


def show_report(report: LoopReport) -> None:
    """Print a report to stdout, as tables."""
    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 2))
    for name, value in user_facts(report.comparison).items():
        facts.add_row(f"[bold]{name}[/]", value)
    console.print(facts)
    console.print(SPILL_NOTE, style="dim")
    console.print(_table(RATE_HEADS, rate_rows(report), texts=1))
    console.print(_table(SCORE_HEADS, score_rows(report.calibration), texts=2))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int) -> Table:
    table = Table(*heads, box=None, header_style="bold")
    for column in table.columns[texts:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table
