"""Exploration: now and then the last place goes to a genre that the user has not clicked.

Epsilon-greedy on one place, so that what it costs is bounded and how probable each answer was is
known exactly: off-policy estimates from the log divide by it. Drawn from a hash of user and bucket:
the same user asking again before the next bucket gets the same answer.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from feed.recommend.outlook import Outlook
from feed.recommend.ranking import Ranked, rank

MOST_TRIED: Final = 20
"""Genres that are tried out: the first of the trend that the user neither knows nor gets anyway."""

_DRAW_BYTES: Final = 8
"""Bytes of the hash that a draw is made from."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A genre in its place and how probable it was there."""

    ranked: Ranked
    propensity: float


def place(
    outlook: Outlook, affinities: Mapping[str, float], limit: int, *, seed: str, ratio: float
) -> list[Placed]:
    """Return the genres for a user in their places, the best first.

    Args:
        outlook: Of the newest bucket.
        affinities: Of the user.
        limit: How many at most.
        seed: What the draws come from: user and bucket.
        ratio: How often the last place is given away, 0 to 1.
    """
    best = rank(outlook, affinities, limit)
    tried = _to_try(outlook, best, affinities)
    if not tried or not best or not ratio:
        return [Placed(one, 1.0) for one in best]
    places = [Placed(one, 1.0) for one in best[:-1]]
    whether, which = _draws(seed)
    if whether >= ratio:
        # A ratio of 1 never comes here: no draw reaches 1.
        return [*places, Placed(best[-1], 1.0 - ratio)]
    row = tried[int(which * len(tried))]
    usual, weight = outlook.usual[row], outlook.weight(row)
    new = Ranked(outlook.genres[row], usual * weight, 0.0, outlook.lift[row], "new")
    return [*places, Placed(new, ratio / len(tried))]


def _to_try(outlook: Outlook, best: Sequence[Ranked], affinities: Mapping[str, float]) -> list[int]:
    """Return rows of genres that are new to the user, most trending first."""
    known = {one.genre for one in best} | set(affinities)
    rows = (row for row in outlook.trending if outlook.genres[row] not in known)
    return list(islice(rows, MOST_TRIED))


def _draws(seed: str) -> tuple[float, float]:
    """Return two numbers in [0, 1), the same for the same seed."""
    digest = hashlib.blake2b(seed.encode(), digest_size=2 * _DRAW_BYTES).digest()
    return _unit(digest[:_DRAW_BYTES]), _unit(digest[_DRAW_BYTES:])


def _unit(part: bytes) -> float:
    """Return a number in [0, 1) from 8 bytes; of 53 bits, as many as a float holds."""
    return (int.from_bytes(part) >> 11) * 2.0**-53
