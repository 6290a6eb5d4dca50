"""What was measured, as far as sizing needs it: every figure with the run that it comes from.

The figures are in `measured.json`, which `python -m bench.sizing` takes from the benchmarks' own
results; nothing is typed in, and a test holds the file to them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Final

FILE: Final = "measured.json"
"""Beside this module."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: a number, or a curve of them.

    Attributes:
        says: What it is, with its unit.
        source: The run it comes from: command, table, day.
        points: `(x, y)` by rising x; of a single number one point at 0.
    """

    says: str
    source: str
    points: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The number, of a figure that is one."""
        return self.points[0][1]

    def at(self, x: float) -> float:
        """Return the curve at x: straight lines between points, the last one goes on beyond them.

        Below the first point it is that point's. Nothing shrinks beyond what was measured.
        """
        first, last = self.points[0], self.points[-1]
        if x <= first[0]:
            return first[1]
        for (x0, y0), (x1, y1) in pairwise(self.points):
            if x <= x1 or (x1, y1) == last:
                slope = (y1 - y0) / (x1 - x0)
                return y1 + (x - x1) * (slope if x <= x1 else max(0.0, slope))
        return last[1]


Figures = Mapping[str, Figure]
"""By name."""


def read_figures() -> Figures:
    """Return the figures that come with the program."""
    text = (resources.files("genrecast") / FILE).read_text(encoding="utf-8")
    return {name: figure_of(found) for name, found in json.loads(text).items()}


def figure_of(found: Mapping[str, object]) -> Figure:
    """Return a figure of the file.

    Raises:
        TypeError: It is none.
    """
    points = found["points"]
    if not isinstance(points, Sequence):
        raise TypeError(f"no points: {points!r}")
    return Figure(
        str(found["says"]), str(found["source"]), tuple((float(x), float(y)) for x, y in points)
    )
