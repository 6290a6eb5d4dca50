"""Progress of a run: a bar per part in a terminal, lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from bench.lab import Teller


class Bars(Teller):
    """A bar per part, with what is measured right now; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.fields[part]:<9}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.description}"),
            console=console,
            refresh_per_second=2,  # drawing must not take part in the measuring
        )
        self._task: TaskID | None = None
        self._has_begun = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        self._progress.stop()

    def expect(self, name: str, steps: int) -> None:
        """A part begins; the one before is done."""
        self.finish()
        self._task = self._progress.add_task("", total=steps, part=name)
        self._has_begun = False

    def step(self, text: str) -> None:
        """The next step begins: the one before is done."""
        if self._task is None:
            self._task = self._progress.add_task(text, total=None, part="start")
            return
        if self._has_begun:
            self._progress.advance(self._task)
        self._has_begun = True
        self._progress.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(f"  … {text}", highlight=False)

    def finish(self) -> None:
        """The part is done."""
        if self._task is not None:
            steps = self._progress.tasks[self._task].total or 1
            self._progress.update(self._task, total=steps, completed=steps, description="")
