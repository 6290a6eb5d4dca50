"""A Status as people read it."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.moments import moment_text
from feed.status import Status


def show_status(status: Status) -> None:
    """Print a status to stdout, as tables."""
    console = Console(highlight=False)
    console.print(_overview(status))
    console.print(_models(status))
    console.print(_partitions(status))


def _overview(status: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    lag = "unknown" if status.lag is None else f"{status.lag:,} records"
    rows = {
        "app": f"{status.app}, buckets of {status.bucket_seconds} s",
        "watermark": moment_text(status.watermark_ms),
        "last bucket published": moment_text(status.published_ms),
        "last bucket closed": moment_text(status.closed_ms),
        "open buckets": f"{status.open_buckets} with {status.open_clicks:,} clicks",
        "genres": f"{status.genres:,}",
        "model": status.model_version or "-",
        "lag": lag,
    }
    for model in status.models:
        if model.suspended:
            rows[f"{model.role} suspended"] = escape(model.suspended)
    if status.retrain:
        rows["retraining"] = f"is asked for: {escape(status.retrain)}"
    for partition in status.partitions:
        if partition.paused:
            rows[f"partition {partition.partition} paused"] = escape(partition.paused)
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    for name, count in sorted(status.totals.items()):
        table.add_row(f"[bold]total {name.replace('_', ' ')}[/]", f"{count:,}")
    return table


def _models(status: Status) -> Table:
    heads = ("MASE", "WQL", "coverage", "skill", "compared", "beside")
    table = Table("model", "role", *heads, box=None, header_style="bold")
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[2:]:
        column.justify = "right"
    for model in status.models:
        record = [_figure(model.rolling.get(name)) for name in ("mase", "wql", "coverage", "skill")]
        compared, beside = "-", "-"
        if model.wql is not None and model.champion_wql:
            compared = f"{model.shadow_buckets:,}"
            beside = f"{model.wql / model.champion_wql - 1:+.1%}"
        table.add_row(model.name, model.role, *record, compared, beside)
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _partitions(status: Status) -> Table:
    table = Table("partition", "offset", "end", "lag", "watermark", box=None, header_style="bold")
    for column in table.columns[:4]:
        column.justify = "right"
    for p in status.partitions:
        numbers = (p.offset, p.end_offset, p.lag)
        shown = ["-" if number is None else f"{number:,}" for number in numbers]
        table.add_row(str(p.partition), *shown, moment_text(p.watermark_ms))
    return table
