"""What a person sees of a load test: progress (stderr), each probe, a summary (stdout)."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from producer_sim.load import runner
from producer_sim.load.measuring import Probe, run_cells, shown_run

Take = Callable[[list[runner.Progress]], None]


class Screen:
    """A progress bar on stderr; silent where nobody looks, but for the probes of a search."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("connecting", total=None)

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

    def begin(self, seconds: float, title: str) -> Take:
        """Show a run that begins; return who takes its progress."""
        self._progress.update(self._task, total=seconds, completed=0, description=title)

        def take(progress: list[runner.Progress]) -> None:
            at_s = max(each.at_s for each in progress)
            acknowledged = sum(each.acknowledged for each in progress)
            lag_s = max(each.lag_s for each in progress)
            text = f"{title} · {acknowledged:,} acknowledged"
            if lag_s > 0.05:
                text += f" · {lag_s:.1f} s late"
            self._progress.update(
                self._task, completed=min(max(at_s, 0.0), seconds), description=text
            )

        return take

    def probe(self, rate: float, probe: Probe | None, seconds: float) -> Take:
        """Show a probe that begins, or print one that has ended."""
        if probe is None:
            return self.begin(seconds, f"{rate:,.0f}/s")
        cells = run_cells(shown_run(probe))
        verdict = "holds" if probe.does_hold else "fails"
        self._console.print(
            f"{cells[0]:>10}/s {verdict}: p50 {cells[4]} ms, p99 {cells[5]} ms", highlight=False
        )
        return lambda _: None


def print_result(report: dict[str, Any]) -> None:
    """Print what was measured."""
    console = Console()
    table = Table(title="Latency from the intended time")
    heads = ("events/s", "holds", "acknowledged", "p50 ms", "p99 ms", "p99.9 ms", "largest ms")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for run in report["runs"]:
        cells = run_cells(run)
        table.add_row(*cells[:2], *cells[3:8])
    console.print(table)
    truth = report["truth"]
    console.print(
        f"{report['verdict']}. On the topic: {truth['sent']:,} records = "
        f"{truth['counted']:,} counted + {truth['late']:,} late + {truth['malformed']:,} malformed",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    for doubt in truth["doubts"]:
        console.print(f"Not exact: {doubt}", markup=False)
