"""Clicks over a span: counted up to now, expected from there on. Pure functions of kept buckets."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.moments import moment_text
from feed.serve.answers import Inventory
from feed.serve.kept import KeptBucket
from feed.serve.spans import Float64, correlations, normal_scores, scores_of, sum_quantiles
from feed.serve.views import GenreSeries, series_of

LEARNT_FROM: Final = 500
"""Most past origins that the dependence of steps is learnt from."""


class SpanError(ValueError):
    """A span that can't be answered for: the message says what can."""


class SpanGoneError(SpanError):
    """Counts of a part of the span are not kept."""


def inventory(kept: Sequence[KeptBucket], genre: str, start_ms: int, end_ms: int) -> Inventory:
    """Return a genre's clicks over a span: buckets that it cuts count by their share in it.

    Args:
        kept: Buckets, one at least, oldest first.
        genre: One that the newest bucket has.
        start_ms: The span's start.
        end_ms: Its end, not in it.

    Raises:
        SpanError: It is empty, or reaches further than the forecast.
        SpanGoneError: Counts of a part of it are not kept.
    """
    newest = kept[-1]
    series = series_of(kept, genre)
    steps = _steps(series)
    now_ms = newest.start_ms + newest.bucket_ms
    reach_ms = now_ms + len(steps) * newest.bucket_ms
    if start_ms >= end_ms:
        raise SpanError("`from` must be before `to`")
    if end_ms > reach_ms:
        raise SpanError(
            f"the forecast reaches {moment_text(reach_ms)} ({reach_ms}), `to` is "
            f"{moment_text(end_ms)}: ask for less, or forecast further ahead (GENRECAST_HORIZON)"
        )
    observed = _observed(kept, genre, start_ms, min(end_ms, now_ms)) if start_ms < now_ms else 0.0
    starts = now_ms + np.arange(len(steps)) * newest.bucket_ms
    shares = _shares(starts, newest.bucket_ms, start_ms, end_ms)
    expected = float(shares @ steps[:, 0])
    scores = past_scores(series, newest.bucket_ms, len(steps))
    ends = np.array([start_ms, end_ms], np.int64) - now_ms
    quantiles = None
    if shares.any() and series.levels:
        levels = normal_scores(series.levels)
        ahead = sum_quantiles(steps[:, 1:], levels, shares, correlations(scores))
        quantiles = {
            level: round(observed + value, 4)
            for level, value in zip(series.levels, ahead.tolist(), strict=True)
        }
    return Inventory(
        genre=genre,
        start=start_ms,
        end=end_ms,
        observed=round(observed, 4),
        expected=round(expected, 4),
        mean=round(observed + expected, 4),
        quantiles=quantiles,
        counted_until=now_ms,
        reaches_until=reach_ms,
        is_pro_rata=bool((ends % newest.bucket_ms).any()),
        origins=len(scores),
    )


def _steps(series: GenreSeries) -> Float64:
    """Return `(H, 1 + Q)`: mean and quantiles of the newest bucket's steps, whole ones only."""
    steps: Float64 = series.values[-1].astype(np.float64)
    is_whole = ~np.isnan(steps).any(axis=1)
    return steps if bool(is_whole.all()) else steps[: int(is_whole.argmin())]


def _shares(starts: NDArray[np.int64], bucket_ms: int, start_ms: int, end_ms: int) -> Float64:
    """Return `(B,)` how much of each bucket lies in a span, 0 to 1."""
    inside = np.minimum(starts + bucket_ms, end_ms) - np.maximum(starts, start_ms)
    return np.asarray(np.maximum(inside, 0) / bucket_ms, np.float64)


def _observed(kept: Sequence[KeptBucket], genre: str, start_ms: int, end_ms: int) -> float:
    """Return the clicks counted in a span that is past."""
    bucket_ms = kept[-1].bucket_ms
    first = start_ms // bucket_ms * bucket_ms
    inside = [b for b in kept if first <= b.start_ms < end_ms]
    wanted = -(-(end_ms - first) // bucket_ms)
    if len(inside) < wanted:
        raise SpanGoneError(_missing(kept, start_ms, len(inside), wanted))
    starts = np.array([b.start_ms for b in inside], np.int64)
    rows = [b.genres.row.get(genre) for b in inside]
    counts = [0 if r is None else int(b.observed[r]) for b, r in zip(inside, rows, strict=True)]
    return float(_shares(starts, bucket_ms, start_ms, end_ms) @ np.array(counts, np.float64))


def _missing(kept: Sequence[KeptBucket], start_ms: int, found: int, wanted: int) -> str:
    oldest = kept[0].start_ms
    if start_ms < oldest:
        return f"counts are kept from {moment_text(oldest)} ({oldest}) on"
    return f"of the span's past buckets {wanted - found} are not kept"


def past_scores(series: GenreSeries, bucket_ms: int, steps: int) -> Float64:
    """Return `(N, H)`: errors of past forecasts as normal scores, an origin a row.

    Of the origins all of whose steps have come true, the latest `LEARNT_FROM` at most.
    """
    nothing = np.zeros((0, steps))
    if not steps or not series.levels:
        return nothing
    usable = series.values[:, :steps]
    recent = slice(max(0, len(series.starts) - steps - LEARNT_FROM), None)
    starts, values, observed = series.starts[recent], usable[recent], series.observed[recent]
    targets = starts[:, None] + np.arange(1, steps + 1) * bucket_ms
    places = np.minimum(np.searchsorted(starts, targets), len(starts) - 1)
    came = starts[places] == targets
    is_whole = came.all(axis=1) & ~np.isnan(values).any(axis=(1, 2))
    if not is_whole.any():
        return nothing
    counts = observed[places][is_whole].astype(np.float64)
    quantiles = values[is_whole][:, :, 1:].astype(np.float64)
    return scores_of(counts, quantiles, normal_scores(series.levels))
