"""An explanation in words and bars, for a terminal."""

from typing import Final

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from contracts.explanations import Cause, Explanation
from contracts.moments import moment_text

BAR_CELLS: Final = 30
"""Width of the longest bar, cells."""

LEAST_SHARE: Final = 0.005
"""Pieces that moved less than this share of the largest cause are not told."""

SHOWN_PIECES: Final = 4
"""Pieces told of a cause, at most."""

SHOWN_BUCKETS: Final = 5
"""Past buckets told, those that moved most."""


def show(explanation: Explanation, console: Console) -> None:
    """Print an explanation."""
    console.print(_told(explanation))


def sentence(explanation: Explanation) -> str:
    """Return in one sentence what was forecast, and from where it was moved."""
    steps = (
        f"step {explanation.first_step}"
        if explanation.first_step == explanation.last_step
        else f"the next {explanation.last_step} buckets"
    )
    return (
        f"{_clicks(explanation.forecast)} clicks per bucket are expected of {steps}; after an "
        f"ordinary bucket it would be {_clicks(explanation.ordinary)}."
    )


def _told(explanation: Explanation) -> RenderableType:
    head = (
        f"[bold]{escape(explanation.genre)}[/] from bucket "
        f"{moment_text(explanation.bucket_start)}, {escape(explanation.model_version)}"
        f" ({explanation.kind})"
    )
    parts: list[RenderableType] = [head, escape(sentence(explanation)), _causes(explanation)]
    if explanation.buckets:
        parts.append(_buckets(explanation))
    if explanation.reproduction.note:
        made = _clicks(explanation.reproduction.recomputed)
        note = escape(explanation.reproduction.note)
        parts.append(f"[dim]{note} Made again it is {made}.[/]")
    return Group(*parts)


def _causes(explanation: Explanation) -> Table:
    longest = max((abs(cause.clicks) for cause in explanation.causes), default=0.0)
    table = Table(box=None, header_style="bold")
    table.add_column("what moved it")
    table.add_column("clicks", justify="right")
    table.add_column("")
    for cause in explanation.causes:
        table.add_row(escape(cause.label), _signed(cause.clicks), _bar(cause.clicks, longest))
        for label, clicks in _pieces(cause, longest):
            table.add_row(f"[dim]  {escape(label)}[/]", f"[dim]{_signed(clicks)}[/]", "")
    table.add_row("[bold]together[/]", f"[bold]{_signed(explanation.change)}[/]", "")
    return table


def _pieces(cause: Cause, longest: float) -> list[tuple[str, float]]:
    told = [d for d in cause.details if abs(d.clicks) >= LEAST_SHARE * longest]
    if len(told) < 2:
        return []
    return [(detail.label, detail.clicks) for detail in told[:SHOWN_PIECES]]


def _buckets(explanation: Explanation) -> Table:
    most = sorted(explanation.buckets, key=lambda bucket: -abs(bucket.clicks))[:SHOWN_BUCKETS]
    table = Table(box=None, header_style="bold")
    table.add_column("past buckets that moved it most")
    table.add_column("came", justify="right")
    table.add_column("clicks", justify="right")
    for bucket in sorted(most, key=lambda one: -one.start):
        table.add_row(moment_text(bucket.start), f"{bucket.observed:,}", _signed(bucket.clicks))
    return table


def _bar(clicks: float, longest: float) -> Text:
    cells = round(BAR_CELLS * abs(clicks) / longest) if longest else 0
    return Text("█" * cells, style="blue" if clicks > 0 else "yellow")


def _clicks(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _signed(value: float) -> str:
    return f"{value:+,.1f}" if abs(value) >= 10 else f"{value:+.2f}"
