"""Plots of a load test as SVG text, in the colours of the page that they are put into."""

import io
import re
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from producer_sim.load.latencies import Latencies

INK, MUTED, GRID, FIRST, SECOND, THIRD = (
    "#24292f", "#69727d", "#e4e7eb", "#1f6fb4", "#c4722a", "#2a8a6d",
)  # fmt: skip

VARIABLES: Final = {
    INK: "ink", MUTED: "muted", GRID: "grid", FIRST: "first", SECOND: "second", THIRD: "third",
}  # fmt: skip
"""The page's names for the colours."""

NINES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
"""Percentiles marked on the axis of a distribution."""

_STYLE: Final = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
}

Seconds = dict[str, dict[str, float]]


def rates_svg(by_second: Seconds) -> str:
    """Draw planned, sent and acknowledged events, second by second."""
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas("events per second", "second")
        at = [int(second) for second in by_second]
        lines = (("planned", MUTED, "--"), ("sent", SECOND, "-"), ("acknowledged", FIRST, "-"))
        for name, colour, line in lines:
            values = [row[name] for row in by_second.values()]
            axes.step(at, values, where="mid", color=colour, linestyle=line, label=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_ylim(bottom=0)
        _legend(axes)
        return _svg(figure, "rates")


def latency_svg(by_second: Seconds, bound_ms: float | None) -> str:
    """Draw latencies by the second in which the events were due."""
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas("latency by intended second, ms", "second")
        for name, label, colour in (
            ("p50_ms", "p50", THIRD), ("p99_ms", "p99", FIRST), ("p100_ms", "largest", SECOND),
        ):  # fmt: skip
            rows = {int(at): row[name] for at, row in by_second.items() if name in row}
            axes.plot(list(rows), list(rows.values()), color=colour, label=label)
        _draw_bound(axes, bound_ms)
        axes.set_ylim(bottom=0)
        _legend(axes)
        return _svg(figure, "latency")


def distribution_svg(named: Sequence[tuple[str, Latencies]], bound_ms: float | None) -> str:
    """Draw latency against percentile, the nines evenly apart."""
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas("latency by percentile, ms", "percentile")
        for (name, latencies), colour in zip(named, (FIRST, SECOND), strict=False):
            most = 1 - 1 / max(latencies.count, 10)
            at = 1 - np.logspace(0, np.log10(1 - most), 120)
            values = [latencies.percentile_s(100 * float(part)) * 1000 for part in at]
            axes.plot(-np.log10(1 - at), values, color=colour, label=name)
        axes.set_xticks([-np.log10(1 - each / 100) for each in NINES],
                        [f"{each:g}" for each in NINES])  # fmt: skip
        _draw_bound(axes, bound_ms)
        axes.set_ylim(bottom=0)
        _legend(axes)
        return _svg(figure, "distribution")


def probes_svg(
    probes: Sequence[tuple[float, float, bool]], bound_ms: float, percentile: float
) -> str:
    """Draw every probe of a search: (rate, latency in ms, whether it held)."""
    with mpl.rc_context(_STYLE):
        figure, axes = _canvas(f"p{percentile:g} of each probe, ms", "events per second")
        for does_hold, colour, mark, label in (
            (True, THIRD, "o", "holds"), (False, SECOND, "x", "does not"),
        ):  # fmt: skip
            chosen = [(rate, ms) for rate, ms, held in probes if held is does_hold]
            if chosen:
                rates, values = zip(*chosen, strict=True)
                axes.plot(rates, values, color=colour, marker=mark, linestyle="", label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _draw_bound(axes, bound_ms)
        _legend(axes)
        return _svg(figure, "probes")


def _canvas(title: str, x: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8.6, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    return figure, axes


def _legend(axes: Any) -> None:  # noqa: ANN401 (matplotlib is untyped)
    # Above the plot, to the right of its title: it hides no line.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=4, fontsize=8)


def _draw_bound(axes: Any, bound_ms: float | None) -> None:  # noqa: ANN401 (matplotlib is untyped)
    if bound_ms is not None:
        axes.axhline(bound_ms, color=INK, linewidth=0.9, linestyle=":", label="bound")


def _svg(figure: Figure, name: str) -> str:
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]+"', "<g", text)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return text
