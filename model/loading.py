"""Histories from files: CSV, JSON Lines or Parquet; click events or a table of counts."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
from numpy.typing import NDArray

from contracts.events import IMPRESSION, normalise_genre
from contracts.measures import MEASURE_COUNT, MEASURES
from model.history import History

MAX_CELLS: Final = 50_000_000
"""Most (bucket, genre) pairs of a history, 3 GB of counts: a wrong clock must not eat memory."""

_GENRE_SEPARATOR: Final = "|"

# Names stay as they are written: neither 007 nor 2024-01-01 nor true becomes anything else.
_TEXT_COLUMNS: Final = pa_csv.ConvertOptions(
    column_types={"series": pa.string(), "genres": pa.string()}
)
_COLUMN: Final = {name: position for position, name in enumerate(MEASURES)}


class HistoryError(Exception):
    """A file is no history; the message names the file and what is wrong."""


def load_history(path: Path, bucket_seconds: int) -> History:
    """Read click events (columns of ClickEvent) or counts (series, timestamp, count).

    Genres of an event are a list or joined by `|`; impressions are left out. Timestamps of counts
    are bucket starts: epoch milliseconds or ISO 8601, UTC unless they say otherwise; finer counts
    are added up.

    Raises:
        HistoryError: When the file cannot be read or has neither set of columns.
    """
    table = _read_table(path)
    columns = set(table.column_names)
    if {"event_time", "genres"} <= columns:
        return _from_events(path, table, bucket_seconds)
    if {"series", "timestamp", "count"} <= columns:
        return _from_counts(path, table, bucket_seconds)
    raise HistoryError(
        f"{path}: needs the columns event_time and genres (click events), or series, timestamp and"
        f" count; it has {', '.join(sorted(columns)) or 'none'}"
    )


def _read_table(path: Path) -> Any:  # noqa: ANN401 (pyarrow ships no types)
    name = path.name.removesuffix(".gz")
    try:
        if name.endswith(".csv"):
            return pa_csv.read_csv(path, convert_options=_TEXT_COLUMNS)
        if name.endswith((".jsonl", ".ndjson", ".json")):
            with pa.input_stream(str(path), compression="detect") as stream:
                return pa_json.read_json(stream)
        if name.endswith(".parquet"):
            return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise HistoryError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    raise HistoryError(f"{path}: must end in .csv, .jsonl or .parquet (.csv and .jsonl also .gz)")


def _from_events(path: Path, table: Any, bucket_seconds: int) -> History:  # noqa: ANN401
    if "action" in table.column_names:
        actions = pc.fill_null(pc.cast(table["action"], pa.string()), "")
        table = table.filter(pc.not_equal(actions, IMPRESSION))
    times = _times_ms(path, table["event_time"])
    events: list[int] = []
    genres: list[str] = []
    for row, genre_names in enumerate(_genre_lists(table["genres"])):
        unique = dict.fromkeys(n for g in genre_names if (n := normalise_genre(g)))
        events += [row] * len(unique)
        genres += unique
    rows = np.array(events, np.int64)
    measures = _event_measures(table)[rows] if len(rows) else np.zeros((0, MEASURE_COUNT), np.int64)
    return _count(path, genres, times[rows], measures, bucket_seconds)


def _genre_lists(column: Any) -> Iterable[list[str]]:  # noqa: ANN401
    for value in column.to_pylist():
        if isinstance(value, list):
            yield [genre for genre in value if isinstance(genre, str)]
        else:
            yield str(value).split(_GENRE_SEPARATOR) if value is not None else []


def _event_measures(table: Any) -> NDArray[np.int64]:  # noqa: ANN401
    """Return each event's cell, `(N, MEASURE_COUNT)`; columns that are missing count nothing."""
    cells = np.zeros((table.num_rows, MEASURE_COUNT), np.int64)
    cells[:, _COLUMN["clicks"]] = 1
    for name, total, count, factor in (
        ("watch_seconds", "watch_ms", "watch_count", 1000.0),
        ("age", "age_sum", "age_count", 1.0),
    ):
        if name in table.column_names:
            values = np.array(
                [np.nan if v is None or v == "" else float(v) for v in table[name].to_pylist()]
            )
            known = np.isfinite(values)
            cells[:, _COLUMN[count]] = known
            cells[known, _COLUMN[total]] = np.rint(values[known] * factor)
    if "gender" in table.column_names:
        genders = np.array([str(v) for v in table["gender"].to_pylist()])
        for letter, measure in (("f", "female"), ("m", "male"), ("x", "other_gender")):
            cells[:, _COLUMN[measure]] = genders == letter
    return cells


def _from_counts(path: Path, table: Any, bucket_seconds: int) -> History:  # noqa: ANN401
    times = _times_ms(path, table["timestamp"])
    names = [str(name) for name in table["series"].to_pylist()]
    try:
        counts = np.array(table["count"].to_pylist(), np.float64)
    except (TypeError, ValueError):
        raise HistoryError(f"{path}: count holds values that are not numbers") from None
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts % 1).any():
        raise HistoryError(f"{path}: count must be whole numbers, 0 or more")
    measures = np.zeros((len(counts), MEASURE_COUNT), np.int64)
    measures[:, 0] = counts
    return _count(path, names, times, measures, bucket_seconds)


def _times_ms(path: Path, column: Any) -> NDArray[np.int64]:  # noqa: ANN401
    """Return epoch milliseconds of a column of integers, timestamps or ISO text."""
    if column.null_count:
        raise HistoryError(f"{path}: a time is missing")
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(), np.int64)
    if pa.types.is_timestamp(column.type):
        return np.asarray(pc.cast(column, pa.timestamp("ms"), safe=False).cast("int64").to_numpy())
    try:
        parsed = [datetime.fromisoformat(str(text)) for text in column.to_pylist()]
    except ValueError as error:
        raise HistoryError(f"{path}: a time is neither epoch ms nor ISO 8601: {error}") from None
    aware = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in parsed)
    return np.array([round(time.timestamp() * 1000) for time in aware], np.int64)


def _count(
    path: Path,
    names: list[str],
    times_ms: NDArray[np.int64],
    measures: NDArray[np.int64],
    bucket_seconds: int,
) -> History:
    """Add up measures per bucket and name, names in order of first appearance in time."""
    if not names:
        raise HistoryError(f"{path}: holds no rows that count")
    bucket_ms = bucket_seconds * 1000
    buckets = times_ms // bucket_ms
    order = np.argsort(times_ms, kind="stable")
    columns = {name: i for i, name in enumerate(dict.fromkeys(names[row] for row in order))}
    first, last = int(buckets.min()), int(buckets.max())
    if (last - first + 1) * len(columns) > MAX_CELLS:
        raise HistoryError(
            f"{path}: {last - first + 1} buckets of {bucket_seconds} s for {len(columns)} genres"
            " are too many; is a time wrong, or the bucket too short?"
        )
    cells = np.zeros((last - first + 1, len(columns), MEASURE_COUNT), np.int64)
    np.add.at(cells, (buckets - first, np.array([columns[name] for name in names])), measures)
    return History(
        names=tuple(columns),
        bucket_seconds=bucket_seconds,
        starts_ms=np.arange(first, last + 1, dtype=np.int64) * bucket_ms,
        cells=cells,
    )
