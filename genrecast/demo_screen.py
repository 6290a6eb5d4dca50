"""The demo's screen: a live table in a terminal, plain lines elsewhere."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from genrecast.demo_board import Board, GenreBoard, Interval

BLOCKS: Final = "▁▂▃▄▅▆▇█"
LINE_SECONDS: Final = 5.0
"""How often a plain line is printed."""


class Screen(Protocol):
    """Where the board is shown; a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def show(self, board: Board, *, seconds: float) -> None:
        """Show the board as it is after so many seconds."""
        ...


def open_screen(console: Console, page: str) -> Screen:
    """Return the screen that fits where the output goes; it names the page's address."""
    return LiveScreen(console, page) if console.is_terminal else PlainScreen(console)


class LiveScreen:
    """A table that stands still and changes its figures."""

    def __init__(self, console: Console, page: str) -> None:
        self._page = page
        self._live = Live(console=console, refresh_per_second=5, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, board: Board, *, seconds: float) -> None:
        """See `Screen.show`."""
        self._live.update(render(board, self._page, seconds=seconds))


class PlainScreen:
    """A line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said_at = -LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, board: Board, *, seconds: float) -> None:
        """See `Screen.show`."""
        if seconds - self._said_at < LINE_SECONDS:
            return
        self._said_at = seconds
        top = max(board.genres.values(), key=lambda line: line.clicks, default=None)
        said = f"{seconds:5.0f} s  {footer(board).plain}"
        if top is not None and top.next is not None:
            said += f" | {top.genre}: {top.clicks}, next {interval_text(top.next)}"
        self._console.print(said, soft_wrap=True, markup=False)


def render(board: Board, page: str, *, seconds: float) -> Group:
    """Return the whole screen."""
    where = Text.assemble("the page: ", (page, f"link {page}"))
    return Group(header(board, seconds), genre_table(board), footer(board), where)


def header(board: Board, seconds: float) -> Text:
    """Return the line above the table."""
    if board.bucket_start is None:
        return Text(f"waiting for the first forecasts, {seconds:.0f} s ...", style="dim")
    text = Text.assemble(
        ("genrecast ", "bold"),
        f"bucket {time_text(board.bucket_start)}, {board.bucket_ms // 60_000} min each, ",
        f"a day a minute; model {board.model}",
    )
    if board.coverage is not None:
        text.append(f"; {board.coverage:.0%} of counts fell inside their 80 % interval")
    return text


def genre_table(board: Board) -> Table:
    """Return the table of genres, the busiest first."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("genre")
    table.add_column("last 6 hours")
    for name in ("last count", "was forecast", "", "next (80 %)", "skill"):
        table.add_column(name, justify="right")
    ranked = sorted(board.genres.values(), key=lambda line: (-sum(line.recent), line.genre))
    for line in ranked:
        table.add_row(line.genre, curve(line), *_cells(line))
    return table


def _cells(line: GenreBoard) -> tuple[str | Text, ...]:
    outcome, skill = line.outcome, line.skill
    mark = Text("")
    if outcome is not None:
        mark = Text("✓", style="green") if outcome.is_inside else Text("✗", style="red")
    colour = "" if skill is None else "green" if skill > 0 else "red"
    return (
        f"{line.clicks:,}",
        "" if outcome is None else interval_text(outcome.forecast),
        mark,
        "" if line.next is None else interval_text(line.next),
        Text("-" if skill is None else f"{skill:+.0%}", style=colour),
    )


def footer(board: Board) -> Text:
    """Return the line below the table: the pipeline's health."""
    status = board.status
    if status is None:
        return Text("starting", style="dim")
    totals = status.totals
    rate = "-" if board.events_per_second is None else f"{board.events_per_second:,.0f}"
    lag = "unknown" if status.lag is None else f"{status.lag:,}"
    return Text(
        f"{rate} events/s | lag {lag} | watermark {time_text(status.watermark_ms)} | "
        f"counted {totals.get('counted', 0):,} | late {totals.get('late', 0):,} | "
        f"dead letters {totals.get('dead_letters', 0):,} | "
        f"buckets {totals.get('buckets', 0):,}"
    )


def curve(line: GenreBoard) -> str:
    """Return the recent counts as a small curve from 0 to their largest."""
    top = max(line.recent, default=0)
    if not top:
        return ""
    return "".join(BLOCKS[round(count / top * (len(BLOCKS) - 1))] for count in line.recent)


def interval_text(interval: Interval) -> str:
    """Return `median (low-high)`, whole clicks."""
    return f"{interval.median:,.0f} ({interval.low:,.0f}-{interval.high:,.0f})"


def time_text(epoch_ms: int | None) -> str:
    """Return an event time as people read it."""
    if epoch_ms is None:
        return "-"
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%a %d %b %H:%M")
