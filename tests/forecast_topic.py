"""Buckets published as the forecaster does, without clicks and without a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from consumer.broker.publisher import Publisher
from consumer.broker.topics import Topics
from contracts.alerts import GenreAlert
from contracts.clock import wall_clock_ms
from contracts.forecasts import BucketRecord, GenreForecast, HorizonStep
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings

START_MS = 1_767_571_200_000
"""The first bucket: Monday, 2026-01-05 00:00 UTC."""


def make_forecast(
    settings: Settings, genre: str, number: int, *, clicks: int = 10, version: str = "lstm-1"
) -> GenreForecast:
    """A forecast from bucket `number`; step h expects 10 h clicks, from 5 h to 20 h."""
    start = START_MS + number * settings.bucket_ms
    return GenreForecast(
        genre=genre,
        bucket_start=start,
        bucket_seconds=settings.bucket_seconds,
        observed_clicks=clicks,
        model_version=version,
        kind="lstm" if version.startswith("lstm") else "baseline",
        horizon=[
            HorizonStep(
                step=step,
                start=start + step * settings.bucket_ms,
                mean=10.0 * step,
                quantiles={"0.1": 5.0 * step, "0.5": 9.0 * step, "0.9": 20.0 * step},
            )
            for step in range(1, settings.horizon + 1)
        ],
        emitted_at=wall_clock_ms(),
    )


def make_journal(forecasts: Sequence[GenreForecast]) -> BucketRecord:
    """The journal's record of a bucket."""
    first = forecasts[0]
    cells = {f.genre: [f.observed_clicks] + [0] * (MEASURE_COUNT - 1) for f in forecasts}
    return BucketRecord(
        bucket_start=first.bucket_start,
        bucket_seconds=first.bucket_seconds,
        counts=cells,
        genres_first_bucket={f.genre: START_MS for f in forecasts},
        cut={0: 1},
        replay_from={},
        model_version=first.model_version,
        emitted_at=first.emitted_at,
    )


@dataclass(slots=True)
class Published:
    """Publishes buckets one after the other, and remembers them."""

    settings: Settings
    publisher: Publisher
    forecasts: list[GenreForecast]
    next_number: int = 0

    def publish(
        self, genres: Sequence[str], buckets: int = 1, alerts: Sequence[GenreAlert] = ()
    ) -> list[GenreForecast]:
        """Publish the next buckets, each with these genres; clicks are the bucket's number."""
        made: list[GenreForecast] = []
        for _ in range(buckets):
            number = self.next_number
            bucket = [make_forecast(self.settings, g, number, clicks=number) for g in genres]
            journal = make_journal(bucket)
            self.publisher.publish(
                journal.bucket_start,
                [(f.genre, f.model_dump_json().encode()) for f in bucket],
                journal.model_dump_json().encode(),
                [(a.alert_id, a.model_dump_json().encode()) for a in alerts],
            )
            self.next_number += 1
            made += bucket
        self.forecasts += made
        return made


@contextmanager
def publishing(settings: Settings) -> Iterator[Published]:
    """Topics of their own and a forecaster's producer on them."""
    topics = Topics(settings)
    try:
        topics.make_missing(with_clicks=True)
    finally:
        topics.close()
    publisher = Publisher(settings)
    try:
        yield Published(settings, publisher, [])
    finally:
        publisher.close()
