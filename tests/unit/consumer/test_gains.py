"""Gains into records, worked by hand: a half-life of 1 s."""

import numpy as np
import pytest

from consumer import gains
from consumer.events import Events
from consumer.gains import Gathered, Weights, add_gains
from consumer.genre_lists import genre_lists
from contracts.settings import Settings
from state.taste_store import ENTRY, HEAD
from tests.unit.consumer.test_aggregate import LATER, A, aggregate, click

NUMBERS = {"crime": 0, "noir": 1, "comedy": 2, "war": 3}
NOBODY = (HEAD, 0)


@pytest.fixture(params=[0, 1_000_000], ids=["sorted", "by table"], autouse=True)
def _summed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums are made in two ways: both come to the same."""
    monkeypatch.setattr(gains, "SPARSE", request.param)


def events(*clicks: tuple[str, int, str], **more: object) -> Events:
    records = [
        click(i, A + at, genres, LATER, user_id=user, **more)
        for i, (user, at, genres) in enumerate(clicks)
    ]
    return aggregate(*records).every


def gathered(*clicks: tuple[str, int, str], **more: object) -> Gathered:
    some = Gathered(genre_lists().normal)
    some.add(events(*clicks, **more), Weights.of(Settings()))
    return some


def add(
    held: list[tuple[int, float]], some: Gathered, most: int = 16, **forgotten: int
) -> dict[str, list[object]]:
    """Who has a record then, and its entries."""
    users = list(some.user_numbers)
    until_ms = {users.index(user): moment for user, moment in forgotten.items()}
    known, entries = add_gains(
        np.array(held, ENTRY),
        [part.without(until_ms) for part in some.parts],
        {at: [NUMBERS[genre] for genre in genres] for at, genres in some.lists.items()},
        half_life_ms=1_000,
        most=most,
    )
    records = np.split(entries, np.flatnonzero(entries["number"] == HEAD)[1:])
    return {users[at]: record.tolist() for at, record in zip(known, records, strict=False)}


def test_an_event_counts_in_each_of_its_genres_and_halves_until_the_latest_click() -> None:
    some = gathered(("ann", 0, "crime|noir"), ("bob", 500, "crime"), ("ann", 2_000, "crime"))
    assert add([NOBODY, NOBODY], some) == {
        "ann": [(HEAD, A + 2_000), (0, 1.25), (1, 0.25)],
        "bob": [(HEAD, A + 500), (0, 1.0)],
    }


def test_what_was_held_halves_until_the_latest_click() -> None:
    held = [(HEAD, A), (0, 4.0), (2, 2.0)]
    assert add(held, gathered(("ann", 1_000, "crime"))) == {
        "ann": [(HEAD, A + 1_000), (0, 3.0), (2, 1.0)]
    }


def test_an_event_older_than_the_latest_click_adds_what_is_left_of_it() -> None:
    held = [(HEAD, A + 3_000), (0, 4.0)]
    assert add(held, gathered(("ann", 1_000, "noir"))) == {
        "ann": [(HEAD, A + 3_000), (0, 4.0), (1, 0.25)]
    }


def test_an_event_of_long_ago_adds_nothing_that_can_be_told() -> None:
    held = [(HEAD, 10**13), (0, 4.0)]
    assert add(held, gathered(("ann", 0, "noir")))["ann"] == [(HEAD, 10**13), (0, 4.0), (1, 0.0)]


def test_only_genres_of_most_affinity_are_kept_and_of_equals_those_of_lower_number() -> None:
    held = [(HEAD, A), (0, 1.0), (1, 1.0), (2, 2.0)]
    assert add(held, gathered(("ann", 0, "war")), most=2) == {
        "ann": [(HEAD, A), (0, 1.0), (2, 2.0)]
    }


def test_a_head_stays_however_much_the_genres_weigh() -> None:
    held = [(HEAD, A), (0, 1e15), (1, 1e14)]
    assert add(held, gathered(("ann", 0, "war")), most=1) == {"ann": [(HEAD, A), (0, 1e15)]}


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({}, 1.0),
        ({"action": "play", "watch_seconds": 1_800.0}, 2.0 + 0.5 * 4.0),
        ({"action": "like"}, 4.0),
        ({"action": "share"}, 4.0),
    ],
)
def test_weights_are_those_of_the_settings(fields: dict[str, object], weight: float) -> None:
    [part] = gathered(("ann", 0, "crime"), **fields).parts
    assert part.weights.tolist() == [weight]


def test_events_are_gathered_over_polls_as_if_they_had_come_at_once() -> None:
    clicks = [("ann", 0, "crime"), ("bob", 0, "noir"), ("ann", 500, "crime|war")]
    at_once, apart = gathered(*clicks), gathered(clicks[0])
    apart.add(events(*clicks[1:]), Weights.of(Settings()))
    assert len(apart) == 3
    assert add([NOBODY, NOBODY], apart) == add([NOBODY, NOBODY], at_once)


def test_events_of_a_forgotten_user_are_left_out_up_to_that_moment() -> None:
    some = gathered(("ann", 0, "crime|noir"), ("bob", 0, "noir"), ("ann", 1, "comedy"))
    assert add([NOBODY, NOBODY], some, ann=A) == {
        "ann": [(HEAD, A + 1), (2, 1.0)],
        "bob": [(HEAD, A), (1, 1.0)],
    }


def test_a_user_of_whom_nothing_is_left_has_no_record() -> None:
    some = gathered(("ann", 0, "crime"), ("bob", 0, "noir"))
    assert add([NOBODY, NOBODY], some, ann=A) == {"bob": [(HEAD, A), (1, 1.0)]}
    assert add([NOBODY, NOBODY], some, ann=A, bob=A) == {}
