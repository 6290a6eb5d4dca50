"""What the HTTP service measures; `contracts.metrics` says what each metric means.

A registry of its own: what other parts of the process count is not shown here.
"""

from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from contracts.instruments import counter, gauge, histogram

REGISTRY: Final = CollectorRegistry()
"""The service's metrics, and those of its process."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

REQUESTS: Final = counter("genrecast_serve_requests_total", REGISTRY)
REQUEST_SECONDS: Final = histogram("genrecast_serve_request_seconds", REGISTRY)
REFUSED: Final = counter("genrecast_serve_refused_total", REGISTRY)
CONNECTIONS: Final = gauge("genrecast_serve_connections", REGISTRY)
SUBSCRIBERS: Final = gauge("genrecast_serve_subscribers", REGISTRY)
CONFLATED: Final = counter("genrecast_serve_conflated_total", REGISTRY)
SLOW_READERS: Final = counter("genrecast_serve_slow_readers_total", REGISTRY)
SENT_SECONDS: Final = histogram("genrecast_serve_sent_seconds", REGISTRY)
AGE: Final = gauge("genrecast_serve_age_seconds", REGISTRY)
STALE: Final = gauge("genrecast_serve_stale", REGISTRY)
BUCKETS: Final = gauge("genrecast_serve_buckets", REGISTRY)
GENRES: Final = gauge("genrecast_serve_genres", REGISTRY)
RECOMMENDATIONS: Final = counter("genrecast_serve_recommendations_total", REGISTRY)
UNLOGGED: Final = counter("genrecast_serve_unlogged_total", REGISTRY)
SHOW_CLICKS: Final = counter("genrecast_serve_show_clicks_total", REGISTRY)
BOARD_BYTES: Final = gauge("genrecast_serve_board_bytes", REGISTRY)
