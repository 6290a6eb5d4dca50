"""A bucket as the service keeps it: numbers in arrays, messages packed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from contracts.forecasts import KINDS, GenreForecast
from feed.assembly import Bucket

PACK_LEVEL: Final = 3
"""zstd level: neighbouring forecasts are alike, and higher levels take longer for little."""

MOST_UNPACKED_BYTES: Final = 1 << 30
"""Largest bucket that is unpacked, bytes; far above what was packed here."""


@dataclass(frozen=True)
class GenreRows:
    """Genres in the order of the rows; shared by the buckets that have the same ones."""

    names: tuple[str, ...]

    @cached_property
    def row(self) -> dict[str, int]:
        """Per genre its row."""
        return {name: row for row, name in enumerate(self.names)}


@dataclass(frozen=True, slots=True)
class KeptBucket:
    """A bucket for G genres, H steps, Q levels.

    Attributes:
        start_ms: Where it begins, epoch ms UTC.
        bucket_seconds: How long it is.
        model_version: Which model forecast from it.
        emitted_at_ms: When it was published, epoch ms UTC.
        genres: Which genres the rows are of.
        levels: The quantile levels, ascending, as the messages spell them.
        observed: `(G,)` int64, final counts.
        kinds: `(G,)` int8, which kind of model forecast the genre: its place in `KINDS`.
        values: `(G, H, 1 + Q)` float32, mean and quantiles; NaN where a genre has no such step.
        packed: The messages, as they were on the topic, a line each, compressed.
    """

    start_ms: int
    bucket_seconds: int
    model_version: str
    emitted_at_ms: int
    genres: GenreRows
    levels: tuple[str, ...]
    observed: NDArray[np.int64]
    kinds: NDArray[np.int8]
    values: NDArray[np.float32]
    packed: bytes

    @property
    def bucket_ms(self) -> int:
        """Bucket length, ms."""
        return self.bucket_seconds * 1000

    @property
    def nbytes(self) -> int:
        """Memory that it takes alone, bytes; genres are shared."""
        arrays = self.observed.nbytes + self.kinds.nbytes + self.values.nbytes
        return arrays + len(self.packed)

    def messages(self) -> list[bytes]:
        """Return the messages, one per genre, in the order of the rows."""
        if not self.genres.names:
            return []
        unpacked = zstandard.decompress(self.packed, max_output_size=MOST_UNPACKED_BYTES)
        return unpacked.split(b"\n")


def keep(bucket: Bucket, before: GenreRows | None = None) -> KeptBucket:
    """Return a bucket as it is kept; `before` are the genres of the one before it."""
    names = tuple(bucket.forecasts)
    genres = before if before is not None and before.names == names else GenreRows(names)
    forecasts = list(bucket.forecasts.values())
    levels = sorted({q for f in forecasts for step in f.horizon for q in step.quantiles}, key=float)
    lines = [_line(m, f) for m, f in zip(bucket.messages, forecasts, strict=True)]
    return KeptBucket(
        start_ms=bucket.start_ms,
        bucket_seconds=bucket.bucket_seconds,
        model_version=bucket.model_version,
        emitted_at_ms=bucket.emitted_at_ms,
        genres=genres,
        levels=tuple(levels),
        observed=np.array([f.observed_clicks for f in forecasts], np.int64),
        kinds=np.array([KINDS.index(f.kind) for f in forecasts], np.int8),
        values=_values(forecasts, levels),
        packed=zstandard.compress(b"\n".join(lines), PACK_LEVEL),
    )


def _line(message: bytes, forecast: GenreForecast) -> bytes:
    """Return a message without line breaks: they would end an event of the stream."""
    if b"\n" in message or b"\r" in message:
        return forecast.model_dump_json().encode()
    return message


def _values(forecasts: Sequence[GenreForecast], levels: Sequence[str]) -> NDArray[np.float32]:
    steps = max((len(f.horizon) for f in forecasts), default=0)
    values = np.full((len(forecasts), steps, 1 + len(levels)), np.nan, np.float32)
    for row, forecast in enumerate(forecasts):
        values[row, : len(forecast.horizon)] = [
            (step.mean, *(step.quantiles.get(level, np.nan) for level in levels))
            for step in forecast.horizon
        ]
    return values
