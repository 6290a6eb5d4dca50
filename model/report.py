"""Report of a backtest: one HTML file with tables and plots that asks for nothing else."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from model.comparison import Compared, Comparison
from model.figures import (
    Fans,
    calibration_figure,
    coverage_figure,
    fan_figure,
    loss_figure,
    step_figure,
    svg_of,
)
from model.history import History
from model.scores import Metrics
from model.splits import Split

METRIC_HEADS: Final = {
    "mase": "MASE",
    "rmsse": "RMSSE",
    "wql": "WQL",
    "wqls": "WQLs",
    "coverage": "coverage",
    "width": "width",
    "crossed": "crossed",
}
"""Metrics of a table in their order, and what their columns are called."""

_FANS_EACH_WAY: Final = (4, 3)
"""Series and origins whose forecasts are drawn."""

_MOST_SERIES_LISTED: Final = 1000
"""Series in the table, the busiest first: a page must open."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{
  --page: #ffffff; --raised: #f6f8fa; --ink: #24292f; --muted: #69727d; --grid: #e4e7eb;
  --model: #1f6fb4; --naive: #c4722a; --baseline: #2a8a6d;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --page: #12161c; --raised: #1a2028; --ink: #e6e9ed; --muted: #97a1ad; --grid: #2b323b;
    --model: #6cb4f5; --naive: #eaa25f; --baseline: #5fcba9;
  }}
}}
* {{ box-sizing: border-box; }}
body {{
  margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem 4rem;
  background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}}
