"""One forecast as it was published, found again on its topic."""

from typing import Final

from pydantic import ValidationError

from consumer.broker.journal import Journal
from consumer.broker.topic_log import TopicLog
from contracts.forecasts import BucketRecord, GenreForecast
from contracts.settings import Settings

CLOCK_SLACK_MS: Final = 60_000
"""How far the clocks of the forecaster and of the broker may be apart, ms."""

NAMED_GENRES: Final = 20
"""Genres that a message names, at most."""


class NotPublishedError(Exception):
    """There is no such forecast; the message says why."""


def find_published(settings: Settings, genre: str, at_ms: int | None) -> GenreForecast:
    """Return a genre's newest forecast, or that of the bucket that contains a moment.

    Raises:
        NotPublishedError: There is none, or it is no longer kept.
        BrokerUnavailableError, BrokerRefusedError: A topic can't be read.
        InvariantError: The journal is not one of this deployment.
    """
    record = _record(settings, at_ms)
    if genre not in record.counts:
        known = sorted(record.counts)
        more = f" and {len(known) - NAMED_GENRES} more" if len(known) > NAMED_GENRES else ""
        raise NotPublishedError(
            f"genre {genre!r} is not known in that bucket; there are: "
            f"{', '.join(known[:NAMED_GENRES])}{more}"
        )
    with TopicLog(settings, settings.topic_forecasts) as log:
        # Records lie on the topic by when they were published, not by their bucket.
        begins = log.offsets_at(max(0, record.emitted_at - CLOCK_SLACK_MS))
        for stretch in log.read(begins):
            for one in stretch.records:
                if one.key != genre.encode():
                    continue
                forecast = _forecast(one.value)
                if forecast is not None and forecast.bucket_start == record.bucket_start:
                    return forecast
    raise NotPublishedError(f"topic {settings.topic_forecasts} no longer keeps that forecast")


def _record(settings: Settings, at_ms: int | None) -> BucketRecord:
    """Return the journal's record of a bucket."""
    journal = Journal(settings)
    if at_ms is None:
        tail = journal.read_tail()
        if tail is None:
            raise NotPublishedError("nothing has been published yet")
        return tail
    start = at_ms // settings.bucket_ms * settings.bucket_ms
    kept = journal.read_back(settings.window_buckets)
    for record in reversed(kept):
        if record.bucket_start == start:
            return record
    if not kept:
        raise NotPublishedError("nothing has been published yet")
    raise NotPublishedError("the window has no published bucket that contains that moment")


def _forecast(value: bytes | None) -> GenreForecast | None:
    try:
        return GenreForecast.model_validate_json(value or b"")
    except ValidationError:
        return None  # somebody else's record
