"""A quick run beside stored ratios: reports what changed, fails only on what cannot be noise.

Stored are medians and their noise over several quick runs. The tolerance of a ratio is what that
noise explains; a run fails only where a ratio is worse by more than twice its tolerance.
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from bench.results import Better, Ratio
from bench.spread import spread_of

BASELINE: Final = Path(__file__).parent / "baseline.json"
"""The stored ratios."""

LEAST_TOLERANCE: Final = 0.1
"""A share of the ratio: the same code differed by .08 between runs, however calm the repeats."""

LEAST_REPEATS: Final = 5
"""Runs that noise is taken from; from fewer it is not known, and nothing fails by it."""

Verdict = Literal["same", "better", "worse", "failed", "new", "missing"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored ratio.

    Attributes:
        value: Median of the repeats.
        noise: Largest less smallest of the repeats, as a share of the median.
        repeats: How many there were.
        better: Which way is better.
    """

    value: float
    noise: float
    repeats: int
    better: Better

    @property
    def tolerance(self) -> float:
        """What may differ without meaning anything, as a share of the value."""
        return max(self.noise, LEAST_TOLERANCE)


@dataclass(frozen=True, slots=True)
class Compared:
    """A ratio beside its stored value; `change` above 0 is better, as a share."""

    key: str
    now: float | None
    stored: Stored | None
    change: float
    verdict: Verdict


def compare(ratios: Mapping[str, Ratio], stored: Mapping[str, Stored]) -> list[Compared]:
    """Return every ratio of either side beside the other one."""
    both = [_compared(ratios[key], stored[key]) for key in ratios if key in stored]
    new = [Compared(r.key, r.value, None, 0.0, "new") for k, r in ratios.items() if k not in stored]
    gone = [Compared(k, None, s, 0.0, "missing") for k, s in stored.items() if k not in ratios]
    return both + new + gone


def _compared(ratio: Ratio, stored: Stored) -> Compared:
    change = ratio.value / stored.value - 1
    if stored.better == "lower":
        change = stored.value / ratio.value - 1
    verdict: Verdict = "same"
    # Worse is judged by how many times worse, both ways alike: a half is -0.5, a double is -0.5.
    if change > stored.tolerance:
        verdict = "better"
    elif change < -2 * stored.tolerance and stored.repeats >= LEAST_REPEATS:
        verdict = "failed"
    elif change < -stored.tolerance:
        verdict = "worse"
    return Compared(ratio.key, ratio.value, stored, change, verdict)


def is_fine(compared: Sequence[Compared]) -> bool:
    """Say whether nothing is worse by more than twice its tolerance, or not measured at all."""
    return all(one.verdict not in ("failed", "missing") for one in compared)


def learn(runs: Sequence[Mapping[str, Ratio]]) -> dict[str, Stored]:
    """Return what is to be stored of several quick runs: ratios that all of them have."""
    shared = [key for key in runs[0] if all(key in run for run in runs)]
    values = {key: [run[key].value for run in runs] for key in shared}
    return {
        key: Stored(
            round(statistics.median(values[key]), 4),
            round(spread_of(values[key]), 4),
            len(runs),
            runs[0][key].better,
        )
        for key in shared
    }


def write_stored(stored: Mapping[str, Stored], machine: Mapping[str, object], path: Path) -> None:
    """Write what was learned, and where."""
    content = {"machine": machine, "ratios": {key: asdict(one) for key, one in stored.items()}}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_stored(path: Path) -> dict[str, Stored]:
    """Return the stored ratios by key; none where nothing was learned yet."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))["ratios"]
    return {key: Stored(**one) for key, one in found.items()}
