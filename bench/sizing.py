"""What `genrecast size` rests on, taken from results: `python -m bench.sizing`.

Writes genrecast/measured.json from results.json, many_consumers.json, step_live.json and the
recorded messages, and the tables of docs/sizing.md. Nothing is measured.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from bench.lab import ROOT
from bench.many_consumers import MEMBERS, PARTITIONS
from bench.many_consumers import RESULTS as CONSUMERS
from bench.page import FOLDER, markdown
from bench.results import Cell, Part, Results, Table, read_results
from bench.step import LIVE_RESULTS
from genrecast.sizing_figures import FILE

RESULTS: Final = FOLDER / "results.json"

MEASURED: Final = ROOT / "genrecast" / FILE

PAGE: Final = ROOT / "docs/sizing.md"

RECORDED: Final = ROOT / "tests/data/recorded-messages"

BEGIN: Final = "<!-- {}: written by `python -m bench.sizing` -->"
END: Final = "<!-- {} end -->"

Points = list[list[float]]


def measured() -> dict[str, dict[str, Any]]:
    """Return every figure with its source.

    Raises:
        LookupError: Results lack a table that is needed.
    """
    speed, crowd = _known(RESULTS), _known(CONSUMERS)
    growth, latency = _part(speed, "growth"), _part(speed, "latency")
    slot = _part(crowd, "many-consumers")
    found: dict[str, dict[str, Any]] = {}

    def add(name: str, says: str, source: str, points: Points) -> None:
        rounded = [[float(f"{x:.6g}"), float(f"{y:.4g}")] for x, y in points]
        found[name] = {"says": says, "source": source, "points": rounded}

    costs = _table(growth, "What one event costs")
    where = f"make bench, growth, {growth.taken_at}"
    for unit in ("genres", "partitions", "genres an event", "bytes an event"):
        short = {"genres an event": "genres_per_event", "bytes an event": "bytes"}.get(unit, unit)
        add(f"event_us_by_{short}", f"µs of CPU an event, by {unit}", where, _by(costs, unit, 1))
    milliseconds = _table(latency, "Milliseconds")
    where = f"make bench, latency, {latency.taken_at}"
    closes = _by(milliseconds, "genres: close to visible", 1)
    add("close_ms_by_genres", "ms from a bucket's close to its forecasts, median", where, closes)
    window = next(row for row in milliseconds.rows if row[0] == "event to window")
    add("event_to_window_ms", "ms from an event to its window, median", where, [[0, _n(window[1])]])
    live = json.loads(LIVE_RESULTS.read_text(encoding="utf-8"))
    steps = [[float(genres), each["cpu"]] for genres, each in live["genres"].items()]
    where = f"python -m bench.step --live, {live['taken_at']}"
    add("step_ms_by_genres", "ms of CPU of a model's step, by genres", where, steps)
    where = f"python -m bench.many_consumers, {slot.taken_at}"
    for name, (says, points) in _of_the_slot(slot).items():
        add(name, says, where, points)
    fixed, number, where = _message_bytes()
    add("message_bytes", "bytes of a forecast message without its numbers", where, [[0, fixed]])
    add("message_number_bytes", "bytes of one of its numbers", where, [[0, number]])
    return found


def _of_the_slot(slot: Part) -> dict[str, tuple[str, Points]]:
    calls = _table(slot, "One call, by partitions of the topic")
    crowd, memory = _table(slot, "The crowd"), _table(slot, "Redis memory")
    reading = _n(calls.rows[-1][1])
    applies: Points = []
    for row in crowd.rows:
        cells = re.fullmatch(r"(\d+) cells a batch", str(row[0]))
        if cells:
            cpu_us = 1e6 * _n(row[4]) - MEMBERS * reading
            applies.append([float(cells[1]), cpu_us / PARTITIONS])
    closings = [[x, seal + commit] for (x, seal), (_, commit) in zip(
        _by(calls, "partitions", 6), _by(calls, "partitions", 7), strict=True)]  # fmt: skip
    curves = {
        f"{name}_bytes_by_genres": (f"bytes in Redis, {says}, by genres", _by(memory, "genres", at))
        for at, (name, says) in enumerate(
            (("window", "a genre and closed bucket"), ("open", "a genre of an open bucket"),
             ("name", "a genre's name")), 1)
    }  # fmt: skip
    return {
        "read_us": ("µs of Redis's CPU, a member's look", [[0, reading]]),
        "apply_us_by_cells": ("µs of Redis's CPU, a batch, by cells", applies),
        "seal_wait_us_by_partitions": (
            "µs of Redis's CPU, a look for a due bucket, by partitions",
            _by(calls, "partitions", 5),
        ),
        "closing_us_by_partitions": (
            "µs of Redis's CPU, a bucket closed and saved, by partitions", closings,
        ),
        **curves,
        "state_bytes": ("bytes of a model's state, a genre", [[0, _n(memory.rows[-1][4])]]),
    }  # fmt: skip


def _message_bytes() -> tuple[float, float, str]:
    """Return bytes of a recorded forecast besides its numbers, and of one number."""
    folder = sorted(RECORDED.iterdir())[-1]
    lines = (folder / "forecasts.jsonl").read_text(encoding="utf-8").splitlines()
    values = [json.loads(line)["value"] for line in lines]
    told = [json.loads(value) for value in values]
    numbers = sum(len(one["horizon"]) * (1 + len(one["horizon"][0]["quantiles"])) for one in told)
    inside = sum(len(json.dumps(one["horizon"], separators=(",", ":"))) for one in told)
    fixed = (sum(map(len, values)) - inside) / len(values)
    return fixed, inside / numbers, f"tests/data/recorded-messages/{folder.name}"


def _known(path: Path) -> Results:
    results = read_results(path)
    if results is None:
        raise LookupError(f"there are no results: {path}")
    return results


def _part(results: Results, name: str) -> Part:
    return results.parts[name]


def _table(part: Part, title: str) -> Table:
    return next(table for table in part.tables if table.title == title)


def _n(cell: Cell) -> float:
    if cell is None:
        raise LookupError("a figure is missing")
    return float(cell)


def _by(table: Table, unit: str, column: int) -> Points:
    """Return a column of the rows named `NUMBER unit`, by rising number."""
    rows = [(re.fullmatch(rf"([\d,]+) {unit}", str(row[0])), row) for row in table.rows]
    points = [[float(m[1].replace(",", "")), _n(row[column])] for m, row in rows if m]
    if not points:
        raise LookupError(f"{table.title} has no rows of {unit}")
    return sorted(points)


def with_tables(text: str) -> str:
    """Return the sizing page's text with the tables between their marks."""
    slot = _part(_known(CONSUMERS), "many-consumers")
    live = json.loads(LIVE_RESULTS.read_text(encoding="utf-8"))
    rows = tuple(
        (f"{int(genres):,} genres", each["cpu"], each["state_mb"])
        for genres, each in live["genres"].items()
    )
    step = Table("The forecaster's step", ("", "CPU, ms", "state, MB"), rows)
    for table in (*slot.tables, step):
        title = table.title
        begin, end = BEGIN.format(title), END.format(title)
        before, found, rest = text.partition(begin)
        if found:
            text = f"{before}{begin}\n{markdown(table)}\n{end}{rest.partition(end)[2]}"
    return text


def file_text() -> str:
    """Return measured.json as it is to be."""
    return json.dumps(measured(), indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Write the figures and the page's tables."""
    MEASURED.write_text(file_text(), encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
    print(f"wrote {MEASURED.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
