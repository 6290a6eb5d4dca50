"""Clicks to bytes: ClickEvent JSON put together from pieces that are made once."""

import hashlib
from typing import Final

import orjson

from producer_sim.traffic import ACTIONS, LONGEST_WATCH_TENTHS, Clicks, Traffic

EVENT: Final = b'{"event_id":"%b%x","event_time":%d,%b,%b,%b}'
"""An event: id prefix and number, time, then the pieces of show, user and action."""


class Renderer:
    """Renders the clicks of one run.

    Event ids differ between runs that differ in seed or start: a second run on the same topic
    makes no duplicates.
    """

    def __init__(self, traffic: Traffic, seed: int) -> None:
        digest = hashlib.sha256(f"{seed}:{traffic.start_ms}".encode()).hexdigest()
        self._prefix = digest[:8].encode() + b"-"
        self._shows = traffic.shows.pieces
        self._users = traffic.users.pieces
        self._actions = [orjson.dumps({"action": name})[1:-1] for name, _ in ACTIONS[:-1]]
        play = orjson.dumps({"action": ACTIONS[-1][0]})[1:-1]
        self._actions += [
            b'%b,"watch_seconds":%d.%d' % (play, tenths // 10, tenths % 10)
            for tenths in range(LONGEST_WATCH_TENTHS + 1)
        ]

    def render(self, clicks: Clicks) -> list[bytes]:
        """Return each click as JSON."""
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
