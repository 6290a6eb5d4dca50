"""Gains into records, worked by hand: a half-life of 1 s."""

import numpy as np

from consumer.gains import Gains, Weights, add_gains, genres_in, group_gains
from contracts.settings import Settings
from state.taste_store import ENTRY, HEAD, Entries
from tests.unit.consumer.test_aggregate import LATER, A, aggregate, click

NUMBERS = {"crime": 0, "noir": 1, "comedy": 2, "war": 3}


def gains(*clicks: tuple[str, int, str], **more: object) -> Gains:
    records = [
        click(i, A + at, genres, LATER, user_id=user, **more)
        for i, (user, at, genres) in enumerate(clicks)
    ]
    return Gains.of(aggregate(*records).every, Weights.of(Settings()))


def add(held: list[tuple[int, float]], some: Gains, most: int = 16) -> dict[str, list[object]]:
    users = list(dict.fromkeys(some.users))
    grouped = group_gains(some, users, NUMBERS)
    entries: Entries = np.array(held, ENTRY)
    users, entries = add_gains(entries, grouped, half_life_ms=1_000, most=most)
    records = np.split(entries, np.flatnonzero(entries["number"] == HEAD)[1:])
    return {user: record.tolist() for user, record in zip(users, records, strict=True)}


def test_an_event_counts_in_each_of_its_genres_and_halves_until_the_latest_click() -> None:
    some = gains(("ann", 0, "crime|noir"), ("bob", 500, "crime"), ("ann", 2_000, "crime"))
    assert add([(HEAD, 0), (HEAD, 0)], some) == {
        "ann": [(HEAD, A + 2_000), (0, 1.25), (1, 0.25)],
        "bob": [(HEAD, A + 500), (0, 1.0)],
    }


def test_what_was_held_halves_until_the_latest_click() -> None:
    held = [(HEAD, A), (0, 4.0), (2, 2.0)]
    assert add(held, gains(("ann", 1_000, "crime"))) == {
        "ann": [(HEAD, A + 1_000), (0, 3.0), (2, 1.0)]
    }


def test_an_event_older_than_the_latest_click_adds_what_is_left_of_it() -> None:
    held = [(HEAD, A + 3_000), (0, 4.0)]
    assert add(held, gains(("ann", 1_000, "noir"))) == {
        "ann": [(HEAD, A + 3_000), (0, 4.0), (1, 0.25)]
    }


def test_an_event_of_long_ago_adds_nothing_that_can_be_told() -> None:
    held = [(HEAD, 10**13), (0, 4.0)]
    assert add(held, gains(("ann", 0, "noir")))["ann"] == [(HEAD, 10**13), (0, 4.0), (1, 0.0)]


def test_only_genres_of_most_affinity_are_kept_and_of_equals_those_of_lower_number() -> None:
    held = [(HEAD, A), (0, 1.0), (1, 1.0), (2, 2.0)]
    assert add(held, gains(("ann", 0, "war")), most=2) == {"ann": [(HEAD, A), (0, 1.0), (2, 2.0)]}


def test_weights_are_those_of_the_settings() -> None:
    watched = gains(("ann", 0, "crime"), action="play", watch_seconds=1_800.0)
    assert watched.weights.tolist() == [2.0 + 0.5 * 4.0]
    assert gains(("ann", 0, "crime"), action="like").weights.tolist() == [4.0]
    assert gains(("ann", 0, "crime"), action="share").weights.tolist() == [4.0]


def test_events_of_a_forgotten_user_are_left_out_up_to_that_moment() -> None:
    some = gains(("ann", 0, "crime|noir"), ("bob", 0, "noir"), ("ann", 1, "comedy"))
    numbers = {genre: NUMBERS[genre] for genre in genres_in(some)}
    grouped = group_gains(some, ["ann", "bob"], numbers).without({0: A})
    empty = np.array([(HEAD, 0), (HEAD, 0)], ENTRY)
    users, entries = add_gains(empty, grouped, half_life_ms=1_000, most=9)
    assert users == ["ann", "bob"]
    assert entries.tolist() == [(HEAD, A + 1), (2, 1.0), (HEAD, A), (1, 1.0)]


def test_a_user_of_whom_nothing_is_left_has_no_record() -> None:
    some = gains(("ann", 0, "crime"), ("bob", 0, "noir"))
    grouped = group_gains(some, ["ann", "bob"], NUMBERS).without({0: A})
    empty = np.array([(HEAD, 0), (HEAD, 0)], ENTRY)
    users, entries = add_gains(empty, grouped, half_life_ms=1_000, most=9)
    assert (users, entries.tolist()) == (["bob"], [(HEAD, A), (1, 1.0)])
