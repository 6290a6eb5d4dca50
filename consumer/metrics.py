"""Every metric of a consumer with its meaning; `/metrics` beside `/healthz` serves them.

Names follow Prometheus' conventions; the client adds `_total` to counters.
"""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from state.store import Batch, Progress

RECORDS: Final = Counter(
    "genrecast_records",
    "Records applied by this member, by place: counted, late, dead_letters, duplicates, skipped "
    "(decided before a restore), lost (retention passed them unread).",
    ["place"],
)
BUCKETS: Final = Counter("genrecast_buckets_published", "Buckets published by this member.")
CLOSE_SECONDS: Final = Histogram(
    "genrecast_close_seconds",
    "From the seal of a bucket to its commit: step, transaction, state; seconds.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
TAKEOVERS: Final = Counter("genrecast_takeovers", "Times this member became the forecaster.")
TRANSACTIONS_UNKNOWN: Final = Counter(
    "genrecast_transactions_unknown",
    "Forecast transactions that were fenced, or whose outcome only the journal could tell.",
)
RESTORES: Final = Counter(
    "genrecast_restores", "Times Redis was behind the journal and was restored from it."
)
POSITION: Final = Gauge(
    "genrecast_position_offset", "Next offset to read of an owned partition.", ["partition"]
)
WATERMARK: Final = Gauge(
    "genrecast_watermark_seconds", "Watermark of an owned partition, epoch seconds.", ["partition"]
)
GLOBAL_WATERMARK: Final = Gauge(
    "genrecast_global_watermark_seconds", "The deployment's watermark, epoch seconds."
)
HOLDS_WATERMARK: Final = Gauge(
    "genrecast_holds_watermark",
    "1 for an owned partition that is not idle and has the lowest watermark: it decides what may "
    "close.",
    ["partition"],
)
NOT_READY: Final = Gauge(
    "genrecast_not_ready", "1 while a part of this member can't work; /readyz says why.", ["part"]
)

PLACES: Final = ("counted", "late", "dead_letters", "duplicates", "skipped", "lost")
"""Where a batch's records can be, as `state.store.Batch` names it."""


def count_batch(batch: Batch) -> None:
    """Count the records of an applied batch."""
    for place in PLACES:
        count = getattr(batch, place)
        if count:
            RECORDS.labels(place).inc(count)


def show_progress(progress: Progress, positions: Mapping[int, int], now_ms: int) -> None:
    """Show where the owned partitions stand; `positions` are their next offsets."""
    is_idle = {p: progress.idle_until.get(p, 0) > now_ms for p in positions}
    awake = [w for p, w in progress.watermarks.items() if progress.idle_until.get(p, 0) <= now_ms]
    lowest = min(awake, default=None)
    for gauge in (POSITION, WATERMARK, HOLDS_WATERMARK):
        gauge.clear()
    for p, offset in positions.items():
        watermark = progress.watermarks.get(p)
        POSITION.labels(p).set(offset)
        if watermark is not None:
            WATERMARK.labels(p).set(watermark / 1000)
        HOLDS_WATERMARK.labels(p).set(not is_idle[p] and watermark in (None, lowest))
    if progress.global_watermark_ms is not None:
        GLOBAL_WATERMARK.set(progress.global_watermark_ms / 1000)
