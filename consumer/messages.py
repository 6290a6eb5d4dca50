"""What is published of a bucket: a forecast per genre, and the journal's record."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from contracts.forecasts import SCHEMA_VERSION, BucketRecord
from contracts.settings import Settings
from state.store import Sealed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.forecaster import Forecaster, Forecasts

FORECAST_DECIMALS: Final = 4
"""Decimals of published forecasts, clicks."""

_GAP: Final = "\0"
"""Where a genre's own text comes; JSON holds no such character."""


def is_published_as(sealed: Sealed, record: BucketRecord) -> bool:
    """Say whether a sealed bucket is the one of a journal record, to the last count.

    The cut alone does not tell: counts read again after Redis went back lack what retention took.
    """
    counts, first = _known_counts(sealed)
    return (
        sealed.bucket_ms == record.bucket_start
        and sealed.cut == record.cut
        and counts == record.counts
        and first == record.genres_first_bucket
    )


def _known_counts(sealed: Sealed) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return per genre known by the bucket its cell, and the bucket it was first counted in."""
    known = np.flatnonzero(sealed.is_known).tolist()
    counts = {sealed.genres[g]: sealed.cells[g].tolist() for g in known}
    return counts, {sealed.genres[g]: int(sealed.first_bucket_ms[g]) for g in known}


def forecast_messages(
    sealed: Sealed,
    forecasts: "Forecasts",
    settings: Settings,
    forecaster: "Forecaster",
    emitted_at: int,
) -> Iterator[tuple[str, bytes]]:
    """Yield (genre, GenreForecast JSON) of every genre known by the bucket."""
    pieces = _pieces_of_message(sealed.bucket_ms, settings, forecaster.version, emitted_at)
    numbers = np.concatenate([forecasts.mean[:, :, None], forecasts.quantiles], axis=2)
    observed = sealed.cells[:, 0].tolist()
    known = np.flatnonzero(sealed.is_known)
    for g, texts in zip(known.tolist(), _number_texts(numbers[known]), strict=True):
        genre, kind = sealed.genres[g], forecasts.kind_of(g, forecaster.kind)
        pieces[1::2] = (orjson.dumps(genre).decode(), str(observed[g]), kind, *texts)
        yield genre, "".join(pieces).encode()


def _pieces_of_message(
    bucket_ms: int, settings: Settings, version: str, emitted_at: int
) -> list[str]:
    """Return a message's JSON in pieces: every second one is what genres differ in.

    One list for all genres, filled in and joined: no object per number or step.
    """
    fields = {
        "schema_version": SCHEMA_VERSION,
        "genre": orjson.Fragment(_GAP),
        "bucket_start": bucket_ms,
        "bucket_seconds": settings.bucket_seconds,
        "observed_clicks": orjson.Fragment(_GAP),
        "model_version": version,
        "kind": orjson.Fragment(f'"{_GAP}"'),
        "horizon": [
            {
                "step": step,
                "start": bucket_ms + step * settings.bucket_ms,
                "mean": orjson.Fragment(_GAP),
                "quantiles": {name: orjson.Fragment(_GAP) for name in settings.quantile_names},
            }
            for step in range(1, settings.horizon + 1)
        ],
        "emitted_at": emitted_at,
    }
    constant = orjson.dumps(fields).decode().split(_GAP)
    pieces = [""] * (2 * len(constant) - 1)
    pieces[::2] = constant
    return pieces


def _number_texts(numbers: "NDArray[np.float32]") -> Iterator[tuple[str, ...]]:
    """Yield the numbers `(G, H, 1 + Q)` of each genre as JSON spells them, rounded."""
    rounded = np.round(numbers.astype(np.float64), FORECAST_DECIMALS).reshape(len(numbers), -1)
    if len(rounded):
        rows = orjson.dumps(rounded, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        yield from (tuple(row.split(",")) for row in rows[2:-2].split("],["))


def journal_record(
    sealed: Sealed,
    settings: Settings,
    model_version: str,
    emitted_at: int,
    alerts: dict[str, Any] | None = None,
) -> bytes:
    """Return the bucket's BucketRecord as JSON, with where alerts stand if there are any."""
    counts, first = _known_counts(sealed)
    return orjson.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "bucket_start": sealed.bucket_ms,
            "bucket_seconds": settings.bucket_seconds,
            "counts": counts,
            "genres_first_bucket": first,
            "cut": {str(p): offset for p, offset in sealed.cut.items()},
            "replay_from": {
                str(p): {"offset": offset, "watermark": watermark}
                for p, (offset, watermark) in sealed.replay_from.items()
            },
            "is_reset": sealed.is_reset,
            "model_version": model_version,
            "emitted_at": emitted_at,
            **({} if settings.genre_share is None else {"genre_share": settings.genre_share}),
            **({} if alerts is None else {"alerts": alerts}),
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
