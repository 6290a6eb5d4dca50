"""What is published of a bucket: a forecast per genre, and the journal's record."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

from contracts.forecasts import SCHEMA_VERSION, BucketRecord
from contracts.settings import Settings
from state.store import Sealed

if TYPE_CHECKING:
    from model.forecaster import Forecaster, Forecasts

FORECAST_DECIMALS: Final = 4
"""Decimals of published forecasts, clicks."""


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
    means = np.round(forecasts.mean.astype(np.float64), FORECAST_DECIMALS).tolist()
    quantiles = np.round(forecasts.quantiles.astype(np.float64), FORECAST_DECIMALS).tolist()
    names = settings.quantile_names
    starts = [
        sealed.bucket_ms + (step + 1) * settings.bucket_ms for step in range(settings.horizon)
    ]
    observed = sealed.cells[:, 0].tolist()
    for g in np.flatnonzero(sealed.is_known).tolist():
        horizon = [
            {
                "step": step + 1,
                "start": start,
                "mean": means[g][step],
                "quantiles": dict(zip(names, quantiles[g][step], strict=True)),
            }
            for step, start in enumerate(starts)
        ]
        yield (
            sealed.genres[g],
            orjson.dumps(
                {
                    "schema_version": SCHEMA_VERSION,
                    "genre": sealed.genres[g],
                    "bucket_start": sealed.bucket_ms,
                    "bucket_seconds": settings.bucket_seconds,
                    "observed_clicks": observed[g],
                    "model_version": forecaster.version,
                    "kind": forecasts.kind_of(g, forecaster.kind),
                    "horizon": horizon,
                    "emitted_at": emitted_at,
                }
            ),
        )


def journal_record(
    sealed: Sealed, settings: Settings, model_version: str, emitted_at: int
) -> bytes:
    """Return the bucket's BucketRecord as JSON."""
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
        }
    )
