"""How good rankings are: hit rate, NDCG, and how sure a difference is."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

FIRST: Final = 5
"""Places that are judged."""

RESAMPLES: Final = 2_000
"""Draws of the bootstrap."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of every question of a span, M of them, each `(M,)`.

    Attributes:
        ndcg: NDCG of the first 5 places; a genre of the event counts 1, others 0.
        hit: By number of places: whether one of them holds a genre of the event.
    """

    ndcg: Floats
    hit: dict[int, Floats]


def judge(places: Places, has: NDArray[np.bool_]) -> Scores:
    """Judge the first places `(M, 5)`, columns of `has` `(M, G)`.

    NDCG as Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, in
    its usual form with the discount 1 / log2(1 + place).
    """
    found = np.take_along_axis(has, places, axis=1).astype(np.float64)
    discounts = 1 / np.log2(np.arange(2, FIRST + 2))
    best = np.cumsum(discounts)[np.minimum(has.sum(axis=1), FIRST) - 1]
    hit = {count: found[:, :count].max(axis=1) for count in (1, 3, 5)}
    return Scores(found @ discounts / best, hit)


def first_places(values: Floats) -> Places:
    """Return the columns of the five largest values of each row, the largest first."""
    return np.argsort(-values, axis=1, kind="stable")[:, :FIRST]


@dataclass(frozen=True, slots=True)
class Resampled:
    """Groups drawn again and again, with all their events: events of one user, or day, are alike.

    Attributes:
        row: `(M,)` each event's group, U of them.
        times: `(RESAMPLES, U)` how often each group was drawn.
    """

    row: NDArray[np.int64]
    times: Floats

    @classmethod
    def of(cls, groups: NDArray[np.int64], seed: int = 1) -> Self:
        """Draw from the groups of some events, `(M,)`: the number of each one's user or day."""
        known, row = np.unique(groups, return_inverse=True)
        draw = np.random.default_rng(seed)
        even = np.full(len(known), 1 / len(known))
        return cls(row, draw.multinomial(len(known), even, RESAMPLES).astype(np.float64))

    def interval(self, values: Floats) -> tuple[float, float]:
        """Return the 95 % interval of the mean over events, `(M,)`.

        Percentile interval: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.
        """
        sums, counts = np.bincount(self.row, values), np.bincount(self.row)
        low, high = np.quantile((self.times @ sums) / (self.times @ counts), [0.025, 0.975])
        return float(low), float(high)
