"""Drift: has the champion grown worse than it was? Page and Hinkley's test on its losses.

E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954): the sum of what exceeds the mean
by more than a tolerance, held against its lowest point. A loss that rises and stays makes it grow
without end; one bad bucket, or a noisy hour, does not.

What is watched is the logarithm of the champion's loss over that of a naive forecast of the same
bucket (the same time yesterday), in units of its own spread: the daily rhythm and the volume of
traffic are in both and cancel out. What is left is skill.
"""

import math
from typing import Final

from state.model_store import DriftFigures

TOLERANCE: Final = 0.25
"""How far above its mean a loss may lie without counting, standard deviations."""

THRESHOLD: Final = 40.0
"""Sum of excesses that is drift, standard deviations: a rise by one of them shows after some 55
buckets."""

LEAST_COUNT: Final = 200
"""Losses to learn mean and spread from before any of them counts."""

LONGEST_MEMORY: Final = 2_000
"""Losses that mean and spread remember, about: slow changes that nobody would retrain for pass."""

LARGEST: Final = 3.0
"""Largest excess that one bucket counts, standard deviations: an outlier is no drift."""


def watched_loss(loss: float, naive_loss: float, clicks: float) -> float:
    """Return the number to watch for one bucket, from sums over genres and steps."""
    floor = 0.01 * clicks + 1.0  # without it a perfect naive forecast would weigh without end
    return math.log((loss + floor) / (naive_loss + floor))


def next_drift(before: DriftFigures, value: float) -> tuple[DriftFigures, bool]:
    """Take one bucket's number; say whether it has drifted (the sums begin anew then)."""
    count = min(before.count + 1, LONGEST_MEMORY)
    delta = value - before.mean
    total, lowest = before.sum, before.lowest
    if before.count >= LEAST_COUNT:
        deviation = math.sqrt(max(before.spread, 1e-6))
        total += min(delta / deviation, LARGEST) - TOLERANCE
        lowest = min(lowest, total)
    mean = before.mean + delta / count
    spread = before.spread + (delta * (value - mean) - before.spread) / count
    if total - lowest > THRESHOLD:
        return DriftFigures(), True
    return DriftFigures(count=count, mean=mean, spread=spread, sum=total, lowest=lowest), False
