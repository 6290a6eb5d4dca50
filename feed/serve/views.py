"""Answers from kept buckets, oldest first: history, overview, trends, record. Pure functions."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.buckets import DAY_MS
from contracts.forecasts import KINDS
from feed.serve.answers import (
    Expected,
    GenreOverview,
    History,
    HistoryBucket,
    LevelRecord,
    Overview,
    Promotion,
    Record,
    StepRecord,
    Trend,
    Trending,
)
from feed.serve.kept import KeptBucket

SMOOTHING_CLICKS: Final = 1.0
"""Clicks per bucket added to both sides of a growth: from 0 to 1 is no trend."""

SKILL_BUCKETS: Final = 96
"""Buckets that a genre's skill looks back over."""

Floats = NDArray[np.float32]

Kept = Sequence[KeptBucket]
"""Buckets, one at least, oldest first."""


class GenreSeries(NamedTuple):
    """A genre's buckets, B of them, oldest first; a bucket that is missing in between has no row.

    Attributes:
        starts: `(B,)` int64, epoch ms.
        observed: `(B,)` int64.
        values: `(B, H, 1 + Q)` float32, mean and quantiles from each bucket on.
        levels: The Q levels.
    """

    starts: NDArray[np.int64]
    observed: NDArray[np.int64]
    values: Floats
    levels: tuple[str, ...]


def expected_of(values: Floats, levels: Sequence[str]) -> Expected:
    """Return one step's mean and quantiles `(1 + Q,)`; nulls for NaN."""
    if np.isnan(values[0]):
        return Expected(mean=None, quantiles=None)
    numbers = values.astype(np.float64).round(4).tolist()
    pairs = zip(levels, numbers[1:], strict=True)
    return Expected(mean=numbers[0], quantiles={q: v for q, v in pairs if not math.isnan(v)})


def series_of(buckets: Kept, genre: str) -> GenreSeries:
    """Return a genre's rows of the buckets that have the newest one's levels."""
    newest = buckets[-1]
    having = [b for b in buckets if genre in b.genres.row and b.levels == newest.levels]
    steps = max((b.values.shape[1] for b in having), default=0)
    values = np.full((len(having), steps, 1 + len(newest.levels)), np.nan, np.float32)
    for place, bucket in enumerate(having):
        values[place, : bucket.values.shape[1]] = bucket.values[bucket.genres.row[genre]]
    return GenreSeries(
        np.array([b.start_ms for b in having], np.int64),
        np.array([b.observed[b.genres.row[genre]] for b in having], np.int64),
        values,
        newest.levels,
    )


def forecast_for(series: GenreSeries, bucket_ms: int, ahead: int) -> Floats:
    """Return `(B, 1 + Q)`: what was forecast for each bucket, `ahead` before it; NaN for none."""
    found = np.full((len(series.starts), series.values.shape[2]), np.nan, np.float32)
    if ahead > series.values.shape[1]:
        return found
    origins = series.starts - ahead * bucket_ms
    places = np.searchsorted(series.starts, origins)
    has = series.starts[np.minimum(places, len(series.starts) - 1)] == origins
    found[has] = series.values[places[has], ahead - 1]
    return found


def history(kept: Kept, genre: str, *, buckets: int, ahead: int) -> History:
    """Return a genre's last buckets, each with what had been forecast for it."""
    kept = kept[-(buckets + ahead) :]
    series = series_of(kept, genre)
    expected = forecast_for(series, kept[-1].bucket_ms, ahead)
    rows = range(max(0, len(series.starts) - buckets), len(series.starts))
    return History(
        genre=genre,
        bucket_seconds=kept[-1].bucket_seconds,
        ahead=ahead,
        buckets=[
            HistoryBucket(
                bucket_start=int(series.starts[row]),
                observed=int(series.observed[row]),
                **expected_of(expected[row], series.levels).model_dump(),
            )
            for row in rows
        ],
    )


def observed_rows(buckets: Kept, of: KeptBucket) -> NDArray[np.int64]:
    """Return `(B, G)` counts for the genres of a bucket; 0 before a genre was known."""
    found = np.zeros((len(buckets), len(of.genres.names)), np.int64)
    for place, bucket in enumerate(buckets):
        if bucket.genres is of.genres:
            found[place] = bucket.observed
        else:
            rows = [of.genres.row.get(name, -1) for name in bucket.genres.names]
            known = np.array(rows, np.int64) >= 0
            found[place, np.array(rows, np.int64)[known]] = bucket.observed[known]
    return found


def growths(kept: Kept) -> tuple[Floats, Floats, Floats]:
    """Return `(G,)` each: clicks per bucket of late, as expected, and the growth between."""
    newest = kept[-1]
    steps = newest.values.shape[1]
    recent = observed_rows(kept[-max(1, steps) :], newest).mean(axis=0).astype(np.float32)
    if not steps:
        return recent, recent, np.zeros_like(recent)
    expected = np.nanmean(newest.values[:, :, 0], axis=1)
    return recent, expected, (expected + SMOOTHING_CLICKS) / (recent + SMOOTHING_CLICKS) - 1


