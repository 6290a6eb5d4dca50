"""Recommendations as a page: one card per genre, each with one show."""

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.recommendations import Reason, Recommendations


@dataclass(frozen=True, slots=True)
class Card:
    """One show on the page.

    Attributes:
        place: From 1, the top.
        genre: The recommended genre that it stands for; the show may have others.
        why: Why that genre was recommended.
    """

    place: int
    genre: str
    why: Reason
    show_id: str


def cards_of(recommendations: Recommendations) -> Iterator[Card]:
    """Yield the page's cards from the top: each genre's first show that no card above has.

    A genre without such a show has no card. So a recommendation and a show name a card, and an
    impression of it needs to say no more.
    """
    taken: set[str] = set()
    for genre in recommendations.genres:
        show_id = next((s.show_id for s in genre.shows if s.show_id not in taken), None)
        if show_id is not None:
            taken.add(show_id)
            yield Card(len(taken), genre.genre, genre.why, show_id)
