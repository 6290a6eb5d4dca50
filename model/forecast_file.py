"""Forecast files: a backtest's forecasts in long form, one row per cell, Parquet or CSV."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.comparison import SCORED_LEVELS, Compared, columns_of
from model.splits import Split

FORECAST_ENDINGS: Final = (".parquet", ".csv")
"""What a forecast file's name may end in."""

_MEAN: Final = "mean"

QUANTILE_NAMES: Final = (_MEAN, *(f"{level:g}" for level in SCORED_LEVELS))
"""The `quantile` column's values: the mean, then the levels."""

_SCHEMA: Final = pa.schema(
    [
        ("dataset", pa.string()),
        ("method", pa.string()),
        ("series", pa.string()),
        ("origin", pa.timestamp("ms")),
        ("step", pa.int32()),
        ("quantile", pa.string()),
        ("value", pa.float32()),
    ]
)

_BATCH_ROWS: Final = 200_000
"""Rows held before they are written: some 10 MB, and row groups that compress well."""


@dataclass(slots=True)
class ForecastWriter:
    """Writes the forecasts of every origin of a split as they come; memory stays bounded.

    Attributes:
        split: Names the data set, its series and its origins.
        origin_rows: Row of each origin of the split, in its order.
        levels: The model's quantile levels.
        method: What the forecasts are called.
    """

    split: Split
    origin_rows: tuple[int, ...]
    levels: tuple[float, ...]
    method: str
    _sink: Any
    _held: list[Any] = field(default_factory=list)
    _held_rows: int = 0

    def write(self, compared: Compared) -> None:
        """Add one origin."""
        columns = columns_of(SCORED_LEVELS, self.levels)
        values = np.concatenate(
            [compared.model.mean[:, :, None], compared.model.quantiles[:, :, columns]], axis=2
        )
        origin_ms = self.split.origins_ms[self.origin_rows.index(compared.row)]
        self._held.append(self._table(values, origin_ms))
        self._held_rows += values.size
        if self._held_rows >= _BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self._sink.write_table(pa.concat_tables(self._held))
            self._held, self._held_rows = [], 0

    def _table(self, values: NDArray[np.float32], origin_ms: int) -> Any:  # noqa: ANN401
        """Return the rows of one origin, `values` `(G, H, 4)`."""
        series, steps, quantiles = (axis.ravel() for axis in np.indices(values.shape))
        count = values.size
        return pa.table(
            [
                pa.repeat(pa.scalar(self.split.name), count),
                pa.repeat(pa.scalar(self.method), count),
                pa.array(self.split.series, pa.string()).take(pa.array(series)),
                pa.repeat(pa.scalar(origin_ms, pa.timestamp("ms")), count),
                pa.array(steps + 1, pa.int32()),
                pa.array(QUANTILE_NAMES, pa.string()).take(pa.array(quantiles)),
                pa.array(values.ravel(), pa.float32()),
            ],
            schema=_SCHEMA,
        )


@contextmanager
def writing_forecasts(
    path: Path, split: Split, origin_rows: tuple[int, ...], levels: tuple[float, ...], method: str
) -> Iterator[ForecastWriter]:
    """Open a forecast file; it is there under its name only when the block ended well.

    Raises:
        OSError: When it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with _sink_of(part, path.suffix) as sink:
            writer = ForecastWriter(split, origin_rows, levels, method, sink)
            yield writer
            writer.flush()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _sink_of(part: Path, ending: str) -> Any:  # noqa: ANN401 (pyarrow ships no types)
    if ending == ".csv":
        return pa_csv.CSVWriter(str(part), _SCHEMA)
    return pq.ParquetWriter(str(part), _SCHEMA, compression="zstd")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a method takes, seconds.

    Attributes:
        fit: To fit all series once.
        forecast: One origin's step for all series, median.
        note: How it was fitted.
    """

    fit: float
    forecast: float
    note: str


def timing_path(path: Path) -> Path:
    """Return where a forecast file's timing lies, beside it."""
    return path.with_name(f"{path.stem}.timing.csv")


def write_timing(path: Path, split: Split, method: str, timing: Timing) -> Path:
    """Write the timing beside the forecast file `path`, and return where."""
    beside = timing_path(path)
    with beside.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["dataset", "method", "fit_s", "forecast_s", "note"])
        rows.writerow([split.name, method, timing.fit, timing.forecast, timing.note])
    return beside


@dataclass(frozen=True, slots=True)
class ReadForecasts:
    """A method's forecasts of a split, as read back.

    Attributes:
        mean: `(O, G, H)` float64; the median where the file has no mean.
        quantiles: `(O, G, H, Q)` float64, at `SCORED_LEVELS`.
    """

    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]

    @classmethod
    def of(cls, path: Path, split: Split) -> Self:
        """Read a forecast file of one method.

        Raises:
            ValueError: When a (series, origin, step) of the split is not there, or there twice.
        """
        table = pq.read_table(path) if path.suffix == ".parquet" else pa_csv.read_csv(path)
        table = table.filter(pc.equal(table["dataset"], split.name))
        shape = (len(split.origins_ms), len(split.series), split.horizon, len(QUANTILE_NAMES))
        values = np.full(shape, np.nan)
        places = _places(table, split)
        is_asked = (places >= 0).all(axis=0)
        places = places[:, is_asked]
        flat = np.ravel_multi_index(tuple(places), shape) if places.size else np.zeros(0, np.int64)
        if len(np.unique(flat)) < len(flat):
            raise ValueError(f"{path}: holds a cell twice")
        values.ravel()[flat] = table["value"].to_numpy()[is_asked]
        missing = int((~np.isfinite(values[..., 1:])).sum())
        if missing:
            raise ValueError(f"{path}: {missing} cells of {split.name} are missing")
        has_mean = bool(np.isfinite(values[..., 0]).all())
        middle = 1 + SCORED_LEVELS.index(0.5)
        return cls(values[..., 0 if has_mean else middle], values[..., 1:])


def _places(table: Any, split: Split) -> NDArray[np.int64]:  # noqa: ANN401
    """Return `(4, rows)`: position of origin, series, step and quantile; -1 where not asked for."""
    origins = pc.cast(table["origin"], pa.timestamp("ms"), safe=False).cast("int64")
    quantiles = pc.cast(table["quantile"], pa.string())
    columns = (
        _positions(origins.to_pylist(), split.origins_ms),
        _positions(pc.cast(table["series"], pa.string()).to_pylist(), split.series),
        _positions(table["step"].to_pylist(), range(1, split.horizon + 1)),
        _positions(quantiles.to_pylist(), QUANTILE_NAMES),
    )
    return np.stack(columns)


def _positions(values: list[Any], known: Any) -> NDArray[np.int64]:  # noqa: ANN401
    position = {value: place for place, value in enumerate(known)}
    return np.array([position.get(value, -1) for value in values], np.int64)
