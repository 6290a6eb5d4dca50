"""The parts of the benchmark by name, in the order of the page."""

from collections.abc import Callable
from typing import Final

from bench import asking, catchup, growth, ingest, latency, scaleout, simulate, step, subscribers
from bench.lab import Lab
from bench.results import Part

PARTS: Final[dict[str, Callable[[Lab], Part]]] = {
    "ingest": ingest.measure,
    "latency": latency.measure,
    "step": step.measure,
    "growth": growth.measure,
    "scaleout": scaleout.measure,
    "catchup": catchup.measure,
    "simulator": simulate.measure,
    "subscribers": subscribers.measure,
    "recommendations": asking.measure,
}
"""Every part."""

QUICK: Final = ("ingest", "latency", "step", "growth")
"""Those of a quick run: ratios that stay the same from run to run."""
