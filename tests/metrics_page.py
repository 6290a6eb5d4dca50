"""docs/metrics.md; `python -m tests.metrics_page` writes it from the list of metrics."""

from itertools import groupby
from pathlib import Path
from typing import Final

from contracts.metrics import METRICS, Metric

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"
"""The page."""

_HEAD: Final = """# Metrics

<!-- Written by `python -m tests.metrics_page` from contracts/metrics.py. -->

Prometheus reads them from `/metrics` of every command below: of a consumer at the port that
`GENRECAST_HEALTH_PORT` names, of the service at its own. Beside these it finds what Python's
client tells of the process (`process_*`, `python_*`).
Alerts and what to do: [operations](operations.md#alerts).
"""


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for part, metrics in groupby(METRICS, lambda metric: metric.part):
        rows = ["| metric | kind | unit | labels | meaning |", "|---|---|---|---|---|"]
        rows += map(_row, metrics)
        parts += [f"## genrecast {part}\n", "\n".join(rows) + "\n"]
    return "\n".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    meaning = metric.meaning
    if metric.buckets:
        meaning += f" Buckets up to {', '.join(f'{bound:g}' for bound in metric.buckets)}."
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
