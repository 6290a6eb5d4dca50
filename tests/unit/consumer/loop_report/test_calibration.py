"""Forecasts against what came, worked by hand: buckets of 60 s, intervals of 8 to 12."""

import math

from consumer.loop_report.calibration import Calibration
from contracts.forecasts import GenreForecast, HorizonStep

MINUTE = 60_000


def forecast(bucket: int, observed: int, steps: int = 2, kind: str = "lstm") -> GenreForecast:
    quantiles = {"0.1": 8.0, "0.5": 10.0, "0.9": 12.0}
    return GenreForecast.model_validate(
        {
            "genre": "crime", "bucket_start": bucket * MINUTE, "bucket_seconds": 60,
            "observed_clicks": observed, "model_version": "m", "kind": kind, "emitted_at": 0,
            "horizon": [
                HorizonStep(
                    step=step, start=(bucket + step) * MINUTE, mean=10.0, quantiles=quantiles
                )
                for step in range(1, steps + 1)
            ],
        }
    )  # fmt: skip


def test_counts_are_below_inside_or_above_the_interval() -> None:
    calibration = Calibration(begins_ms=0, until_ms=10**12)
    for bucket, observed in enumerate((5, 8, 12, 13, 7)):
        calibration.add(forecast(bucket, observed, steps=1))
    (scores,) = calibration.scores.values()
    assert (scores.points, scores.inside, scores.below) == (4, 2, 1)
    assert (scores.coverage, scores.above) == (0.5, 0.25)
    # The median misses 2, 2, 3 and 3; the last count 3, 4, 1 and 6.
    assert (scores.error, scores.naive_error) == (10, 14)
    assert scores.skill == 1 - 10 / 14
    # 13: of 8 at 0.1 it is 0.5, of 10 at 0.5 it is 1.5, of 12 at 0.9 it is 0.9. And so on.
    by_hand = [(0 + 1 + 0.4), (0.4 + 1 + 0), (0.5 + 1.5 + 0.9), (0.9 + 1.5 + 0.5)]
    assert math.isclose(scores.pinball, sum(by_hand) / 3)
    assert math.isclose(scores.wql, 2 * scores.pinball / 40)


def test_a_forecast_counts_where_its_bucket_is_whenever_it_was_made() -> None:
    calibration = Calibration(begins_ms=2 * MINUTE, until_ms=4 * MINUTE)
    for bucket in range(6):
        calibration.add(forecast(bucket, 10, kind="lstm" if bucket else "baseline"))
    points = {key: scores.points for key, scores in calibration.scores.items()}
    # Bucket 1 is forecast from 0; bucket 2 from 0 and 1; bucket 3 from 1 and 2; 4 is too late.
    assert points == {("before", "baseline"): 1, ("with", "baseline"): 1, ("with", "lstm"): 3}


def test_what_came_a_day_before_is_what_seasonal_naive_says() -> None:
    day = 24 * 60
    calibration = Calibration(begins_ms=0, until_ms=10**12)
    for bucket in range(day + 2):
        calibration.add(forecast(bucket, 100 if bucket == 1 else 10, steps=1))
    (scores,) = calibration.scores.values()
    # On the first day the last value is taken: it misses bucket 1 and the one after it. A day on,
    # bucket 1 of the second day is taken to be as that of the first.
    assert scores.naive_error == 90 + 90 + 90


def test_buckets_that_a_reset_left_out_are_not_scored() -> None:
    calibration = Calibration(begins_ms=0, until_ms=10**12)
    calibration.add(forecast(0, 10))
    calibration.add(forecast(50, 10))
    assert not calibration.scores
