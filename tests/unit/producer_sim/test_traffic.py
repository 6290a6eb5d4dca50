import json
from collections import Counter

import numpy as np
import pytest

from contracts.buckets import DAY_MS
from contracts.events import ClickEvent
from producer_sim.genres import BUILT_IN, GenreProfile, shares
from producer_sim.traffic import start_for
from producer_sim.wire import Renderer
from tests.unit.producer_sim.making import HOUR_MS, MONDAY_MS, NOW_MS, concatenate, make_traffic


def test_same_seed_makes_the_same_bytes() -> None:
    one, two = make_traffic(seed=7), make_traffic(seed=7)
    renders = [Renderer(traffic, 7).render(traffic.slice(3)) for traffic in (one, two)]
    assert renders[0] == renders[1]
    assert len(renders[0]) > 100


def test_another_seed_makes_other_bytes() -> None:
    one, two = make_traffic(seed=7), make_traffic(seed=8)
    assert Renderer(one, 7).render(one.slice(3)) != Renderer(two, 8).render(two.slice(3))


def test_a_slice_does_not_depend_on_slices_before_it() -> None:
    walked = make_traffic()
    for index in range(5):
        walked.slice(index)
    np.testing.assert_array_equal(walked.slice(5).event_ms, make_traffic().slice(5).event_ms)


def test_every_event_is_a_valid_click_with_the_fields_that_were_drawn() -> None:
    traffic = make_traffic(start_ms=MONDAY_MS + 20 * HOUR_MS)
    clicks = traffic.slice(0)
    events = [
        ClickEvent.model_validate_json(value) for value in Renderer(traffic, 1).render(clicks)
    ]
    assert [event.event_time for event in events] == clicks.event_ms.tolist()
    lists = traffic.shows.genre_lists
    assert [tuple(event.genres) for event in events] == [
        lists[number] for number in traffic.shows.genre_list[clicks.show]
    ]
    assert [event.user_id.encode() for event in events] == [
        traffic.users.keys[user] for user in clicks.user
    ]
    assert {event.action for event in events} == {"click", "like", "share", "play"}
    assert all((event.watch_seconds is not None) == (event.action == "play") for event in events)
    assert 0 < sum(event.age is None for event in events) < len(events) / 2
    assert 0 < sum(event.gender is None for event in events) < len(events) / 2


def test_event_ids_differ_within_a_run_and_between_runs() -> None:
    ids: set[str] = set()
    for start_ms in (MONDAY_MS, MONDAY_MS + 1):
        traffic = make_traffic(start_ms=start_ms)
        renderer = Renderer(traffic, 1)
        for index in range(3):
            values = renderer.render(traffic.slice(index))
            fresh = {json.loads(value)["event_id"] for value in values}
            assert len(fresh) == len(values)
            assert not fresh & ids
            ids |= fresh


def test_events_lie_in_their_slice_in_time_order() -> None:
    for slice_ms in (100, 60_000, 600_000):
        traffic = make_traffic(slice_ms=slice_ms, events_per_second=500)
        times = traffic.slice(4).event_ms
        assert (np.diff(times) >= 0).all()
        assert MONDAY_MS + 4 * slice_ms <= times.min() <= times.max() < MONDAY_MS + 5 * slice_ms


def test_genres_have_about_their_share_and_shows_one_to_three_genres() -> None:
    calm = tuple(genre.model_copy(update={"premieres_per_week": 0.0}) for genre in BUILT_IN)
    traffic = make_traffic(genres=calm, slice_ms=DAY_MS, events_per_second=5)
    clicks = concatenate([traffic.slice(day) for day in range(7)])
    names = json.loads(b"[%b]" % b",".join(b"{%b}" % piece for piece in traffic.shows.pieces))
    firsts = Counter(names[show]["genres"][0] for show in clicks.show.tolist())
    for genre, share in zip(calm, shares(calm), strict=True):
        assert firsts[genre.name] / len(clicks) == pytest.approx(share, rel=0.3)
    assert {len(show["genres"]) for show in names} == {1, 2, 3}


def test_counts_vary_more_than_poisson_by_the_noise_asked_for() -> None:
    def dispersion(noise: float) -> float:
        genre = GenreProfile(name="a", noise=noise, premieres_per_week=0, peak_height=0)
        traffic = make_traffic(genres=(genre,), events_per_second=20)
        counts = np.array([len(traffic.slice(minute)) for minute in range(12 * 60, 18 * 60)])
        # Differences: the hour's rhythm is no noise.
        return float((np.diff(counts) ** 2).mean() / 2 / counts.mean())

    assert dispersion(0.0) < 2
    assert dispersion(0.05) > 10


def test_users_click_what_they_like() -> None:
    traffic = make_traffic(slice_ms=HOUR_MS)
    clicks = traffic.slice(20)
    lists, numbers = traffic.shows.genre_lists, traffic.shows.genre_list
    per_user: dict[int, list[str]] = {}
    for user, show in zip(clicks.user.tolist(), clicks.show.tolist(), strict=True):
        per_user.setdefault(user, []).append(lists[numbers[show]][0])
    busy = [Counter(genres).most_common(1)[0][1] / len(genres) for genres in per_user.values()
            if len(genres) >= 20]  # fmt: skip
    assert len(busy) > 50
    # By chance alone the largest genre would have a quarter.
    assert np.median(busy) > 0.5


def test_a_run_without_start_ends_before_now() -> None:
    start_ms = start_for(BUILT_IN, seed=2, events=50_000, events_per_second=200, end_ms=NOW_MS)
    traffic = make_traffic(seed=2, start_ms=start_ms, events_per_second=200, slice_ms=10_000)
    left, index = 50_000, 0
    while left > 0:
        left -= len(traffic.slice(index))
        index += 1
    end_ms = start_ms + index * traffic.slice_ms
    assert NOW_MS - HOUR_MS < end_ms <= NOW_MS
