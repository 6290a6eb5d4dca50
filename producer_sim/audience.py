"""Users who see recommendations and react: impressions and clicks that name the recommendation.

A share of organic events begins with a look at the page. Users in the holdout are shown nothing;
for the others the service is asked. Once it has answered, each card of the page is an impression,
and `choice` decides which one is clicked, some seconds later. Organic traffic goes on as it is:
what is clicked on the page is clicked beside it.
"""

import functools
import heapq
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from contracts.cards import cards_of
from contracts.holdout import Holdout
from contracts.recommendations import Recommendations
from producer_sim.choice import choose
from producer_sim.outgoing import IMPRESSION_LIST, NO_EVENT, Outgoing, Portion
from producer_sim.recommendations import RecommendationClient
from producer_sim.traffic import Traffic, draw_actions
from producer_sim.wire import FROM_RECOMMENDATION, SHOWN, action_pieces

LOOKING_MS: Final = (1_000, 8_000)
"""Event time between an impression and the click that follows, drawn evenly, ms."""

LATEST_MS: Final = 1_000
"""An answer is shown so much before the end of the portion that it comes in, at most, ms."""

_VISITS, _CHOICES = 31, 32


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """How the loop is closed.

    Attributes:
        address: Of the service that recommends.
        holdout: Who is shown nothing.
        visits: Share of organic events that begin with a look at the page.
        after_ms: Event time from the beginning during which nobody looks, ms.
        token: The service's bearer token, if it asks for one.
    """

    address: str
    holdout: Holdout
    visits: float
    after_ms: int = 0
    token: str | None = None


@dataclass(slots=True)
class Seen:
    """What the audience saw and did."""

    visits: int = 0
    held_out: int = 0
    pages: int = 0
    impressions: int = 0
    clicks: int = 0
    unknown_shows: int = 0


class Reaction(NamedTuple):
    """An impression, or a click on a card; they sort by time."""

    event_ms: int
    number: int
    user: int
    show: int
    recommendation_id: str
    is_impression: bool


class Audience:
    """Adds to portions of organic traffic what its users see and do on the page.

    Args:
        traffic: Whose users and shows.
        plan: The loop.
        seed: Of visits and choices; answers are the service's, so no two runs are alike.
        client: Asks for recommendations.
        partition_for: The partition of a key.
    """

    def __init__(
        self,
        traffic: Traffic,
        plan: LoopPlan,
        *,
        seed: int,
        client: RecommendationClient,
        partition_for: Callable[[bytes], int],
    ) -> None:
        self.seen = Seen()
        self.client = client
        self._plan = plan
        self._seed = seed
        self._begins_ms = traffic.start_ms + plan.after_ms
        self._users, self._shows = traffic.users, traffic.shows
        self._user_of = {key: user for user, key in enumerate(traffic.users.keys)}
        self._show_of = {show_id: show for show, show_id in enumerate(traffic.shows.ids)}
        self._partition_for = partition_for
        self._actions = action_pieces()
        self._choices = np.random.default_rng([seed, _CHOICES])
        self._due: list[Reaction] = []
        self._number = 0

    def portions(self, organic: Iterator[Portion]) -> Iterator[Portion]:
        """Yield portions with what the audience adds."""
        for index, portion in enumerate(organic):
            yield Portion(portion.until_ms, functools.partial(self._make, index, portion))

    def _make(self, index: int, portion: Portion, now_ms: int) -> Outgoing:
        organic = portion.make(now_ms)
        if portion.until_ms > self._begins_ms:
            self._visit(index, organic)
        for answer in self.client.collect():
            if answer.recommendations is not None:
                self._show_page(answer.user, answer.recommendations, portion.until_ms)
        return merged(organic, self._render(self._take_due(portion.until_ms)))

    def _visit(self, index: int, organic: Outgoing) -> None:
        """Let some users of these events look at the page."""
        rng = np.random.default_rng([self._seed, _VISITS, index])
        is_event = np.asarray(organic.genre_list) != NO_EVENT
        looks = np.flatnonzero((rng.random(len(organic)) < self._plan.visits) & is_event)
        for row in looks.tolist():
            key = organic.keys[row] or b""
            self.seen.visits += 1
            user_id = key.decode()
            if self._plan.holdout.has(user_id):
                self.seen.held_out += 1
            else:
                self.client.ask(self._user_of[key], user_id)

    def _show_page(self, user: int, page: Recommendations, until_ms: int) -> None:
        cards = [self._show_of.get(card.show_id) for card in cards_of(page)]
        shows = [show for show in cards if show is not None]
        self.seen.unknown_shows += len(cards) - len(shows)
        if not shows:
            return
        self.seen.pages += 1
        at_ms = until_ms - 1 - int(self._choices.integers(0, LATEST_MS))
        for show in shows:
            self._add(Reaction(at_ms, self._number, user, show, page.recommendation_id, True))
        odds = self._users.preference(user, self._shows.first_genre[np.array(shows)])
        place = choose(self._choices, odds)
        if place is not None:
            clicked_ms = at_ms + int(self._choices.integers(*LOOKING_MS))
            show = shows[place]
            self._add(Reaction(clicked_ms, self._number, user, show, page.recommendation_id, False))

    def _add(self, reaction: Reaction) -> None:
        self._number += 1
        heapq.heappush(self._due, reaction)

    def _take_due(self, until_ms: int) -> list[Reaction]:
        due = []
        while self._due and self._due[0].event_ms < until_ms:
            due.append(heapq.heappop(self._due))
        return due

    def _render(self, reactions: list[Reaction]) -> Outgoing:
        keys = [self._users.keys[reaction.user] for reaction in reactions]
        clicks = sum(not reaction.is_impression for reaction in reactions)
        self.seen.clicks += clicks
        self.seen.impressions += len(reactions) - clicks
        actions = draw_actions(self._choices, len(reactions)).tolist()
        return Outgoing(
            keys=keys,
            values=[self._value(*pair) for pair in zip(reactions, actions, strict=True)],
            partitions=[self._partition_for(key) for key in keys],
            event_ms=[reaction.event_ms for reaction in reactions],
            genre_list=[
                IMPRESSION_LIST if r.is_impression else int(self._shows.genre_list[r.show])
                for r in reactions
            ],
        )

    def _value(self, reaction: Reaction, action: int) -> bytes:
        return FROM_RECOMMENDATION % (
            uuid.uuid4().hex.encode(),
            reaction.event_ms,
            self._shows.pieces[reaction.show],
            self._users.pieces[reaction.user],
            SHOWN if reaction.is_impression else self._actions[action],
            orjson.dumps(reaction.recommendation_id),
        )


def merged(organic: Outgoing, own: Outgoing) -> Outgoing:
    """Return both, each of the others (in order of event time) once the organic ones reach it."""
    if not len(own):
        return organic
    reached = np.maximum.accumulate(np.asarray(organic.event_ms, np.int64))
    places = np.searchsorted(reached, np.asarray(own.event_ms, np.int64), side="right")
    rows = np.arange(len(organic) + len(own))
    order = np.insert(rows[: len(organic)], places, rows[len(organic) :])

    def column(name: str) -> NDArray[np.int64]:
        both = (np.asarray(getattr(part, name), np.int64) for part in (organic, own))
        return np.concatenate([*both])[order]

    keys, values = [*organic.keys, *own.keys], [*organic.values, *own.values]
    return Outgoing(
        keys=[keys[row] for row in order.tolist()],
        values=[values[row] for row in order.tolist()],
        partitions=column("partitions"),
        event_ms=column("event_ms"),
        genre_list=column("genre_list"),
    )
