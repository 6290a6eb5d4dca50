"""Holidays: days that are like Sundays."""

import numpy as np

from contracts.buckets import DAY_MS
from contracts.settings import Settings
from model.backtest import BacktestPlan, backtest
from model.calendar import CALENDAR, Calendar, calendar_waves
from model.features import STEP_FEATURES, build_features, build_step_features
from model.registry import load_forecaster
from model.scales import LEVEL_COUNT, initial_scales, observe
from model.window import past_of

from .making import HOUR_MS, MONDAY_MS, history_of

THURSDAY_MS = MONDAY_MS + 3 * DAY_MS
HOLIDAY = Calendar((THURSDAY_MS,))
KOREA_MS = 9 * HOUR_MS


def weekday(ms: int) -> int:
    return (ms - MONDAY_MS) // DAY_MS % 7


def like(calendar: Calendar, *moments_ms: int) -> list[int]:
    return [int(ms) for ms in calendar.like_ms(np.array(moments_ms, np.int64))]


def test_a_holiday_is_a_sunday_from_its_first_to_its_last_moment() -> None:
    first, last = THURSDAY_MS, THURSDAY_MS + DAY_MS - 1
    assert [weekday(ms) for ms in like(HOLIDAY, first - 1, first, last, last + 1)] == [2, 6, 6, 4]


def test_the_time_of_day_stays() -> None:
    at = THURSDAY_MS + 20 * HOUR_MS
    assert like(HOLIDAY, at)[0] % DAY_MS == at % DAY_MS


def test_a_day_of_another_time_zone_is_moved_as_a_whole() -> None:
    """Thursday in Korea begins on Wednesday, 15:00 UTC, as Sunday there does on Saturday."""
    begin = THURSDAY_MS - KOREA_MS
    moved = like(Calendar((begin,)), begin, begin + DAY_MS - HOUR_MS)
    assert [(ms - (begin + i * (DAY_MS - HOUR_MS))) for i, ms in enumerate(moved)] == 2 * [
        3 * DAY_MS
    ]


def test_the_network_sees_a_sunday_ahead() -> None:
    history = history_of(np.full((24 * 3, 1), 5))
    shown = []
    for calendar in (Calendar(), HOLIDAY):
        past = past_of(
            history.cells, history.first_row, starts_ms=history.starts_ms,
            bucket_ms=HOUR_MS, reach=500, calendar=calendar,
        )  # fmt: skip
        row = len(history.starts_ms) - 1
        observed = observe(past, row, row + 1, scales=initial_scales(1), horizon=24)
        build_features(past, row, row + 1, observed)
        shown.append(build_step_features(past, row, row + 1, observed)[0, 0])
    waves = slice(STEP_FEATURES.index(CALENDAR[0]), None)
    sunday_ms = MONDAY_MS + 6 * DAY_MS + HOUR_MS * np.arange(24)
    np.testing.assert_allclose(shown[1][:, waves], calendar_waves(sunday_ms), atol=1e-6)
    assert np.abs(shown[1][:, waves] - shown[0][:, waves]).max() > 0.5


def test_what_a_holiday_brings_is_learnt_as_a_sundays() -> None:
    clicks = np.full((24 * 4, 1), 10)
    clicks[24 * 3 :] = 99
    profiles = []
    for calendar in (Calendar(), HOLIDAY):
        history = history_of(clicks).with_holidays(calendar.holidays_ms)
        past = past_of(
            history.cells, history.first_row, starts_ms=history.starts_ms,
            bucket_ms=HOUR_MS, reach=500, calendar=history.calendar,
        )  # fmt: skip
        observed = observe(past, 0, len(clicks), scales=initial_scales(1), horizon=1)
        profiles.append(observed.last[0, LEVEL_COUNT : LEVEL_COUNT + 168].reshape(7, 24)[:, 12])
    plain, holiday = profiles
    assert (plain[3] > 10, plain[6]) == (True, -1.0)
    assert (holiday[3], holiday[6] > 10) == (-1.0, True)


def test_the_shipped_model_expects_a_sunday_on_a_holiday() -> None:
    rng = np.random.default_rng(3)
    week = np.repeat([50, 50, 50, 50, 50, 50, 5], 24)
    clicks = rng.poisson(np.tile(week, 6))[:, None]
    holiday = 24 * (7 * 5 + 2)
    clicks[holiday : holiday + 24] = rng.poisson(5, (24, 1))
    history = history_of(clicks)
    marked = history.with_holidays((int(history.starts_ms[holiday]),))
    forecaster, _ = load_forecaster(Settings(bucket_seconds=3600, horizon=24))
    plan = BacktestPlan(0, rows=(holiday - 1,))
    plain, aware = (backtest(each, forecaster, plan).model.wql for each in (history, marked))
    assert aware < 0.5 * plain
