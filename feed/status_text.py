"""A Status as people read it."""

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from feed.status import Status


def show_status(status: Status) -> None:
    """Print a status to stdout, as tables."""
    console = Console(highlight=False)
    console.print(_overview(status))
    console.print(_partitions(status))


def _overview(status: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    lag = "unknown" if status.lag is None else f"{status.lag:,} records"
    rows = {
        "app": f"{status.app}, buckets of {status.bucket_seconds} s",
        "watermark": _time(status.watermark_ms),
        "last bucket published": _time(status.published_ms),
        "last bucket closed": _time(status.closed_ms),
        "open buckets": f"{status.open_buckets} with {status.open_clicks:,} clicks",
        "genres": f"{status.genres:,}",
        "model": status.model_version or "-",
        "lag": lag,
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    for name, count in sorted(status.totals.items()):
        table.add_row(f"[bold]total {name.replace('_', ' ')}[/]", f"{count:,}")
    return table


def _partitions(status: Status) -> Table:
    table = Table("partition", "offset", "end", "lag", "watermark", box=None, header_style="bold")
    for column in table.columns[:4]:
        column.justify = "right"
    for p in status.partitions:
        numbers = (p.offset, p.end_offset, p.lag)
        shown = ["-" if number is None else f"{number:,}" for number in numbers]
        table.add_row(str(p.partition), *shown, _time(p.watermark_ms))
    return table


def _time(epoch_ms: int | None) -> str:
    if epoch_ms is None:
        return "-"
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
