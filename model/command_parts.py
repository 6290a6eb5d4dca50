"""What the commands of this folder share: durations, progress bars, tables, one-line endings."""

import functools
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from model.artifact import TrainMetrics
from model.history import History
from model.loading import HistoryError, load_history
from model.scores import Metrics

EXIT_INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""

_TRAIN_HEADS: Final = {
    "mse": "MSE",
    "mae": "MAE",
    "mase": "MASE",
    "wql": "WQL",
    "coverage": "coverage",
}


class ModelCommandError(click.ClickException):
    """What was asked cannot be done: one clear sentence, exit status 1."""


def parse_duration(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Turn `90s`, `5m`, `1h`, `1d` or plain seconds into seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd]?)", text.strip())
    if match is None or int(match[1]) == 0:
        raise click.BadParameter("must be such as 300, 5m, 1h or 1d", context, option)
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def interruptible(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an ending of its own on Ctrl-C: one line, exit status 130."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (passed through)
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise SystemExit(EXIT_INTERRUPTED) from None

    return wrapper


def history_from_file(path: Path, bucket_seconds: int) -> History:
    """Read a history.

    Raises:
        ModelCommandError: When it is none.
    """
    try:
        return load_history(path, bucket_seconds)
    except HistoryError as error:
        raise ModelCommandError(str(error)) from None


def progress_bar(console: Console) -> Progress:
    """Return a progress bar with a column for a note."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def metrics_table(
    rows: Mapping[str, Metrics | TrainMetrics],
    heads: Mapping[str, str] | None = None,
    title: str = "Held-out buckets",
) -> Table:
    """Return the metrics of several methods, one a row.

    Args:
        rows: Method name to metrics.
        heads: Metric to column head; those of a training when None.
        title: Of the table.
    """
    heads = _TRAIN_HEADS if heads is None else heads
    table = Table(title=title)
    table.add_column("")
    for head in heads.values():
        table.add_column(head, justify="right")
    for name, metrics in rows.items():
        table.add_row(escape(name), *(shown_number(getattr(metrics, key)) for key in heads))
    return table


def shown_number(value: float | None) -> str:
    """Return a figure to four places, `-` where there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:,.4g}"
