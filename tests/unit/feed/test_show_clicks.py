"""Clicks counted for the shows' rates: a bounded number stands for all, and none is trusted."""

from types import SimpleNamespace

import orjson
import pytest

from feed.recommend.shows import RecentShows
from feed.serve.show_clicks import Look, count_clicks
from tests.forecast_topic import START_MS

HOUR_MS = 3_600_000
MOST_BYTES = 1_000


def record(value: bytes | None, timestamp: int = START_MS) -> SimpleNamespace:
    return SimpleNamespace(value=value, timestamp=timestamp)


def click(show: str, time_ms: int = START_MS, **fields: object) -> bytes:
    event = {
        "event_id": "e", "event_time": time_ms, "user_id": "u", "show_id": show,
        "genres": [" NOIR "], **fields,
    }  # fmt: skip
    return orjson.dumps(event)


def rates(look: Look) -> dict[str, dict[str, float]]:
    shows = RecentShows(HOUR_MS)
    count_clicks(shows, look, MOST_BYTES)
    return {genre: dict(top) for genre, top in shows.top(5).items()}


def test_genres_are_those_of_the_contract() -> None:
    assert list(rates(Look([record(click("s1"))], 0))) == ["noir"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"\xff",
        b"[" * 900,
        click("s1", show_id="x" * 65),
        click("s" * 2_000),
        click("s1", action="impression"),
    ],
    ids=["tombstone", "empty", "lacking", "no text", "nested", "long id", "too large", "shown"],
)
def test_what_is_no_click_counts_nothing(value: bytes | None) -> None:
    assert rates(Look([record(value)], 0)) == {}


def test_those_read_stand_for_those_skipped() -> None:
    some = [record(click("a")), record(click("a")), record(click("b"))]
    alone, sampled = rates(Look(some, 0))["noir"], rates(Look(some, 9))["noir"]
    assert sampled == {show: pytest.approx(4 * rate) for show, rate in alone.items()}


def test_an_event_far_ahead_does_not_make_all_others_old() -> None:
    ahead = record(click("liar", START_MS + 10_000 * HOUR_MS))
    found = rates(Look([ahead, record(click("honest"))], 0))["noir"]
    assert found["liar"] == found["honest"]


def test_a_look_that_found_nothing_counts_nothing() -> None:
    assert rates(Look([], 12)) == {}
