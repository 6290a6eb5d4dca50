"""Splits: which series, origins and horizon a backtest scores, read from a file or made here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.measures import MEASURE_COUNT
from model.backtest import BacktestPlan, held_out_plan
from model.history import History
from model.loading import MAX_CELLS
from model.seasonal import buckets_per_day

MAX_SPLITS_BYTES: Final = 64 * 1024 * 1024
"""Largest splits file read: a million origins are some 30 MB."""

_UNIT_SECONDS: Final = {"s": 1, "min": 60, "t": 60, "m": 60, "h": 3600, "d": 86_400}
"""Seconds of the units in a `freq` such as 5min, h or 1D."""

_COMPRESSED: Final = ".gz"


class SplitError(Exception):
    """A splits file does not fit; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Split:
    """What is scored of one data set.

    Attributes:
        name: Of the data set.
        series: Series scored, in order; every series of the data when empty.
        season: Buckets from one season to the next, for the scale of MASE and RMSSE.
        horizon: Steps ahead, H.
        origins_ms: Last observed bucket of every origin as the file names it, ascending, epoch ms.
        train_end_ms: Last bucket that training may see, epoch ms; never after the first origin.
        first_ms: First bucket of the data set; None when the data say so.
        bucket_seconds: Bucket length; None when the file does not say.
    """

    name: str
    series: tuple[str, ...]
    season: int
    horizon: int
    origins_ms: tuple[int, ...]
    train_end_ms: int
    first_ms: int | None = None
    bucket_seconds: int | None = None

    def plan(self, history: History, window_buckets: int) -> BacktestPlan:
        """Return the plan whose origins are these rows of `history`."""
        rows = tuple(row_of(history, origin_ms) for origin_ms in self.origins_ms)
        return BacktestPlan(rows[0], window_buckets=window_buckets, rows=rows)


def _as_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


_Time = Annotated[datetime, AfterValidator(_as_utc)]


class _SplitEntry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    horizon: int = Field(alias="H", ge=1, le=1000)
    season: int | None = Field(default=None, alias="m", ge=1)
    freq: str | None = None
    series: tuple[str, ...] = ()
    first: _Time | None = None
    train_end: _Time | None = None
    origins: tuple[_Time, ...] = Field(min_length=1)


_FILE: Final[TypeAdapter[dict[str, _SplitEntry]]] = TypeAdapter(dict[str, _SplitEntry])
_NAMES: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])


def data_set_name(data: Path) -> str:
    """Return the name of the data set in a file.

    >>> data_set_name(Path("some/where/clicks.csv.gz"))
    'clicks'
    """
    return Path(data.name.removesuffix(_COMPRESSED)).stem


def read_split(path: Path, data: Path, name: str | None = None) -> Split:
    """Read the split of one data set from a JSON file, `{data set: {H, origins, ...}}`.

    Args:
        path: The file of splits.
        data: The data file; its stem names the data set when `name` is None.
        name: The data set.

    Raises:
        SplitError: When the file cannot be read, has no such data set, or an entry is wrong.
    """
    try:
        content = path.read_bytes()[: MAX_SPLITS_BYTES + 1]
    except OSError as error:
        raise SplitError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_SPLITS_BYTES:
        raise SplitError(f"{path}: is larger than {MAX_SPLITS_BYTES} bytes")
    try:
        chosen = _choose(path, list(_NAMES.validate_json(content)), data_set_name(data), name)
        entry = _FILE.validate_python({chosen: _NAMES.validate_json(content)[chosen]})[chosen]
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in detail["loc"]) or "file"
        raise SplitError(f"{path}: {where}: {detail['msg']}") from None
    return _split_of(chosen, entry)


def _choose(path: Path, known: list[str], stem: str, name: str | None) -> str:
    if name is None and stem in known:
        return stem
    if name is None and len(known) == 1:
        return known[0]
    if name in known and name is not None:
        return name
    listed = ", ".join(known[:20]) or "nothing"
    asked = f"no data set {name}" if name is not None else f"none named {stem}; say --dataset"
    raise SplitError(f"{path}: {asked}; it has {listed}")


