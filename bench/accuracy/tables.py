"""Tables of the accuracy benchmark, from `results.csv`; `python -m bench.accuracy.tables`.

The table of docs/comparison.md stands between two marks; without them the page is left as it is.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""Where data, splits and results lie."""

COMPARISON: Final = FOLDER.parents[1] / "docs" / "comparison.md"
"""The page that holds the table."""

RESULTS: Final = FOLDER / "results.csv"
"""Every method's scores, written by `make accuracy`."""

OURS: Final = "genrecast"
"""Our method's name."""

REFERENCE: Final = "LightGBM-directQ"
"""The strongest single peer that is trained once: ratios are to its WQL."""

COLUMNS: Final = (
    "dataset", "method", "MASE", "RMSSE", "WQL", "WQLs", "cov80", "width", "crossed", "fit_s",
    "fc_s", "ratio",
)  # fmt: skip
"""Columns of `results.csv`."""

_MARK: Final = "<!-- accuracy: written by `make accuracy` -->"
_END: Final = "<!-- accuracy end -->"

Row = dict[str, str]
"""One method's scores on one data set, as they stand in a CSV file."""


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file, none when it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def with_ratios(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in the columns of `results.csv`, by data set and WQL, with their ratios."""
    known = list(rows)
    reference = {row["dataset"]: float(row["WQL"]) for row in known if row["method"] == REFERENCE}
    told = []
    for row in known:
        ratio = float(row["WQL"]) / reference[row["dataset"]]
        told.append({name: row.get(name, "") for name in COLUMNS} | {"ratio": f"{ratio:.6f}"})
    order = list(dict.fromkeys(row["dataset"] for row in known))
    return sorted(told, key=lambda row: (order.index(row["dataset"]), float(row["WQL"])))


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write `results.csv`."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def ratio_over_all(rows: Iterable[Row]) -> dict[str, float]:
    """Return per method the geometric mean of its ratios over the data sets, best first."""
    logs: dict[str, list[float]] = {}
    for row in rows:
        logs.setdefault(row["method"], []).append(math.log(float(row["ratio"])))
    means = {method: math.exp(sum(each) / len(each)) for method, each in logs.items()}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def wql_table(rows: Sequence[Row]) -> str:
    """Return the WQL of every method on every data set, and its step time, as Markdown."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    cells = {(row["dataset"], row["method"]): row for row in rows}
    lines = [
        f"| WQL (lower is better) | {' | '.join(names)} | ratio | forecast, ms at most |",
        "|---|" + "--:|" * (len(names) + 2),
    ]
    for method, ratio in ratio_over_all(rows).items():
        each = [cells.get((name, method)) for name in names]
        wql = [f"{float(row['WQL']):.3f}" if row else "" for row in each]
        seconds = [float(row["fc_s"]) for row in each if row and row["fc_s"]]
        spent = f"{1000 * max(seconds):,.1f}" if seconds else ""
        texts = [method, *wql, f"{ratio:.2f}", spent]
        if method == OURS:
            texts = [f"**{text}**" if text else "" for text in texts]
        lines.append(f"| {' | '.join(texts)} |")
    return "\n".join(lines)


def with_accuracy(text: str, rows: Sequence[Row]) -> str:
    """Return a page's text with the table between its marks, if it has them.

    Raises:
        ValueError: When only one of the marks is there, or there are marks but no results.
    """
    if (_MARK in text) != (_END in text):
        raise ValueError(f"the page has only one of {_MARK} and {_END}")
    if _MARK not in text:
        return text
    if not rows:
        raise ValueError("the page has marks for a table, but there are no results")
    before, _, rest = text.partition(_MARK)
    return f"{before}{_MARK}\n{wql_table(rows)}\n{_END}{rest.partition(_END)[2]}"


def results_page(rows: Sequence[Row]) -> str:
    """Return RESULTS.md: every figure of every method."""
    heads = COLUMNS[1:]
    parts = [
        "# Accuracy: results\n",
        "Written by `make accuracy`; [README.md](README.md) says what the columns are.\n",
        "![WQL of every method over that of the reference](accuracy.svg)\n",
    ]
    for name in dict.fromkeys(row["dataset"] for row in rows):
        parts.append(f"## {name}\n")
        parts.append(f"| {' | '.join(heads)} |")
        parts.append("|---|" + "--:|" * (len(heads) - 1))
        for row in rows:
            if row["dataset"] == name:
                texts = [row["method"], *(_figure(head, row[head]) for head in heads[1:])]
                if row["method"] == OURS:
                    texts = [f"**{text}**" if text else "" for text in texts]
                parts.append(f"| {' | '.join(texts)} |")
        parts.append("")
    parts.append("## Over all data sets\n")
    parts.append("Geometric mean of the ratios.\n")
    parts.append("| method | ratio |\n|---|--:|")
    parts += [
        f"| {f'**{method}**' if method == OURS else method} | {ratio:.3f} |"
        for method, ratio in ratio_over_all(rows).items()
    ]
    return "\n".join(parts) + "\n"


def _figure(head: str, text: str) -> str:
    if not text:
        return ""
    value = float(text)
    return f"{value:.3g}" if head in ("fit_s", "fc_s") else f"{value:.3f}"


def write_tables(rows: Sequence[Row]) -> None:
    """Write RESULTS.md and the table of the comparison."""
    (FOLDER / "RESULTS.md").write_text(results_page(rows), encoding="utf-8")
    text = COMPARISON.read_text(encoding="utf-8")
    COMPARISON.write_text(with_accuracy(text, rows), encoding="utf-8")


if __name__ == "__main__":
    write_tables(read_rows(RESULTS))
