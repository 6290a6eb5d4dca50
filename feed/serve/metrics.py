"""Every metric of the HTTP service with its meaning; `/metrics` serves them.

Names follow Prometheus' conventions; the client adds `_total` to counters. A registry of its own:
what other parts of the process count is not shown here.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY: Final = CollectorRegistry()
"""The service's metrics, and those of its process."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

REQUESTS: Final = Counter(
    "genrecast_serve_requests",
    "Requests answered, by route and status code; streams count when they begin.",
    ["route", "code"],
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "genrecast_serve_request_seconds",
    "From a request's headers to the end of its answer, by route, without streams; seconds.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=REGISTRY,
)
REFUSED: Final = Counter(
    "genrecast_serve_refused",
    "Requests and connections refused, by why: connections, address, rate, headers, path, token, "
    "slow (a request that did not arrive in time).",
    ["why"],
    registry=REGISTRY,
)
CONNECTIONS: Final = Gauge(
    "genrecast_serve_connections", "Connections that are open.", registry=REGISTRY
)
SUBSCRIBERS: Final = Gauge(
    "genrecast_serve_subscribers", "Streams that are open.", registry=REGISTRY
)
CONFLATED: Final = Counter(
    "genrecast_serve_conflated",
    "Buckets that readers were not sent, being slow or away for too long: they got the newest.",
    registry=REGISTRY,
)
SLOW_READERS: Final = Counter(
    "genrecast_serve_slow_readers",
    "Streams that were ended because the reader took nothing for too long.",
    registry=REGISTRY,
)
SENT_SECONDS: Final = Histogram(
    "genrecast_serve_sent_seconds",
    "From a bucket's publication to its end being handed to a live reader's connection; seconds.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
AGE: Final = Gauge(
    "genrecast_serve_age_seconds",
    "Since the newest bucket was published, seconds; NaN before the first.",
    registry=REGISTRY,
)
STALE: Final = Gauge(
    "genrecast_serve_stale",
    "1 while what is shown is not current: no bucket for too long, or Kafka away.",
    registry=REGISTRY,
)
BUCKETS: Final = Gauge("genrecast_serve_buckets", "Buckets that are kept.", registry=REGISTRY)
GENRES: Final = Gauge("genrecast_serve_genres", "Genres in the newest bucket.", registry=REGISTRY)
BOARD_BYTES: Final = Gauge(
    "genrecast_serve_board_bytes", "Memory that the kept buckets take.", registry=REGISTRY
)
