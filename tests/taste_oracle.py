"""What tastes must be: the log's valid events added up one by one, in plain Python."""

import collections
from collections.abc import Iterable

import pytest

from contracts.events import ClickEvent
from contracts.settings import Settings
from state.tastes import Taste


def weight_of(event: ClickEvent, settings: Settings) -> float:
    of_action: float = getattr(settings, f"taste_weight_{event.action}")
    return of_action + settings.taste_weight_watch_hour * (event.watch_seconds or 0) / 3600


def tastes_of(events: Iterable[ClickEvent], settings: Settings) -> dict[str, Taste]:
    """Every user's taste as of their latest click."""
    by_user: dict[str, list[ClickEvent]] = collections.defaultdict(list)
    for event in events:
        by_user[event.user_id].append(event)
    tastes = {}
    for user, own in by_user.items():
        latest_ms = max(event.event_time for event in own)
        sums: dict[str, float] = collections.defaultdict(float)
        for event in own:
            halvings = (latest_ms - event.event_time) / settings.taste_half_life_ms
            for genre in event.genres:
                sums[genre] += weight_of(event, settings) * 0.5**halvings
        tastes[user] = Taste(user, latest_ms, sums)
    return tastes


def assert_same(found: Taste | None, expected: Taste) -> None:
    """Equal but for the rounding of sums in another order."""
    assert found is not None, expected
    assert found.updated_ms == expected.updated_ms
    assert found.affinities == pytest.approx(expected.affinities, rel=1e-9)
