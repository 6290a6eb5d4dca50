"""Every metric of a consumer with its meaning; `/metrics` beside `/healthz` serves them.

Names follow Prometheus' conventions; the client adds `_total` to counters.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

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
PAUSED: Final = Gauge(
    "genrecast_partitions_paused", "Owned partitions paused because they run ahead."
)
NOT_READY: Final = Gauge(
    "genrecast_not_ready", "1 while a part of this member can't work; /readyz says why.", ["part"]
)
