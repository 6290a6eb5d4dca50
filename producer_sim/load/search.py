"""The highest rate that holds a bound: bracketed by doubling, then halved by bisection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PRECISION: Final = 1.05
"""Ratio of the lowest rate that fails to the highest that holds at which a search ends."""

MOST_PROBES: Final = 30
"""Probes at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        holds: The highest rate seen to hold; None when not even the lowest did.
        fails: The lowest rate seen to fail; None when the highest allowed holds.
    """

    holds: float | None
    fails: float | None


def find_highest(
    does_hold: Callable[[float], bool],
    *,
    lowest: float,
    highest: float,
    precision: float = PRECISION,
) -> Found:
    """Return the highest rate that holds, between two rates.

    A rate that fails is tried once more: one pause of the machine is no limit of the system.

    Args:
        does_hold: Probes a rate.
        lowest: Where the search begins.
        highest: Where it ends at the latest.
        precision: Ratio of the two rates found at which it ends.
    """
    probes = 0

    def holds(rate: float) -> bool:
        nonlocal probes
        probes += 1
        if does_hold(rate):
            return True
        probes += 1
        return does_hold(rate)

    if not holds(lowest):
        return Found(None, lowest)
    low, high = lowest, None
    while high is None:
        if low >= highest:
            return Found(low, None)
        rate = min(low * 2, highest)
        if holds(rate):
            low = rate
        else:
            high = rate
    while high / low > precision and probes < MOST_PROBES:
        middle = (low * high) ** 0.5
        if holds(middle):
            low = middle
        else:
            high = middle
    return Found(low, high)
