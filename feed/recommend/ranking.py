"""Genres by taste and lift.

    score(u, g) = (usual(g) + affinity(u, g) / 20) * lift(g) ** 0.5

The usual share stands for what is not known of a user yet: 20 clicks of a user's own count as much
as everybody's (a Dirichlet prior of 20 clicks, as in Zhai and Lafferty, "A Study of Smoothing
Methods for Language Models Applied to Information Retrieval", 2004). Without a taste the trend is
left: usual(g) * lift(g) ** 0.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from contracts.recommendations import Reason
from feed.recommend.outlook import Outlook

PRIOR_CLICKS: Final = 20.0
"""Clicks that the usual shares weigh as much as. Chosen on the validation span of
`bench.recommendations`."""

NOTABLE_FACTOR: Final = 1.1
"""A taste or a lift that raises a genre by less than this is no reason."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A genre and what its place comes from."""

    genre: str
    score: float
    affinity: float
    lift: float
    why: Reason


def rank(outlook: Outlook, affinities: Mapping[str, float], limit: int) -> list[Ranked]:
    """Return the best genres for a user, the best first; equal ones by trend.

    Genres of a taste that the outlook does not have are left out: nothing is forecast for them.

    Args:
        outlook: Of the newest bucket.
        affinities: Of the user; empty when nothing is known. What is no positive number counts
            as 0.
        limit: How many at most.
    """
    own = {
        outlook.row[genre]: affinity
        for genre, affinity in affinities.items()
        if genre in outlook.row and isfinite(affinity) and affinity > 0
    }
    # All others keep the order of the trend, so the best of them are its first.
    others = [row for row in outlook.trending[: limit + len(own)] if row not in own]
    found = [_ranked(outlook, row, own.get(row, 0.0)) for row in [*own, *others]]
    found.sort(key=lambda one: (-one.score, one.genre))
    return found[:limit]


def _ranked(outlook: Outlook, row: int, affinity: float) -> Ranked:
    usual, weight = outlook.usual[row], outlook.weight(row)
    own = affinity / PRIOR_CLICKS
    return Ranked(
        outlook.genres[row],
        (usual + own) * weight,
        affinity,
        outlook.lift[row],
        _reason(1 + own / usual, weight),
    )


def _reason(by_taste: float, by_lift: float) -> Reason:
    """Return the larger of the two factors that a genre's usual share is multiplied by."""
    if max(by_taste, by_lift) < NOTABLE_FACTOR:
        return "popular"
    return "taste" if by_taste >= by_lift else "rising"
