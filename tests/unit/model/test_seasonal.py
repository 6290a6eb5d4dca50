import numpy as np

from model.seasonal import climatology, usable_lags
from model.window import Past, past_of

from .making import HOUR_MS, history_of


def past_over(clicks: np.ndarray, bucket_seconds: int = 3600, reach: int = 2016) -> Past:
    history = history_of(clicks, bucket_seconds)
    return past_of(
        history.cells,
        np.zeros(clicks.shape[1], np.int64),
        starts_ms=history.starts_ms,
        bucket_ms=history.bucket_ms,
        reach=reach,
    )


def test_yesterday_is_a_lag_of_24_hours() -> None:
    assert usable_lags(1, bucket_ms=HOUR_MS, reach=30) == ((24,), ())


def test_a_week_of_five_minutes_reaches_last_week_from_the_second_step_on() -> None:
    # 2,016 buckets are a week, and the stretch begins one bucket earlier still.
    assert usable_lags(1, bucket_ms=300_000, reach=2016)[1] == ()
    assert usable_lags(2, bucket_ms=300_000, reach=2016)[1] == (2016,)


def test_a_step_past_a_whole_day_goes_back_to_the_day_before() -> None:
    # 25 hours ahead, the same time yesterday has not come yet.
    assert usable_lags(25, bucket_ms=HOUR_MS, reach=100)[0] == (48, 72, 96, 120)


def test_climatology_of_a_daily_rhythm_is_that_rhythm() -> None:
    clicks = np.tile(np.arange(24), 4)[:, None]
    normal = climatology(past_over(clicks), 95, 96, 24)
    assert normal.mean[0, 0].tolist() == [23, *range(24)]
    assert (normal.support[0, 0, 1:] == 4).all()


def test_without_a_day_of_history_nothing_supports_it() -> None:
    normal = climatology(past_over(np.ones((23, 2), np.int64)), 22, 23, 1)
    assert not normal.support.any()
    assert not normal.mean.any()


def test_weeks_are_apart_from_days() -> None:
    clicks = np.zeros((24 * 8, 1), np.int64)
    clicks[24] = 100  # the first Tuesday, midnight
    normal = climatology(past_over(clicks), 24 * 8 - 1, 24 * 8, 1)
    # Step 1 is the second Tuesday, midnight.
    assert normal.week[0, 0, 1] == 100
    assert normal.week_support[0, 0, 1] == 1
    assert 0 < normal.mean[0, 0, 1] < 50
