"""Medians, percentiles and spreads of measured values."""

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values, inclusive, between neighbours linear."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def spread_of(values: Sequence[float]) -> float:
    """Return largest less smallest as a share of the median; 0 for a single value."""
    return (max(values) - min(values)) / statistics.median(values)


def ratios_of(above: Sequence[float], below: Sequence[float]) -> tuple[float, float]:
    """Return median and spread of the ratios, round by round."""
    each = [a / b for a, b in zip(above, below, strict=True)]
    return statistics.median(each), spread_of(each)
