"""The report as one HTML file that asks for nothing else."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from consumer.loop_report.calibration import Calibration
from consumer.loop_report.lift import Comparison
from consumer.loop_report.report import LoopReport, Rate
from consumer.loop_report.rows import (
    RATE_HEADS,
    SCORE_HEADS,
    SPILL_NOTE,
    rate_rows,
    score_rows,
    user_facts,
)
from contracts.moments import moment_text
from model.figures import INK, MODEL_COLOUR, MUTED, NAIVE_COLOUR, styled, svg_of
from model.report import html_page

_SMOOTHED_BUCKETS: Final = 15
"""Buckets whose coverage is averaged in the plot: one alone has few genres."""


def loop_page(report: LoopReport, *, nominal: float) -> str:
    """Return the report as HTML.

    Args:
        report: What was found.
        nominal: The coverage that the interval promises.
    """
    parts = [
        "<h1>The loop of recommendations</h1>",
        f"<p>{moment_text(report.since_ms)} to {moment_text(report.until_ms)}</p>",
        _facts(report.comparison),
        f'<p class="note">{SPILL_NOTE}</p>',
        "<h2>Cards</h2>",
        svg_of(places_figure(report.by_place), "places"),
        _table(RATE_HEADS, rate_rows(report)),
        "<h2>Calibration</h2>",
        _table(SCORE_HEADS, score_rows(report.calibration)),
        svg_of(coverage_figure(report.calibration, nominal), "coverage"),
    ]
    return html_page("The loop of recommendations", "\n".join(parts))


def places_figure(by_place: Mapping[int, Rate]) -> Figure:
    """Draw the share of cards clicked by place."""
    with styled():
        figure = Figure(figsize=(9, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.bar(
            [str(place) for place in by_place],
            [100 * rate.ratio for rate in by_place.values()],
            color=MODEL_COLOUR,
            width=0.6,
        )
        axes.set_xlabel("place on the page")
        axes.set_ylabel("cards clicked, %")
    return figure


def coverage_figure(calibration: Calibration, nominal: float) -> Figure:
    """Draw the coverage of the interval over time, and where the loop begins."""
    starts = sorted(calibration.by_bucket)
    sums = np.array([calibration.by_bucket[start] for start in starts], np.float64).reshape(-1, 2)
    window = np.ones(min(_SMOOTHED_BUCKETS, max(1, len(starts))))
    inside, scored = (np.convolve(column, window, "valid") for column in sums.T)
    at = np.array(starts[len(window) - 1 :], "datetime64[ms]")
    with styled():
        figure = Figure(figsize=(9, 2.8), layout="constrained")
        axes = figure.subplots()
        if len(starts):
            axes.plot(at, 100 * inside / scored, color=MODEL_COLOUR, label="covered")
            begins = date2num(np.datetime64(calibration.begins_ms, "ms"))
            axes.axvline(begins, color=NAIVE_COLOUR, linestyle="--", label="first impression")
        axes.axhline(100 * nominal, color=INK, linewidth=0.8, label=f"{100 * nominal:.0f} %")
        axes.set_ylim(0, 100)
        axes.set_ylabel(f"covered, %, mean of {len(window)} buckets", color=MUTED)
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.legend(loc="lower left", ncols=3)
    return figure


def _facts(found: Comparison) -> str:
    boxes = "".join(
        f"<div><span>{name}</span><b>{html.escape(text)}</b></div>"
        for name, text in user_facts(found).items()
    )
    return f'<div class="facts">{boxes}</div>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    lines = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>\n{lines}\n</table></div>'
