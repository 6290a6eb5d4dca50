import numpy as np
import pytest

from producer_sim.load.profiles import (
    PROFILES,
    Profile,
    constant,
    make_profile,
    ramp,
    recorded,
    recorded_times,
    spike,
    step,
)


def due(profile: Profile) -> np.ndarray:
    return profile.due_s(np.arange(profile.events, dtype=np.int64))


@pytest.mark.parametrize(
    ("profile", "events"),
    [
        (constant(100, 10), 1_000),
        (ramp(0, 100, 10), 500),
        (ramp(100, 0, 10), 500),
        (step(100, 500, 10), 3_000),  # 2 s each of 100, 200, 300, 400, 500
        (spike(100, 1_100, 10), 2_000),  # 9 s of 100, 1 s of 1,100
        (recorded(100, 10, [0, 1, 2, 3, 1_000]), 1_000),
    ],
)
def test_profile_integrates_to_the_events_it_plans(profile: Profile, events: int) -> None:
    assert profile.events == events
    times = due(profile)
    assert len(times) == events
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 0
    assert times[-1] <= profile.seconds


@pytest.mark.parametrize("name", PROFILES)
def test_events_due_by_any_time_are_the_integral_until_then(name: str) -> None:
    profile = make_profile(name, rate=500, to=None, seconds=8)
    times = due(profile)
    for at in np.linspace(0, 8, 37):
        assert abs((times < at).sum() - profile.events_until(at)) <= 1


def test_constant_events_are_evenly_apart_in_the_middle_of_their_turns() -> None:
    np.testing.assert_allclose(due(constant(4, 1)), [0.125, 0.375, 0.625, 0.875])


def test_ramp_worked_by_hand() -> None:
    # 8 t events a second: 4 t² until t; the event in the middle of turn k is due at sqrt((k+.5)/4).
    np.testing.assert_allclose(due(ramp(0, 8, 1)), np.sqrt((np.arange(4) + 0.5) / 4))


def test_no_event_is_due_where_the_rate_is_0() -> None:
    profile = Profile(np.array([0.0, 1, 1, 2, 2, 3]), np.array([10.0, 10, 0, 0, 10, 10]))
    times = due(profile)
    assert len(times) == 20
    assert not ((times > 1) & (times < 2)).any()


def test_processes_share_the_events_without_overlap() -> None:
    profile = ramp(10, 1_000, 5)
    parts = [profile.due_s(np.arange(n, profile.events, 3, dtype=np.int64)) for n in range(3)]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), due(profile))


def test_recorded_rhythm_has_quiet_and_busy_times() -> None:
    profile = recorded(1_000, 60, recorded_times())
    assert profile.events == pytest.approx(60_000, abs=1)
    assert profile.rates.max() > 1.5 * 1_000 > 2 * profile.rates.min()
