"""Buckets for tests, without a topic."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from contracts.alerts import GenreAlert, Kind, State
from contracts.forecasts import BucketRecord, GenreForecast
from feed.assembly import Assembly, Bucket
from feed.serve.kept import GenreRows, KeptBucket, keep
from feed.serve.service import Service
from feed.serve.settings import ServeSettings
from tests.forecast_topic import START_MS, make_forecast, make_journal


class Content(TypedDict, total=False):
    """What all genres of a bucket have."""

    clicks: int
    version: str


SETTINGS = ServeSettings(bucket_seconds=60, horizon=3)
MINUTE = SETTINGS.bucket_ms


def at(number: int) -> int:
    """Where bucket `number` begins."""
    return START_MS + number * MINUTE


def parts(
    number: int,
    genres: Sequence[str] = ("crime", "noir"),
    clicks: int = 10,
    version: str = "lstm-1",
) -> tuple[list[GenreForecast], BucketRecord]:
    """A bucket as it is on the two topics."""
    forecasts = [
        make_forecast(SETTINGS, genre, number, clicks=clicks, version=version) for genre in genres
    ]
    return forecasts, make_journal(forecasts)


def message(forecast: GenreForecast) -> bytes:
    return forecast.model_dump_json().encode()


def bucket(number: int, genres: Sequence[str] = ("crime", "noir"), **of: Unpack[Content]) -> Bucket:
    forecasts, journal = parts(number, genres, **of)
    assembly = Assembly()
    for forecast in forecasts:
        assembly.add_forecast(forecast, message(forecast))
    assembly.add_journal(journal)
    return assembly.take_whole()[0]


def kept(
    number: int, genres: Sequence[str] = ("crime", "noir"), **of: Unpack[Content]
) -> KeptBucket:
    return keep(bucket(number, genres, **of), GenreRows(tuple(genres)))


def alert(
    number: int, state: State, *, genre: str = "crime", kind: Kind = "outside-interval"
) -> GenreAlert:
    """An alert that bucket `number` raised or cleared; all of a genre and kind are one."""
    return GenreAlert(
        alert_id=f"{kind}-{genre}",
        kind=kind,
        state=state,
        side="above",
        genre=genre,
        bucket_start=at(number),
        bucket_seconds=SETTINGS.bucket_seconds,
        raised_at=at(number),
        value=30,
        value_start=at(number),
        reason="30 clicks where 5 to 20 were forecast",
        emitted_at=at(number + 1),
    )


def service(*numbers: int, **options: object) -> Service:
    """A service that has read these buckets."""
    made = Service(SETTINGS.model_copy(update=options), lambda: at(0))
    for number in numbers:
        made.add(kept(number))
    made.filled()
    return made
