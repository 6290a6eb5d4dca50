"""The ways to rank that are compared; each returns the first places `(M, 5)`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.recommending.scores import FIRST, Places, first_places
from bench.recommending.stream import Asked
from feed.recommend.exploring import place
from feed.recommend.outlook import Outlook, outlook_of, shares

Floats = NDArray[np.float64]

BOARD_HOURS = 2_016
"""Hours that the service keeps by default: the usual level is their mean."""

TIE = 1e-9
"""What popularity counts where nothing else tells genres apart."""


@dataclass(slots=True)
class Known:
    """What is known beside the users.

    Attributes:
        genres: G names.
        clicks: `(T, G)` per hour.
        expected: Per hour what is forecast from it, `(G,)`.
    """

    genres: tuple[str, ...]
    clicks: Floats
    expected: Mapping[int, Floats]
    _outlooks: dict[int, Outlook] = field(default_factory=dict)

    def recent(self, hours: NDArray[np.int64], count: int) -> Floats:
        """Return the clicks of the last `count` hours up to each of `hours`, `(M, G)`."""
        sums = np.vstack([np.zeros(len(self.genres)), np.cumsum(self.clicks, axis=0)])
        return np.asarray(sums[hours + 1] - sums[np.maximum(0, hours + 1 - count)])

    def outlook(self, hour: int) -> Outlook:
        """Return the outlook as the service has it after an hour."""
        found = self._outlooks.get(hour)
        if found is None:
            usual = self.clicks[max(0, hour + 1 - BOARD_HOURS) : hour + 1].mean(axis=0)
            found = outlook_of(self.genres, usual, self.expected[hour])
            self._outlooks[hour] = found
        return found


def by_popularity(known: Known, asked: Asked) -> Places:
    """Rank by all clicks so far."""
    return first_places(known.recent(asked.hours, len(known.clicks)))


def by_recency(known: Known, asked: Asked, hours: int) -> Places:
    """Rank by the clicks of the last hours; equal ones by popularity."""
    popular = known.recent(asked.hours, len(known.clicks))
    return first_places(known.recent(asked.hours, hours) + TIE * popular)


def by_taste(known: Known, asked: Asked) -> Places:
    """Rank by the user's own clicks; equal ones, and users without any, by popularity."""
    popular = known.recent(asked.hours, len(known.clicks))
    return first_places(asked.affinities + TIE * popular)


def by_formula(known: Known, asked: Asked, *, prior: float, power: float) -> Places:
    """Rank by the formula of `feed.recommend.ranking` with other constants: to choose them."""
    hours, row = np.unique(asked.hours, return_inverse=True)
    usual = np.stack([shares(one) for one in known.recent(hours, BOARD_HOURS)])[row]
    expected = np.stack([shares(known.expected[hour]) for hour in hours.tolist()])[row]
    return first_places((usual + asked.affinities / prior) * (expected / usual) ** power)


def as_served(known: Known, asked: Asked, *, ratio: float = 0.0, has_taste: bool = True) -> Places:
    """Rank by the code that answers requests, exploration and all."""
    places = np.empty((len(asked.users), FIRST), np.int64)
    for row, (hour, user) in enumerate(zip(asked.hours.tolist(), asked.users, strict=True)):
        own = np.flatnonzero(asked.affinities[row] * has_taste)
        affinities = {known.genres[column]: float(asked.affinities[row, column]) for column in own}
        outlook = known.outlook(hour)
        found = place(outlook, affinities, FIRST, seed=f"{user} {hour}", ratio=ratio)
        places[row] = [outlook.row[one.ranked.genre] for one in found]
    return places
