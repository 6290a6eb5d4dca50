"""The report of a load test: one HTML file that asks for nothing else."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, Final

from producer_sim.load.figures import distribution_svg, latency_svg, probes_svg, rates_svg
from producer_sim.load.measuring import Bound, LoadResult, Probe, judged, run_cells

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Load test</title>
<style>
:root {{
  --page: #fff; --raised: #f6f8fa; --ink: #24292f; --muted: #69727d; --grid: #e4e7eb;
  --first: #1f6fb4; --second: #c4722a; --third: #2a8a6d;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --page: #12161c; --raised: #1a2028; --ink: #e6e9ed; --muted: #97a1ad; --grid: #2b323b;
    --first: #6cb4f5; --second: #eaa25f; --third: #5fcba9;
  }}
}}
body {{
  margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
}}
h1 {{ font-size: 1.5rem; margin: 0; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .4rem; }}
.note {{ color: var(--muted); max-width: 46rem; }}
.facts {{ display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; }}
.facts div {{ background: var(--raised); border-radius: .5rem; padding: .5rem .8rem; }}
.facts span {{ display: block; color: var(--muted); font-size: .8rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }}
th, td {{ padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--grid); }}
th {{ color: var(--muted); }}
svg {{ display: block; width: 100%; height: auto; }}
svg text {{ font-family: system-ui, sans-serif !important; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""

LATENCY_NOTE: Final = (
    "Latency counts from the time at which an event was planned to be sent, not from when it was:"
    " waiting for a slow system is part of it."
)
"""Said above every latency."""


def load_page(report: Mapping[str, Any], result: LoadResult, bound: Bound | None) -> str:
    """Return the report as HTML.

    Args:
        report: Its JSON.
        result: The histograms behind it.
        bound: What had to hold.
    """
    parts = [_head(report), f'<p class="note">{LATENCY_NOTE}</p>']
    if bound is not None and len(result.runs) > 1:
        parts.append(_search(report["runs"], result.runs, bound))
    if result.runs:
        at = _shown(result)
        parts += _run(report["runs"][at], result.runs[at], bound)
    return _PAGE.format(body="\n".join(parts))


def _shown(result: LoadResult) -> int:
    """Return which run is shown in full: of a search, the highest rate that held."""
    held = [at for at, probe in enumerate(result.runs) if probe.does_hold]
    return max(held or range(len(result.runs)), key=lambda at: result.runs[at].rate)


def _head(report: Mapping[str, Any]) -> str:
    truth = report["truth"]
    facts = {
        "verdict": report["verdict"],
        "records sent": f"{truth['sent']:,}",
        "counted": f"{truth['counted']:,}",
        "late": f"{truth['late']:,}",
        "dead letters": f"{truth['malformed']:,}",
        "truth": "exact" if truth["is_exact"] else "not exact: " + "; ".join(truth["doubts"]),
        "processes": str(report["options"]["processes"]),
        "topic": report["topic"],
    }
    boxes = "".join(
        f"<div><span>{name}</span><b>{html.escape(text)}</b></div>" for name, text in facts.items()
    )
    return f'<h1>Load test</h1>\n<div class="facts">{boxes}</div>'


def _search(shown: Sequence[Mapping[str, Any]], probes: Sequence[Probe], bound: Bound) -> str:
    points = [
        (p.rate, 1000 * judged(p.measured).percentile_s(bound.percentile), p.does_hold)
        for p in probes
        if judged(p.measured).count
    ]
    drawn = probes_svg(points, 1000 * bound.seconds, bound.percentile) if points else ""
    return f"<h2>Probes</h2>\n{drawn}\n{_table(shown)}"


def _run(shown: Mapping[str, Any], probe: Probe, bound: Bound | None) -> list[str]:
    bound_ms = None if bound is None else 1000 * bound.seconds
    measured = probe.measured
    named = [("to acknowledged", measured.latencies)]
    if measured.counted is not None:
        named.append(("to counted", measured.counted))
    return [
        f"<h2>{probe.rate:,.0f} events per second</h2>",
        _table([shown]),
        rates_svg(shown["by_second"]),
        latency_svg(shown["by_second"], bound_ms),
        distribution_svg([each for each in named if each[1].count], bound_ms),
    ]


def _table(runs: Sequence[Mapping[str, Any]]) -> str:
    heads = ("events/s", "holds", "planned", "acknowledged", "p50 ms", "p99 ms", "p99.9 ms",
             "largest ms", "per CPU second")  # fmt: skip
    head = "".join(f"<th>{text}</th>" for text in heads)
    lines = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in run_cells(run)) + "</tr>"
        for run in runs
    )
    return f'<div class="wide"><table><tr>{head}</tr>\n{lines}\n</table></div>'
