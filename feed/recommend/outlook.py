"""The outlook after a bucket: each genre's usual share of the clicks, and where it is going."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVEN_SHARE: Final = 0.01
"""Part of all clicks that is taken to be spread evenly: no share is 0, no lift without bounds."""

LIFT_POWER: Final = 0.5
"""How much of a lift counts: 0 none, 1 all of it. Chosen on the validation span of
`bench.recommendations`; a forecast of few clicks is noisy."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is the same for all users until the next bucket closes; G genres.

    Attributes:
        genres: Their names, in the order of the rows.
        row: Per genre its row.
        usual: Per row the share of all clicks that the genre usually has, above 0.
        lift: Per row its expected share over the usual one, above 0.
        trending: Rows by what a user of no known taste is recommended, the best first.
    """

    genres: tuple[str, ...]
    row: Mapping[str, int]
    usual: tuple[float, ...]
    lift: tuple[float, ...]
    trending: tuple[int, ...]

    def weight(self, row: int) -> float:
        """Return what the forecast makes of a genre: its lift to the power that counts."""
        weight: float = self.lift[row] ** LIFT_POWER
        return weight


def outlook_of(genres: Sequence[str], usual_clicks: Floats, expected_clicks: Floats) -> Outlook:
    """Return the outlook on some genres.

    Args:
        genres: G names.
        usual_clicks: `(G,)` clicks per bucket over a long time, 0 or more.
        expected_clicks: `(G,)` clicks per bucket that are forecast; NaN where there is no
            forecast: the genre is expected to stay as it is.
    """
    known = np.isfinite(expected_clicks)
    usual = shares(usual_clicks)
    expected = shares(np.where(known, expected_clicks, usual_clicks))
    lift = expected / usual
    order = np.argsort(-(usual * lift**LIFT_POWER), kind="stable")
    return Outlook(
        tuple(genres),
        {genre: row for row, genre in enumerate(genres)},
        tuple(usual.tolist()),
        tuple(lift.tolist()),
        tuple(order.tolist()),
    )


def shares(clicks: Floats) -> Floats:
    """Return each genre's share of the clicks `(G,)`; a small part of them is spread evenly."""
    count, total = len(clicks), float(clicks.sum())
    if not total > 0:
        return np.full(count, 1 / max(1, count))
    shared: Floats = (1 - EVEN_SHARE) * clicks / total + EVEN_SHARE / count
    return shared