def _split_of(name: str, entry: _SplitEntry) -> Split:
    origins = tuple(sorted({_epoch_ms(time) for time in entry.origins}))
    train_end = origins[0] if entry.train_end is None else _epoch_ms(entry.train_end)
    seconds = seconds_of_freq(entry.freq)
    return Split(
        name=name,
        series=tuple(dict.fromkeys(entry.series)),
        season=entry.season or buckets_per_day((seconds or 86_400) * 1000),
        horizon=entry.horizon,
        origins_ms=origins,
        # Later would be a look into what is scored.
        train_end_ms=min(train_end, origins[0]),
        first_ms=None if entry.first is None else _epoch_ms(entry.first),
        bucket_seconds=seconds,
    )


def _epoch_ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def seconds_of_freq(freq: str | None) -> int | None:
    """Return the seconds of a grid's name; None when it is not known here.

    >>> [seconds_of_freq(freq) for freq in ("5min", "h", "30T", "1D", "W")]
    [300, 3600, 1800, 86400, None]
    """
    found = re.fullmatch(r"(\d*)\s*([a-z]+)", (freq or "").strip().lower())
    if found is None or found[2] not in _UNIT_SECONDS:
        return None
    return int(found[1] or 1) * _UNIT_SECONDS[found[2]] or None


def held_out_split(
    history: History, name: str, horizon: int, *, share: float = 0.15, origins: int = 200
) -> Split:
    """Return a split of the last `share` of the history with about `origins` origins.

    Raises:
        ValueError: When the history is too short for a single origin.
    """
    plan = held_out_plan(history, horizon, share=share, origins=origins)
    rows = plan.origin_rows(len(history.starts_ms), horizon)
    if not rows:
        raise ValueError(
            f"{len(history.starts_ms)} buckets hold no origin with {horizon} buckets after it"
        )
    origins_ms = tuple(int(ms) for ms in history.starts_ms[list(rows)])
    return Split(
        name=name,
        series=history.names,
        season=buckets_per_day(history.bucket_ms),
        horizon=horizon,
        origins_ms=origins_ms,
        train_end_ms=origins_ms[0],
        bucket_seconds=history.bucket_seconds,
    )


def row_of(history: History, time_ms: int) -> int:
    """Return the row of the bucket that holds a time; it may lie outside the history."""
    return (time_ms - int(history.starts_ms[0])) // history.bucket_ms


def fit_to_split(history: History, split: Split) -> History:
    """Return the history with exactly the split's series, from its first bucket to its last step.

    What the table does not mention counts as 0: series without a row, buckets before the first
    and after the last row.

    Raises:
        SplitError: When an origin lies before the data, or the grid would be too large.
    """
    names = split.series or history.names
    rows_before = 0 if split.first_ms is None else max(0, -row_of(history, split.first_ms))
    first_origin = row_of(history, split.origins_ms[0])
    if first_origin + rows_before < 0:
        raise SplitError(f"{split.name}: its first origin is before the first bucket of the data")
    last_row = row_of(history, split.origins_ms[-1]) + split.horizon
    row_count = rows_before + max(len(history.starts_ms), last_row + 1)
    if row_count * len(names) > MAX_CELLS:
        raise SplitError(f"{split.name}: {row_count} buckets of {len(names)} series are too many")
    start_ms = int(history.starts_ms[0]) - rows_before * history.bucket_ms
    return History(
        names=names,
        bucket_seconds=history.bucket_seconds,
        starts_ms=start_ms + np.arange(row_count, dtype=np.int64) * history.bucket_ms,
        cells=_placed(history, names, row_count, rows_before),
        calendar=history.calendar,
    )


def _placed(
    history: History, names: tuple[str, ...], row_count: int, rows_before: int
) -> NDArray[np.int64]:
    """Return the cells `(row_count, len(names), MEASURE_COUNT)`, 0 where nothing is known."""
    position = {name: column for column, name in enumerate(history.names)}
    known = [column for column, name in enumerate(names) if name in position]
    cells = np.zeros((row_count, len(names), MEASURE_COUNT), np.int64)
    rows = slice(rows_before, rows_before + len(history.starts_ms))
    cells[rows, known] = history.cells[:, [position[names[column]] for column in known]]
    return cells


def missing_from(history: History, split: Split) -> tuple[tuple[str, ...], int]:
    """Return the split's series that have no row, and its buckets after the history's last."""
    absent = tuple(name for name in split.series if name not in set(history.names))
    last_row = row_of(history, split.origins_ms[-1]) + split.horizon
    return absent, max(0, last_row + 1 - len(history.starts_ms))