def skills(kept: Kept) -> Floats:
    """Return `(G,)`: 1 - MAE of step 1 / MAE of "as a day ago"; NaN before a day is kept."""
    newest, by_start = kept[-1], {b.start_ms: b for b in kept}
    judged = [
        (now, by_start[now.start_ms - now.bucket_ms], by_start[now.start_ms - DAY_MS])
        for now in kept[-SKILL_BUCKETS:]
        if now.start_ms - DAY_MS in by_start and now.start_ms - now.bucket_ms in by_start
    ]
    count = len(newest.genres.names)
    if not judged:
        return np.full(count, np.nan, np.float32)
    now = observed_rows([one for one, _, _ in judged], newest)
    naive = observed_rows([one for _, _, one in judged], newest)
    medians = np.stack([_medians(before, newest) for _, before, _ in judged])
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.nansum(abs(now - medians), axis=0) / abs(now - naive).sum(axis=0)
    skill = np.where(np.isfinite(loss), 1 - loss, np.nan)
    return skill.astype(np.float32)


def _medians(bucket: KeptBucket, of: KeptBucket) -> Floats:
    """Return `(G,)` step 1's medians for the genres of another bucket; NaN where there is none."""
    found = np.full(len(of.genres.names), np.nan, np.float32)
    if not bucket.levels or not bucket.values.shape[1]:
        return found
    column = 1 + median_level(bucket.levels)
    if bucket.genres is of.genres:
        return bucket.values[:, 0, column]
    for row, name in enumerate(bucket.genres.names):
        if name in of.genres.row:
            found[of.genres.row[name]] = bucket.values[row, 0, column]
    return found


def median_level(levels: Sequence[str]) -> int:
    """Return the place of the level that is nearest to the median."""
    return min(range(len(levels)), key=lambda place: abs(float(levels[place]) - 0.5))


def overview(kept: Kept, *, points: int) -> Overview:
    """Return all genres at a glance, the busiest of late first."""
    newest, recent = kept[-1], observed_rows(kept[-points:], kept[-1])
    (late, _, growth), skill = growths(kept), skills(kept)
    order = np.argsort(-late, kind="stable").tolist()
    names = newest.genres.names
    nothing = np.full(1 + len(newest.levels), np.nan, np.float32)
    return Overview(
        bucket_start=newest.start_ms,
        bucket_seconds=newest.bucket_seconds,
        genres=[
            GenreOverview(
                genre=names[row],
                observed=int(newest.observed[row]),
                recent=recent[:, row].tolist(),
                next=expected_of(
                    newest.values[row, 0] if newest.values.shape[1] else nothing, newest.levels
                ),
                growth=round(float(growth[row]), 4),
                skill=None if np.isnan(skill[row]) else round(float(skill[row]), 4),
                kind=KINDS[newest.kinds[row]],
            )
            for row in order
        ],
    )


def trending(kept: Kept, *, limit: int) -> Trending:
    """Return the genres that grow most."""
    newest = kept[-1]
    late, expected, growth = growths(kept)
    order = np.argsort(-growth, kind="stable")[:limit].tolist()
    return Trending(
        bucket_start=newest.start_ms,
        genres=[
            Trend(
                genre=newest.genres.names[row],
                observed=round(float(late[row]), 4),
                expected=round(float(expected[row]), 4),
                growth=round(float(growth[row]), 4),
            )
            for row in order
        ],
    )


def record(kept: Kept, genre: str) -> Record:
    """Return how a genre's forecasts compare with what came."""
    series = series_of(kept, genre)
    at_or_below = np.zeros(len(series.levels))
    judged = 0
    steps: list[StepRecord] = []
    for step in range(1, series.values.shape[1] + 1):
        expected = forecast_for(series, kept[-1].bucket_ms, step)
        has = ~np.isnan(expected).any(axis=1)
        if not has.any() or not series.levels:
            continue
        came, quantiles = series.observed[has].astype(np.float64), expected[has, 1:]
        at_or_below += (came[:, None] <= quantiles).sum(axis=0)
        judged += len(came)
        steps.append(_step_record(step, came, quantiles, series.levels))
    return Record(
        genre=genre,
        buckets=len(series.starts),
        levels=[
            LevelRecord(level=float(level), share=round(float(count) / judged, 4), n=judged)
            for level, count in zip(series.levels, at_or_below, strict=True)
            if judged
        ],
        steps=steps,
    )


def _step_record(
    step: int, came: NDArray[np.float64], quantiles: Floats, levels: Sequence[str]
) -> StepRecord:
    """Judge `(N, Q)` quantiles by `(N,)` counts."""
    error = came[:, None] - quantiles
    level = np.array([float(name) for name in levels])
    pinball = np.maximum(level * error, (level - 1) * error)
    clicks = came.sum()
    inside = (quantiles[:, 0] <= came) & (came <= quantiles[:, -1])
    return StepRecord(
        step=step,
        mae=round(float(abs(error[:, median_level(levels)]).mean()), 4),
        wql=round(float((2 * pinball.sum(axis=0) / clicks).mean()), 4) if clicks else None,
        coverage=round(float(inside.mean()), 4),
        n=len(came),
    )


def promotions(kept: Iterable[KeptBucket]) -> list[Promotion]:
    """Return the changes of the model that published."""
    return [
        Promotion(
            bucket_start=bucket.start_ms,
            model_version=bucket.model_version,
            previous=before.model_version,
        )
        for before, bucket in itertools.pairwise(kept)
        if before.model_version != bucket.model_version
    ]
