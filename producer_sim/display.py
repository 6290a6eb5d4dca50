"""What a person sees: progress while it runs (stderr), a summary of what was sent (stdout)."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from producer_sim.run import Tally
from producer_sim.truth import Truth

REFRESH_MS: Final = 250
"""How often the progress line changes."""

MOST_GENRES_SHOWN: Final = 40
"""Rows of the summary; the rest is summed up in one."""


class ProgressLine:
    """A line on stderr: sent, rate, event time, late, malformed. Silent where nobody looks."""

    def __init__(self, truth: Truth, events: int | None, now_ms: Callable[[], int]) -> None:
        console = Console(stderr=True)
        self._truth = truth
        self._now_ms = now_ms
        self._started_ms = self._shown_ms = now_ms()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *([BarColumn()] if events is not None else []),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("connecting", total=events)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, tally: Tally) -> None:
        """Show how far it is, at most every REFRESH_MS."""
        now_ms = self._now_ms()
        if now_ms - self._shown_ms < REFRESH_MS:
            return
        self._shown_ms = now_ms
        rate = tally.handed_over * 1000 / max(now_ms - self._started_ms, 1)
        at = datetime.fromtimestamp(tally.event_ms / 1000, UTC)
        self._progress.update(
            self._task,
            completed=tally.handed_over,
            description=(
                f"{tally.handed_over:,} sent · {rate:,.0f}/s · event time {at:%Y-%m-%d %H:%M:%S} · "
                f"{self._truth.late:,} late · {self._truth.dead_letters:,} malformed"
            ),
        )


def print_summary(report: dict[str, Any]) -> None:
    """Print what was sent, genre by genre."""
    console = Console()
    table = Table(title="What was sent")
    for column in ("genre", "counted", "late"):
        table.add_column(column, justify="left" if column == "genre" else "right")
    counted, late = report["counted_per_genre"], report["late_per_genre"]
    names = sorted({*counted, *late}, key=lambda name: (-counted.get(name, 0), name))
    for name in names[:MOST_GENRES_SHOWN]:
        table.add_row(escape(name), f"{counted.get(name, 0):,}", f"{late.get(name, 0):,}")
    rest = names[MOST_GENRES_SHOWN:]
    if rest:
        sums = (sum(part.get(name, 0) for name in rest) for part in (counted, late))
        table.add_row(f"({len(rest)} more)", *(f"{value:,}" for value in sums))
    console.print(table)
    console.print(_totals(report), soft_wrap=True, highlight=False)
    for doubt in report["doubts"]:
        console.print(f"Not exact: {doubt}", markup=False)


def _totals(report: dict[str, Any]) -> str:
    shown = f"{report['impressions']:,} impressions + " if report["impressions"] else ""
    return (
        f"{report['sent']:,} records in {report['wall_seconds']:,.1f} s "
        f"({report['events_per_second']:,.0f}/s) = {report['counted']:,} events counted + "
        f"{shown}{report['late']:,} late + {report['malformed']:,} malformed"
    )
