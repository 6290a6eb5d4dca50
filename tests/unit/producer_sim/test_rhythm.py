import numpy as np
import pytest

from contracts.buckets import DAY_MS
from producer_sim.genres import BUILT_IN, GenreProfile, shares
from producer_sim.rhythm import EPOCH_TO_MONDAY_MS, WEEK_MS, Rhythm
from tests.unit.producer_sim.making import HOUR_MS, MONDAY_MS

WEDNESDAY_MS = MONDAY_MS + 2 * DAY_MS
SATURDAY_MS = MONDAY_MS + 5 * DAY_MS


def week_of(at_ms: int) -> int:
    return (at_ms - EPOCH_TO_MONDAY_MS) // WEEK_MS


def test_evening_is_busier_than_morning_and_morning_than_night_in_every_genre() -> None:
    rhythm = Rhythm(BUILT_IN, seed=3)
    night, morning = (rhythm.calm_rates(WEDNESDAY_MS + hour * HOUR_MS) for hour in (4, 9))
    for index, genre in enumerate(BUILT_IN):
        evening = rhythm.calm_rates(WEDNESDAY_MS + round(genre.peak_hour * HOUR_MS))
        assert evening[index] > 2 * morning[index] > 2 * night[index]


def test_rates_of_an_average_week_sum_to_one_by_share() -> None:
    rhythm = Rhythm(BUILT_IN, seed=3)
    hours = np.stack([rhythm.calm_rates(MONDAY_MS + h * HOUR_MS // 2) for h in range(336)])
    # The trend moves each genre by a fifth at most.
    np.testing.assert_allclose(hours.mean(axis=0), shares(BUILT_IN), rtol=0.25)


def test_weekend_factor_is_the_ratio_of_saturday_to_wednesday() -> None:
    genres = (GenreProfile(name="a", weekend_factor=1.7), GenreProfile(name="b", weekend_factor=1))
    rhythm = Rhythm(genres, seed=0)
    ratio = rhythm.calm_rates(SATURDAY_MS + HOUR_MS) / rhythm.calm_rates(WEDNESDAY_MS + HOUR_MS)
    np.testing.assert_allclose(ratio, [1.7, 1.0], rtol=0.03)


def test_shares_follow_zipf_where_none_are_given() -> None:
    genres = tuple(GenreProfile(name=f"g{rank}") for rank in range(12))
    parts = shares(genres)
    assert sum(parts) == pytest.approx(1.0)
    assert parts[0] / parts[3] == pytest.approx(4**0.9)
    assert parts[2] / parts[11] == pytest.approx(4**0.9)


def test_premiere_jumps_at_its_time_and_decays() -> None:
    rhythm = Rhythm((GenreProfile(name="a", premieres_per_week=1),), seed=5)
    week = week_of(MONDAY_MS)
    premiere = rhythm.premieres(week)
    at_ms, decay_ms = int(premiere.at_ms[0]), float(premiere.decay_ms[0])
    before = rhythm.premiere_boost(at_ms - 1)[0]
    start = rhythm.premiere_boost(at_ms)[0]
    later = rhythm.premiere_boost(at_ms + round(decay_ms))[0]
    assert start - before == pytest.approx(premiere.height[0], rel=1e-3)
    assert start > 1
    assert later / start == pytest.approx(np.exp(-1), rel=0.01)


def test_no_premiere_without_a_chance_of_one() -> None:
    rhythm = Rhythm((GenreProfile(name="a", premieres_per_week=0),), seed=5)
    assert all(rhythm.premiere_boost(MONDAY_MS + h * HOUR_MS)[0] == 0 for h in range(168))


def test_rates_do_not_depend_on_what_was_asked_before() -> None:
    times = np.array([MONDAY_MS + h * HOUR_MS for h in range(0, 24 * 90, 7)], np.int64)
    forward, _ = Rhythm(BUILT_IN, seed=9).rates(times)
    backward, _ = Rhythm(BUILT_IN, seed=9).rates(times[::-1])
    np.testing.assert_array_equal(forward, backward[::-1])
