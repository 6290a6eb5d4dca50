"""What the simulator's tests share."""

import numpy as np

from contracts.buckets import DAY_MS
from producer_sim.genres import BUILT_IN, GenreProfile
from producer_sim.traffic import Clicks, Traffic
from producer_sim.truth import Acknowledged, Rules

MONDAY_MS = 1_767_571_200_000
"""Monday 2026-01-05 00:00 UTC."""

HOUR_MS = DAY_MS // 24

RULES = Rules(bucket_ms=60_000, max_out_of_orderness_ms=5_000, max_future_skew_ms=60_000)

NOW_MS = MONDAY_MS + 365 * DAY_MS
"""A record timestamp long after all event times used here."""


def make_traffic(
    *,
    seed: int = 1,
    events_per_second: float = 50.0,
    start_ms: int = MONDAY_MS,
    slice_ms: int = 60_000,
    genres: tuple[GenreProfile, ...] = BUILT_IN,
) -> Traffic:
    return Traffic(
        genres,
        seed=seed,
        events_per_second=events_per_second,
        start_ms=start_ms,
        slice_ms=slice_ms,
    )


def concatenate(parts: list[Clicks]) -> Clicks:
    columns = ("event_ms", "number", "show", "user", "action")
    return Clicks(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


def acknowledged(
    rows: list[tuple[int, int]], *, first_offset: int = 0, stamp_ms: int = NOW_MS
) -> Acknowledged:
    """Make acknowledgements of (event time, genre list) rows."""
    size = len(rows)
    return Acknowledged(
        np.arange(first_offset, first_offset + size, dtype=np.int64),
        np.full(size, stamp_ms, np.int64),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
    )
