"""How often chance alone raises an alert: an 80 % interval is left one time in five by design."""

from typing import Final

import numpy as np

from consumer.alerts.rules import Debounce
from contracts.buckets import DAY_SECONDS
from contracts.settings import Settings

MOST_ROUNDS: Final = 2_000
"""Buckets after which the chances are taken to be settled."""

SETTLED: Final = 1e-12
"""Change of the rate per bucket below which they are."""


def false_alarms_per_day(settings: Settings) -> float:
    """Return alerts of intervals per genre and day where forecasts are calibrated.

    Buckets are taken to leave their intervals independently of one another; where errors hang
    together, or intervals are too narrow, there are more.
    """
    debounce = Debounce(
        settings.alert_raise_buckets, settings.alert_raise_of, settings.alert_clear_buckets
    )
    tails = (settings.quantiles[0], 1 - settings.quantiles[-1])
    return (
        sum(raises_per_bucket(debounce, p) for p in tails) * DAY_SECONDS / settings.bucket_seconds
    )


def raises_per_bucket(debounce: Debounce, chance: float) -> float:
    """Return how often an alert is raised, per bucket, each beyond with the same `chance`.

    Exact: the long-run rate of the Markov chain of (bits of the last buckets, whether open).
    """
    width = max(debounce.raise_of, debounce.clear_buckets)
    after = np.arange(1 << width)
    # Two histories end in `after`: their oldest bit, which drops out, was 0 or 1.
    before = np.stack([after >> 1, (after >> 1) | (1 << (width - 1))])
    likely = np.where(after & 1, chance, 1 - chance)
    is_enough = np.bitwise_count(after & ((1 << debounce.raise_of) - 1)) >= debounce.raise_buckets
    raises = is_enough & (after & 1 == 1)
    clears = after & ((1 << debounce.clear_buckets) - 1) == 0
    closed, opened = np.zeros(1 << width), np.zeros(1 << width)
    closed[0], rate = 1.0, -1.0
    for _ in range(MOST_ROUNDS):
        from_closed = closed[before].sum(axis=0) * likely
        from_opened = opened[before].sum(axis=0) * likely
        found = float(from_closed[raises].sum())
        closed = np.where(raises, 0.0, from_closed) + np.where(clears, from_opened, 0.0)
        opened = np.where(clears, 0.0, from_opened) + np.where(raises, from_closed, 0.0)
        if found and abs(found - rate) < SETTLED:
            break
        rate = found
    return found
