"""Users and cards, worked by hand from a log."""

import orjson

from consumer.loop_report.clicks import ClickLog, Seen, users_in
from contracts.holdout import Holdout
from contracts.settings import Settings

NOBODY = Holdout(0.0)
MAX_BYTES = Settings().max_event_bytes


def event(at_ms: int, user: str, name: str | None = None, **more: object) -> bytes:
    fields = {
        "event_id": "e",
        "event_time": at_ms,
        "user_id": user,
        "show_id": "s",
        "genres": ["g"],
    }
    return orjson.dumps(
        {**fields, "genres": ["g"], **({"recommendation_id": name} if name else {}), **more}
    )


def log_of(*values: bytes | None) -> ClickLog:
    log = ClickLog()
    log.add(values, MAX_BYTES)
    return log


def test_clicks_are_told_apart_by_whether_they_name_a_recommendation() -> None:
    log = log_of(
        event(10, "a"), event(20, "a", "r", action="impression"), event(30, "a", "r"),
        event(40, "a", "r", action="play"), event(50, "b"), None, b"junk",
    )  # fmt: skip
    users = users_in(log, 0, 100, NOBODY)
    assert users.organic.tolist() == [1, 1]
    assert users.recommended.tolist() == [2, 0]
    assert users.impressions.tolist() == [1, 0]


def test_a_span_takes_what_is_in_it_and_keeps_what_was_before_apart() -> None:
    log = log_of(
        event(10, "a"), event(15, "a", "r"), event(16, "a", "r", action="impression"),
        event(20, "a"), event(29, "a"), event(30, "a"),
    )  # fmt: skip
    users = users_in(log, 20, 30, NOBODY)
    assert (users.organic.tolist(), users.before.tolist()) == ([2], [2])


def test_a_user_who_only_followed_recommendations_is_compared_with_nobody() -> None:
    # Nobody held out could be there for such a reason.
    log = log_of(event(10, "a"), event(20, "b", "r"), event(21, "b", "r", action="impression"))
    assert len(users_in(log, 0, 100, NOBODY).organic) == 1


def test_users_are_held_out_as_the_hash_says() -> None:
    holdout = Holdout(0.5, 3)
    names = [f"u{number}" for number in range(50)]
    users = users_in(log_of(*(event(1, name) for name in names)), 0, 9, holdout)
    assert users.is_held_out.tolist() == [holdout.has(name) for name in names]


def test_a_card_is_shown_and_clicked_once_however_often_that_is_told() -> None:
    log = log_of(
        event(20, "a", "r", action="impression"), event(10, "a", "r", action="impression"),
        event(30, "a", "r"), event(40, "a", "r", action="like"),
    )  # fmt: skip
    assert log.impressions == {Seen("r", "s"): 10}
    assert log.clicked == {Seen("r", "s"): 30}
