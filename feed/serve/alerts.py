"""Alerts as the service keeps them: which are open, and what was told of late."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from contracts.alerts import GenreAlert
from contracts.settings import Settings
from feed.serve.answers import Alerts
from feed.serve.tails import Tail

log = logging.getLogger(__name__)

MOST_RECENT: Final = 2_000
"""Messages that are kept beside what is open."""

MOST_OPEN: Final = 50_000
"""Open alerts that are kept; the oldest go. The default `max_genres` can have four each at most."""

MOST_RECORDS_AT_ONCE: Final = 20_000
"""Records read in one look."""


@dataclass(slots=True)
class AlertBoard:
    """Open alerts and the latest messages; one thread's own.

    Attributes:
        told: How many messages were news so far: a reader's place among them.
        is_filled: What the topic kept has been read once; what comes from then on is news.
    """

    told: int = 0
    is_filled: bool = False
    _open: dict[tuple[str, str, str], GenreAlert] = field(default_factory=dict)
    _recent: deque[GenreAlert] = field(default_factory=lambda: deque(maxlen=MOST_RECENT))

    @property
    def open_count(self) -> int:
        """Alerts that are open."""
        return len(self._open)

    def add(self, alert: GenreAlert) -> None:
        """Take up the next message."""
        slot = (alert.kind, alert.side, alert.genre)
        self._open.pop(slot, None)
        if alert.state == "raised":
            self._open[slot] = alert
            if len(self._open) > MOST_OPEN:
                del self._open[next(iter(self._open))]
        self._recent.append(alert)
        self.told += self.is_filled

    def after(self, told: int) -> list[GenreAlert]:
        """Return the messages that came after so many, oldest first, as far as they are kept."""
        count = min(max(0, self.told - told), len(self._recent))
        return list(self._recent)[len(self._recent) - count :]

    def all(self) -> tuple[list[GenreAlert], list[GenreAlert]]:
        """Return what is open, and the latest messages; both oldest first."""
        return list(self._open.values()), list(self._recent)


def answer_of(
    are_open: Sequence[GenreAlert],
    recent: Sequence[GenreAlert],
    is_wanted: Callable[[GenreAlert], bool],
    limit: int,
) -> Alerts:
    """Return those that are wanted, the newest first, at most `limit` of each."""
    wanted_open = [alert for alert in reversed(are_open) if is_wanted(alert)]
    wanted_recent = [alert for alert in reversed(recent) if is_wanted(alert)]
    return Alerts(
        open_count=len(wanted_open), open=wanted_open[:limit], recent=wanted_recent[:limit]
    )


class AlertTail:
    """Follows the topic of alerts from its beginning: what is open may be old."""

    def __init__(self, settings: Settings) -> None:
        self._tail = Tail(
            settings, settings.topic_alerts, "alerts", last=None, most_at_once=MOST_RECORDS_AT_ONCE
        )

    def look(self) -> list[GenreAlert]:
        """Return what is new."""
        found = [parse_alert(record.value) for record in self._tail.look()]
        return [alert for alert in found if alert is not None]

    @property
    def problem(self) -> str | None:
        """The right that is missing, in words; None when none is."""
        return self._tail.problem

    def close(self) -> None:
        """Close the connection."""
        self._tail.close()


def parse_alert(value: bytes | None) -> GenreAlert | None:
    """Return an alert as it is on the topic; None, and a warning, for what is none."""
    try:
        return GenreAlert.model_validate_json(value or b"")
    except ValidationError as error:
        log.warning("no alert, skipped: %s", error.errors(include_url=False)[0]["msg"])
        return None
