"""Recorded events: CSV (also gzipped), JSON Lines (also gzipped) and Parquet, in file order."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import orjson

from contracts.options import ConfigurationError

RECORDED: Final = Path(__file__).parent / "recorded"
"""Where the recordings that come along lie."""

BUILT_IN: Final = {"movietweetings": RECORDED / "movietweetings_clicks.csv.gz"}
"""Recordings known by name."""

GENRE_SEPARATOR: Final = "|"
"""Between the genres of a CSV cell."""

COLUMNS: Final = ("event_time", "event_id", "user_id", "show_id", "genres")
"""Columns that a recording must have; an event without a value in them is sent without it."""

LONGEST_CELL: Final = 16 * 1024 * 1024
"""Longest CSV cell read, characters."""

PARQUET_BATCH: Final = 10_000
"""Rows of a Parquet file held at a time."""

Fields = dict[str, Any]


def find_recording(name: str) -> Path:
    """Return the file of a recording: a known name, or a path.

    Raises:
        ConfigurationError: There is no such file, or its kind is not known.
    """
    path = BUILT_IN.get(name, Path(name))
    if not path.is_file():
        known = ", ".join(BUILT_IN)
        raise ConfigurationError(f"--replay {name}: no such file (and not one of: {known})")
    if _kind(path) not in _READERS:
        raise ConfigurationError(
            f"--replay {name}: must end in {', '.join(sorted(_READERS))} (.gz too for text)"
        )
    return path


def read_recording(path: Path) -> Iterator[Fields | bytes]:
    """Yield each event's fields, or a line's bytes where they are no JSON object.

    Values are given as the file has them: what breaks the contract is left broken, so that it
    becomes a dead letter and not a silent gap.

    Raises:
        ConfigurationError: The file cannot be read, or lacks a column.
    """
    try:
        yield from _READERS[_kind(path)](path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ConfigurationError(f"--replay {path}: {error}") from error


def write_event(event: Fields | bytes, shift_ms: int) -> bytes:
    """Return an event as JSON, its time moved by `shift_ms`."""
    if isinstance(event, bytes):
        return event
    if shift_ms and isinstance(event.get("event_time"), int):
        event = event | {"event_time": event["event_time"] + shift_ms}
    try:
        return orjson.dumps(event)
    except TypeError:
        # Integers past 64 bits: json writes them, the contract refuses them.
        return json.dumps(event, default=str).encode()


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return "." + name.rpartition(".")[2]


def _open_text(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _read_csv(path: Path) -> Iterator[Fields]:
    csv.field_size_limit(LONGEST_CELL)
    with _open_text(path) as lines:
        reader = csv.DictReader(lines)
        _require_columns(path, reader.fieldnames or ())
        for row in reader:
            yield {
                name: _PARSERS.get(name, str)(text)
                for name, text in row.items()
                if name is not None and text is not None and (text or name == "genres")
            }


def _read_json_lines(path: Path) -> Iterator[Fields | bytes]:
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as lines:
        for line in lines:
            value = line.strip()
            if not value:
                continue
            try:
                event = orjson.loads(value)
            except orjson.JSONDecodeError:
                event = None
            yield event if isinstance(event, dict) else value


def _read_parquet(path: Path) -> Iterator[Fields]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path)
        _require_columns(path, table.schema_arrow.names)
        for batch in table.iter_batches(PARQUET_BATCH):
            for row in batch.to_pylist():
                yield {name: _plain(name, item) for name, item in row.items() if item is not None}
    except pyarrow.ArrowException as error:
        raise ConfigurationError(f"--replay {path}: {error}") from error


def _plain(name: str, item: object) -> object:
    """Return a Parquet value as JSON has it: times in epoch ms, genres as a list."""
    if isinstance(item, datetime):
        moment = item if item.tzinfo else item.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    if name == "genres" and isinstance(item, str):
        return _parse_genres(item)
    return item


def _require_columns(path: Path, names: Any) -> None:  # noqa: ANN401 (any collection)
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise ConfigurationError(
            f"--replay {path}: no column {', '.join(missing)} (columns as ClickEvent)"
        )


def _parse_genres(text: str) -> list[str]:
    return text.split(GENRE_SEPARATOR) if text else []


def _parse_number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return _parse_fraction(text)


def _parse_fraction(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


_PARSERS: Final = {
    "genres": _parse_genres,
    "event_time": _parse_number,
    "age": _parse_number,
    "watch_seconds": _parse_fraction,
}

_READERS: Final = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
