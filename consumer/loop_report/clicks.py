"""The clicks topic as the report needs it: who did what when, and what was put before them."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumer.decode import decode_values
from contracts.events import IMPRESSION
from contracts.holdout import Holdout

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Kind(IntEnum):
    """What an event is to the loop."""

    ORGANIC = 0
    RECOMMENDED = 1
    IMPRESSION = 2


class Seen(NamedTuple):
    """A card: a show on the page that a recommendation made."""

    recommendation_id: str
    show_id: str


@dataclass(slots=True)
class ClickLog:
    """Valid events, late ones too: their users did what they say.

    Takes 13 bytes an event, and what `impressions` and `clicked` take per card that was shown.

    Attributes:
        users: Number of each user id, in order of first appearance.
        impressions: When each card was first shown, epoch ms.
        clicked: Cards that were clicked, however often, at first, epoch ms.
    """

    users: dict[str, int] = field(default_factory=dict)
    impressions: dict[Seen, int] = field(default_factory=dict)
    clicked: dict[Seen, int] = field(default_factory=dict)
    _user: "array[int]" = field(default_factory=lambda: array("i"))
    _event_ms: "array[int]" = field(default_factory=lambda: array("q"))
    _kind: "array[int]" = field(default_factory=lambda: array("b"))

    def add(self, values: Sequence[bytes | None], max_event_bytes: int) -> None:
        """Take up record values; what is no valid event is left out."""
        for click in decode_values(values, max_event_bytes).events.clicks:
            kind = Kind.ORGANIC
            if click.action == IMPRESSION:
                kind = Kind.IMPRESSION
            elif click.recommendation_id is not None:
                kind = Kind.RECOMMENDED
            self._user.append(self.users.setdefault(click.user_id, len(self.users)))
            self._event_ms.append(click.event_time)
            self._kind.append(kind)
            if click.recommendation_id is not None:
                seen = Seen(click.recommendation_id, click.show_id)
                cards = self.impressions if kind == Kind.IMPRESSION else self.clicked
                cards[seen] = min(cards.get(seen, click.event_time), click.event_time)

    @property
    def kind(self) -> Integers:
        """(N,) `Kind` of every event."""
        return np.array(self._kind, np.int64)

    @property
    def event_ms(self) -> Integers:
        """(N,) event times, epoch ms."""
        return np.array(self._event_ms, np.int64)

    @property
    def user(self) -> Integers:
        """(N,) numbers of the users."""
        return np.array(self._user, np.int64)


@dataclass(frozen=True, slots=True)
class Users:
    """What each user did in the span, and before it; arrays `(U,)`.

    Only users with a click of their own accord in the span: whether somebody has one, no
    recommendation decides.

    Attributes:
        is_held_out: Whether the user was to be shown nothing.
        organic: Clicks that name no recommendation.
        recommended: Clicks that name one.
        impressions: Cards put before the user.
        before: Clicks before the span.
    """

    is_held_out: NDArray[np.bool_]
    organic: Floats
    recommended: Floats
    impressions: Floats
    before: Floats


def users_in(log: ClickLog, since_ms: int, until_ms: int, holdout: Holdout) -> Users:
    """Add up a log by user, over `[since_ms, until_ms)` and over what was before.

    Args:
        log: All that was read.
        since_ms: Where the span begins, epoch ms.
        until_ms: Where it ends, epoch ms.
        holdout: Who was held out.
    """
    user, kind, event_ms = log.user, log.kind, log.event_ms
    is_in = (since_ms <= event_ms) & (event_ms < until_ms)
    size = len(log.users)

    def count(chosen: NDArray[np.bool_]) -> Integers:
        return np.bincount(user[chosen], minlength=size)

    organic = count(is_in & (kind == Kind.ORGANIC))
    kept = np.flatnonzero(organic)
    names = list(log.users)
    return Users(
        is_held_out=np.array([holdout.has(names[i]) for i in kept.tolist()], np.bool_),
        organic=organic[kept].astype(np.float64),
        recommended=count(is_in & (kind == Kind.RECOMMENDED))[kept].astype(np.float64),
        impressions=count(is_in & (kind == Kind.IMPRESSION))[kept].astype(np.float64),
        before=count((event_ms < since_ms) & (kind != Kind.IMPRESSION))[kept].astype(np.float64),
    )


NEVER_MS: Final = 2**62
"""After any event, ms: a span without an end."""
