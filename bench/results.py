"""What a part of the benchmark found, as values that are written to and read from JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Better = Literal["higher", "lower"]
Cell = str | int | float | None

FORMAT: Final = 2
"""Version of the file's shape; a file of another one is not merged into."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure over another of the same run, or one that is wanted as it is.

    Attributes:
        key: Its name over all runs, `part.what`.
        says: What is divided by what.
        value: The median over the rounds.
        better: Which way is better.
        wanted: The bound to be held, if there is one.
        noise: Spread over the rounds, as a share of the value.
        is_ratio: False for times, rates and bytes, which differ from machine to machine.
    """

    key: str
    says: str
    value: float
    better: Better
    wanted: float | None = None
    noise: float | None = None
    is_ratio: bool = True

    @property
    def is_held(self) -> bool:
        """Whether the bound is held; without one, always."""
        if self.wanted is None:
            return True
        return self.value >= self.wanted if self.better == "higher" else self.value <= self.wanted


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures; the first column names the rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn: lines over x, or bars with a name each.

    Attributes:
        kind: `lines` or `bars`.
        title: What it shows.
        x: Label of the x axis.
        y: Label of the y axis; of bars, unused.
        series: Points `(x, y)` by name; of bars one point `(value, 0)` each, the first is ours.
        log: Axes on a logarithmic scale: `x`, `y`, `xy` or none of them.
        line: A reference value.
    """

    kind: Literal["lines", "bars"]
    title: str
    x: str
    y: str
    series: dict[str, tuple[tuple[float, float], ...]]
    log: str = ""
    line: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """All that one part of the benchmark found.

    Attributes:
        name: As in `--only`.
        title: Heading.
        how: How it was measured, a few sentences.
        ratios: The figures that count.
        tables: The figures behind them.
        plots: At most a few.
        missing: What could not be measured: name and reason.
        taken_at: When it was measured: parts may be of several runs.
        seconds: How long it took.
    """

    name: str
    title: str
    how: str
    ratios: tuple[Ratio, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    taken_at: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Results:
    """What was found on a machine: parts by name."""

    machine: dict[str, Cell]
    is_quick: bool
    parts: dict[str, Part]

    @property
    def ratios(self) -> dict[str, Ratio]:
        """Every ratio by its key, absolute figures among them."""
        return {ratio.key: ratio for part in self.parts.values() for ratio in part.ratios}

    @property
    def comparable(self) -> dict[str, Ratio]:
        """The ratios that may be compared with other runs, by their key."""
        return {key: ratio for key, ratio in self.ratios.items() if ratio.is_ratio}

    def merged_into(self, older: "Results | None", order: Iterable[str]) -> "Results":
        """Return these results, with parts of older ones that were not measured now."""
        parts = {**(older.parts if older else {}), **self.parts}
        known = {name: parts[name] for name in order if name in parts}
        return Results(self.machine, self.is_quick, known)


def write_results(results: Results, path: Path) -> None:
    """Write the results as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, **asdict(results)}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_results(path: Path) -> Results | None:
    """Return the results in a file, None when there are none of this format."""
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("format") != FORMAT:
        return None
    parts = {name: _part(part) for name, part in found["parts"].items()}
    return Results(found["machine"], found["is_quick"], parts)


def _part(found: Mapping[str, Any]) -> Part:
    return Part(
        name=found["name"],
        title=found["title"],
        how=found["how"],
        ratios=tuple(Ratio(**ratio) for ratio in found["ratios"]),
        tables=tuple(
            Table(table["title"], tuple(table["columns"]), _tuples(table["rows"]))
            for table in found["tables"]
        ),
        plots=tuple(
            Plot(**{**plot, "series": {n: _tuples(p) for n, p in plot["series"].items()}})
            for plot in found["plots"]
        ),
        missing=found["missing"],
        taken_at=found["taken_at"],
        seconds=found["seconds"],
    )


def _tuples(rows: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(tuple(row) for row in rows)
