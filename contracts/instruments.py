"""Prometheus' own objects for the metrics of `contracts.metrics`, asked for by name."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from contracts.metrics import BY_NAME, Kind, Metric

Labels = tuple[object, ...]
"""The values of a series' labels, in the order of their names."""

_shown: Final[dict[Gauge, set[Labels]]] = {}

TOTAL: Final = "_total"
"""What the client adds to a counter's name."""

# A second series per counter and histogram, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


def counter(name: str, registry: CollectorRegistry = REGISTRY) -> Counter:
    """Make the counter of this name; `UndeclaredMetricError` when the list has no such one."""
    metric = _declared(name, "counter")
    return Counter(
        metric.name.removesuffix(TOTAL), metric.meaning, metric.labels, registry=registry
    )


def gauge(name: str, registry: CollectorRegistry = REGISTRY) -> Gauge:
    """Make the gauge of this name; `UndeclaredMetricError` when the list has no such one."""
    metric = _declared(name, "gauge")
    return Gauge(metric.name, metric.meaning, metric.labels, registry=registry)


def histogram(name: str, registry: CollectorRegistry = REGISTRY) -> Histogram:
    """Make the histogram of this name; `UndeclaredMetricError` when the list has no such one."""
    metric = _declared(name, "histogram")
    return Histogram(
        metric.name, metric.meaning, metric.labels, buckets=metric.buckets, registry=registry
    )


def show_series(gauge: Gauge, values: Mapping[Labels, float]) -> None:
    """Set these series of a gauge and drop all others of it; one thread at a time for each gauge.

    Series that stay are never gone in between: a scrape may come at any moment.
    """
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
    for labels in _shown.get(gauge, set()) - values.keys():
        gauge.remove(*labels)
    _shown[gauge] = set(values)


class UndeclaredMetricError(LookupError):
    """The code measures what `contracts.metrics` does not list, or lists as another kind."""


def _declared(name: str, kind: Kind) -> Metric:
    metric = BY_NAME.get(name)
    if metric is None or metric.kind != kind:
        raise UndeclaredMetricError(f"contracts.metrics lists no {kind} {name}")
    return metric
