import numpy as np
import pytest

from contracts.buckets import DAY_MS
from model.profile import (
    HOUR_MS,
    MONDAY_MS,
    UNKNOWN,
    Expected,
    day_means,
    expect,
    initial_profile,
    step_profile,
)


def learn(clicks: np.ndarray, bucket_ms: int, start_ms: int = MONDAY_MS) -> np.ndarray:
    """Return the profile after buckets of one genre."""
    profile = initial_profile(1)
    for row, count in enumerate(clicks):
        profile = step_profile(
            profile,
            np.array([count], np.float32),
            start_ms=start_ms + row * bucket_ms,
            bucket_ms=bucket_ms,
            seen=np.array([row], np.float32),
        )
    return profile


def expected_after(profile: np.ndarray, start_ms: int, bucket_ms: int, horizon: int) -> Expected:
    days = day_means(profile)
    starts_ms = start_ms + bucket_ms * np.arange(horizon + 1, dtype=np.int64)
    return expect(profile, days, starts_ms=starts_ms, bucket_ms=bucket_ms)


def test_a_week_of_hours_is_expected_again() -> None:
    week = np.arange(168) + 1
    last_ms = MONDAY_MS + 167 * HOUR_MS
    expected = expected_after(learn(week, HOUR_MS), last_ms, HOUR_MS, 24)
    np.testing.assert_allclose(expected.week[0, 1:], week[:24])
    assert expected.week[0, 0] == 168


def test_an_hour_never_seen_is_known_from_other_days_only() -> None:
    profile = learn(np.full(24, 7), HOUR_MS)
    expected = expected_after(profile, MONDAY_MS + 23 * HOUR_MS, HOUR_MS, 3)
    np.testing.assert_array_equal(expected.week[0, 1:], UNKNOWN)
    np.testing.assert_allclose(expected.day[0, 1:], 7)


def test_nothing_is_expected_before_an_hour_was_seen() -> None:
    expected = expected_after(learn(np.full(30, 5), 60_000), MONDAY_MS, 60_000, 5)
    np.testing.assert_array_equal(expected.week, UNKNOWN)
    np.testing.assert_array_equal(expected.day, UNKNOWN)


def test_between_the_middles_of_two_hours_lies_what_is_between() -> None:
    minutes = np.repeat([10, 20], 60)
    profile = learn(minutes, 60_000)
    a_week_on = MONDAY_MS + 7 * DAY_MS
    expected = expected_after(profile, a_week_on + 59 * 60_000, 60_000, 1)
    # 1:00:30, half an hour and a half minute after the middle of the first hour.
    assert expected.week[0, 1] == pytest.approx(10 + 10 * 30.5 / 60, rel=1e-5)


def test_the_profile_follows_a_change_over_weeks() -> None:
    profile = learn(np.repeat([10, 30], [168 * 4, 168 * 12]), HOUR_MS)
    assert profile[0, 0] == pytest.approx(30, rel=0.1)


def test_a_bucket_that_spans_hours_fills_the_one_it_begins_in() -> None:
    profile = learn(np.array([1, 2, 3, 4]), 8 * HOUR_MS)
    assert profile[0, [0, 8, 16, 24]].tolist() == [1, 2, 3, 4]
    assert profile[0, 1] == UNKNOWN
