"""Clicks to bytes: ClickEvent JSON put together from pieces that are made once."""

import hashlib
from dataclasses import replace
from typing import Final

import numpy as np
import orjson

from contracts.events import IMPRESSION
from producer_sim.traffic import ACTIONS, LONGEST_WATCH_TENTHS, Clicks, Traffic

EVENT: Final = b'{"event_id":"%b%x","event_time":%d,%b,%b,%b}'
"""An event: id prefix and number, time, then the pieces of show, user and action."""

FROM_RECOMMENDATION: Final = b'{"event_id":"%b","event_time":%d,%b,%b,%b,"recommendation_id":%b}'
"""An event that follows from a recommendation: id, time, the three pieces, the id as JSON."""

SHOWN: Final = orjson.dumps({"action": IMPRESSION})[1:-1]
"""The piece of an impression's action."""

NEW_SHOW: Final = b'"show_id":"n%x","genres":["%b"]'
"""The piece of a show whose genre was never there before."""


def action_pieces() -> list[bytes]:
    """Return the pieces of what users do, by `Clicks.action`."""
    pieces = [orjson.dumps({"action": name})[1:-1] for name, _ in ACTIONS[:-1]]
    play = orjson.dumps({"action": ACTIONS[-1][0]})[1:-1]
    return pieces + [
        b'%b,"watch_seconds":%d.%d' % (play, tenths // 10, tenths % 10)
        for tenths in range(LONGEST_WATCH_TENTHS + 1)
    ]


class Renderer:
    """Renders the clicks of one run.

    Event ids differ between runs that differ in seed or start: a second run on the same topic
    makes no duplicates.
    """

    def __init__(self, traffic: Traffic, seed: int) -> None:
        digest = hashlib.sha256(f"{seed}:{traffic.start_ms}".encode()).hexdigest()
        self._prefix = digest[:8].encode() + b"-"
        self._digest = digest[:8]
        self._shows = traffic.shows.pieces
        self._users = traffic.users.pieces
        self._actions = action_pieces()

    def new_genre(self, number: int) -> str:
        """Return the genre that the click of this number alone has."""
        return f"new {self._digest} {number:x}"

    def render(self, clicks: Clicks) -> list[bytes]:
        """Return each click as JSON."""
        is_new = clicks.show < 0
        if not is_new.any():
            return self._render(clicks)
        values = self._render(replace(clicks, show=np.where(is_new, 0, clicks.show)))
        prefix, users, actions = self._prefix, self._users, self._actions
        for row in np.flatnonzero(is_new).tolist():
            number = int(clicks.number[row])
            show = NEW_SHOW % (number, self.new_genre(number).encode())
            user, action = users[clicks.user[row]], actions[clicks.action[row]]
            event_ms = int(clicks.event_ms[row])
            values[row] = EVENT % (prefix, number, event_ms, show, user, action)
        return values

    def _render(self, clicks: Clicks) -> list[bytes]:
        prefix, shows, users, actions = self._prefix, self._shows, self._users, self._actions
        return [
            EVENT % (prefix, number, event_ms, shows[show], users[user], actions[action])
            for number, event_ms, show, user, action in zip(
                clicks.number.tolist(),
                clicks.event_ms.tolist(),
                clicks.show.tolist(),
                clicks.user.tolist(),
                clicks.action.tolist(),
                strict=True,
            )
        ]
