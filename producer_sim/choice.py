"""How simulated users react to a page of recommendations: which card they click, if any.

Two steps, each a known model of people before a list:

- *Examination*: a user looks at the cards from the top and stops somewhere; the card in place k is
  looked at with probability `k ** -EXAMINATION_EXPONENT`, whatever is on it. Source: the
  examination hypothesis as compared in Craswell, Zoeter, Taylor, Ramsey, "An experimental
  comparison of click position-bias models" (WSDM 2008); the power of the place as in Joachims,
  Swaminathan, Schnabel, "Unbiased learning-to-rank with biased feedback" (WSDM 2017).
- *Choice*: among the cards looked at and going on without any, one is drawn with odds
  `exp(utility)`: a multinomial logit with an outside option. Source: McFadden, "Conditional logit
  analysis of qualitative choice behavior" (1974).

A card's utility is the log of how often the user clicks its genre unasked, over the mean of all
genres: the tastes that the simulated traffic itself is made by (`population.Users.preference`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

EXAMINATION_EXPONENT: Final = 1.0
"""How fast attention falls with the place: the second card is seen by half of those who see the
first. The value of Joachims et al.'s simulations."""

OUTSIDE_ODDS: Final = 50.0
"""Odds of clicking nothing, beside 1 for a card of a genre that the user likes as much as the mean:
a favourite in the first place is clicked by some 12 in 100, a genre of little interest by 1."""


def examined(rng: np.random.Generator, cards: int) -> int:
    """Return how many of so many cards, at least one, a user looks at from the top."""
    reach = (1.0 - rng.random()) ** (-1.0 / EXAMINATION_EXPONENT)
    return int(min(reach, cards))


def choose(rng: np.random.Generator, odds: NDArray[np.float64]) -> int | None:
    """Return the place of the card that is clicked, from 0; None when it is none.

    Args:
        rng: Where randomness comes from.
        odds: `(K,)` the cards' `exp(utility)`, in their places.
    """
    if not len(odds):
        return None
    seen = odds[: examined(rng, len(odds))]
    borders = np.cumsum(seen)
    place = int(np.searchsorted(borders, rng.random() * (borders[-1] + OUTSIDE_ODDS), side="right"))
    return place if place < len(seen) else None