h1 {{ font-size: 1.55rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.1rem; margin: 2.4rem 0 .5rem; }}
p {{ margin: .3rem 0; max-width: 46rem; }}
p.note {{ color: var(--muted); font-size: .9rem; }}
.facts {{
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem;
  margin: 1.2rem 0;
}}
.facts div {{ background: var(--raised); border-radius: .5rem; padding: .55rem .8rem; }}
.facts span {{ display: block; color: var(--muted); font-size: .8rem; }}
.facts b {{ font-weight: 600; overflow-wrap: anywhere; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }}
th, td {{ padding: .28rem .8rem; text-align: right; border-bottom: 1px solid var(--grid); }}
th {{ color: var(--muted); font-weight: 600; }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0; }}
td.best {{ font-weight: 700; color: var(--model); }}
.pair {{ display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }}
.pair > section {{ flex: 1 1 24rem; min-width: 0; }}
svg {{ display: block; width: 100%; height: auto; max-width: 62rem; }}
.pair svg {{ max-width: 30rem; }}
svg text {{ font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class ReportContent:
    """What a report tells.

    Attributes:
        split: The data set.
        history: Its buckets.
        comparison: The scores.
        fans: The forecasts drawn.
        model_version: Of the model that ran.
        note: How it was made, one line.
        fit_seconds: How long its fine-tuning took; 0 when there was none.
        losses: Of every epoch of it.
    """

    split: Split
    history: History
    comparison: Comparison
    fans: Fans
    model_version: str
    note: str
    fit_seconds: float = 0.0
    losses: Sequence[float] = ()


class FanKeeper:
    """Keeps the few forecasts that a report draws, out of all that come by."""

    def __init__(self, history: History, origin_rows: Sequence[int]) -> None:
        series_count, origin_count = _FANS_EACH_WAY
        by_size = np.argsort(-history.clicks.sum(axis=0), kind="stable")
        self._series = _spread(by_size.tolist(), series_count)
        self._rows = set(_spread(list(origin_rows), origin_count))
        self._kept: list[Compared] = []

    def keep(self, compared: Compared) -> None:
        """Take an origin in if it is one of those drawn."""
        if compared.row in self._rows:
            self._kept.append(compared)

    @property
    def fans(self) -> Fans:
        """What was kept."""
        return Fans(tuple(self._series), tuple(self._kept))


def _spread(values: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the values, evenly spread, the first and the last among them."""
    places = np.unique(np.linspace(0, len(values) - 1, count).round().astype(int))
    return [values[place] for place in places]


def write_report(path: Path, content: ReportContent) -> None:
    """Write the report.

    Raises:
        OSError: When the file cannot be written.
    """
    path.write_text(report_page(content), encoding="utf-8", errors="replace")


def report_page(content: ReportContent) -> str:
    """Return the report as HTML."""
    body = "\n".join(
        [
            _head(content),
            _overall(content),
            _fans(content),
            _plots(content),
            _series(content),
        ]
    )
    return html_page(f"Backtest: {content.split.name}", body)


def html_page(title: str, body: str) -> str:
    """Return a page in the style of the reports; `title` is text, `body` is HTML."""
    return _PAGE.format(title=html.escape(title), body=body)


def _head(content: ReportContent) -> str:
    split, comparison = content.split, content.comparison
    step_ms = 1000 * comparison.median_step_seconds
    facts = {
        "model": content.model_version,
        "series": f"{len(content.history.names):,}",
        "buckets": f"{len(content.history.starts_ms):,} of {content.history.bucket_seconds:,} s",
        "origins": f"{comparison.origins:,}",
        "horizon": f"{split.horizon} steps",
        "first origin": _time(split.origins_ms[0]),
        "last origin": _time(split.origins_ms[-1]),
        "one step, all series": f"{step_ms:.2f} ms",
    }
    if content.fit_seconds:
        facts["fine-tuning"] = f"{content.fit_seconds:.0f} s"
    boxes = "".join(
        f"<div><span>{name}</span><b>{html.escape(text)}</b></div>" for name, text in facts.items()
    )
    return (
        f"<h1>Backtest: {html.escape(content.split.name)}</h1>\n"
        f'<p class="note">{html.escape(content.note)}</p>\n<div class="facts">{boxes}</div>'
    )


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _overall(content: ReportContent) -> str:
    comparison = content.comparison
    rows = {
        "model": comparison.model.metrics(),
        "seasonal naive": comparison.naive.metrics(),
        "baseline": comparison.baseline.metrics(),
    }
    lowest = {
        key: min(values)
        for key in ("mase", "rmsse", "wql", "wqls")
        if (values := [v for m in rows.values() if math.isfinite(v := getattr(m, key))])
    }
    lines = []
    for name, metrics in rows.items():
        cells = "".join(
            f'<td class="best">{_number(value)}</td>'
            if (value := getattr(metrics, key)) == lowest.get(key)
            else f"<td>{_number(value)}</td>"
            for key in METRIC_HEADS
        )
        lines.append(f"<tr><td>{name}</td>{cells}</tr>")
    note = (
        "Lower is better, but for coverage of the 80 % interval (ideal 0.80). MASE and RMSSE are"
        " relative to the change from one day to the next before the first origin; WQL pools all"
        " series, WQLs is the mean over series; width is relative to the mean count; crossed is"
        " the share of points whose quantiles are out of order."
    )
    return (
        f"<h2>Overall</h2>\n{_table(['', *METRIC_HEADS.values()], lines)}\n"
        f'<p class="note">{note}</p>'
    )


def _fans(content: ReportContent) -> str:
    figure = fan_figure(content.history, content.fans, content.comparison.levels)
    return (
        "<h2>Forecasts</h2>\n"
        '<p class="note">From the busiest of the series to the quietest, at the first, a middle'
        " and the last origin (dotted).</p>\n" + svg_of(figure, "fans")
    )


def _plots(content: ReportContent) -> str:
    comparison = content.comparison
    per_series = np.array([metrics.coverage for metrics in comparison.model.per_series()])
    coverage = coverage_figure(content.history.names, per_series)
    sections = [
        "<section><h2>Calibration</h2>\n"
        '<p class="note">How often what came was below each quantile. Counts are whole: the bar'
        " spans “below” to “at or below”.</p>\n"
        + svg_of(calibration_figure(comparison), "calibration")
    ]
    if content.losses:
        loss = svg_of(loss_figure(content.losses), "loss")
        sections[0] += f"\n<h2>Loss of the fine-tuning</h2>\n{loss}"
    sections[0] += "</section>"
    sections.append(
        "<section><h2>Coverage by series</h2>\n"
        '<p class="note">The band is 70-90 %.</p>\n' + svg_of(coverage, "coverage") + "</section>"
    )
    return (
        "<h2>Error by step</h2>\n"
        + svg_of(step_figure(comparison), "steps")
        + f'\n<div class="pair">{"".join(sections)}</div>'
    )


def _series(content: ReportContent) -> str:
    heads = [
        "series", "mean", "MASE", "RMSSE", "WQL", "coverage", "width", "naive WQL", "baseline WQL",
    ]  # fmt: skip
    listed = series_rows(content.comparison, content.history.names)
    lines = [
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f"<td>{_number(value)}</td>" for value in values)
        + "</tr>"
        for name, values in listed[:_MOST_SERIES_LISTED]
    ]
    left_out = len(listed) - len(lines)
    note = f'<p class="note">{left_out:,} quieter series are left out.</p>' if left_out else ""
    return f"<h2>Series</h2>\n{_table(heads, lines)}{note}"


def series_rows(
    comparison: Comparison, names: Sequence[str]
) -> list[tuple[str, tuple[float, ...]]]:
    """Return per series, the busiest first, its name and its figures.

    They are: mean actual, MASE, RMSSE, WQL, coverage, width, WQL of seasonal naive, WQL of the
    baseline.
    """
    means = comparison.model.mean_actuals()
    each: Iterable[tuple[Metrics, Metrics, Metrics]] = zip(
        comparison.model.per_series(),
        comparison.naive.per_series(),
        comparison.baseline.per_series(),
        strict=True,
    )
    rows = [
        (name, (float(mean), m.mase, m.rmsse, m.wql, m.coverage, m.width, naive.wql, base.wql))
        for name, mean, (m, naive, base) in zip(names, means, each, strict=True)
    ]
    return sorted(rows, key=lambda row: -row[1][0])


def _table(heads: Sequence[str], lines: Sequence[str]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f'<div class="wide"><table><tr>{head}</tr>\n' + "\n".join(lines) + "\n</table></div>"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}"
