"""`verify`: the clicks log counted again from Kafka alone, held against all that was published."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from consumer.broker.journal import Journal
from consumer.broker.topic_log import OnProgress, TopicLog
from consumer.dead_letters.ledger import read_ledger
from consumer.recount import aggregate_log, without_replayed
from consumer.verification import (
    Differences,
    ForecastCheck,
    Ledger,
    Position,
    Recounted,
    compare_counts,
    compare_places,
    open_ledger,
)
from contracts.settings import Settings

Progress = Callable[[str], OnProgress]
"""Names what is read next; what it returns is told how far that is."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at and what does not agree.

    Attributes:
        buckets: Published buckets held against the log; `from_ms`, `to_ms`: first and last start.
        events: Events counted in them; `late`, `dead_letters`: records that belong there.
        impressions: Events that count in no genre, so far as every record has its place.
        forecasts: Forecasts held against the journal.
        difference_count: How much does not agree; `differences`: the first of it in words.
    """

    buckets: int
    from_ms: int | None
    to_ms: int | None
    events: int
    late: int
    dead_letters: int
    impressions: int
    forecasts: int
    difference_count: int
    differences: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether all agrees."""
        return self.difference_count == 0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"is_exact": self.is_exact, **asdict(self)}


def verify(settings: Settings, since_ms: int | None, progress: Progress) -> Verification:
    """Count the log again and compare; reads Kafka only, never Redis.

    Args:
        settings: The deployment, with the settings that its consumers have.
        since_ms: Look at no bucket that begins before, epoch ms.
        progress: Told what is read and how far it is.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: A topic can't be read.
        InvariantError: The journal is not one of this deployment.
    """
    differences = Differences()
    with TopicLog(settings, settings.topic_clicks, by_batch=True) as clicks:
        journal = Journal(settings).read_all(progress("journal"))
        ledger = open_ledger(journal, clicks.begins, since_ms, differences)
        recounted = Recounted(ledger)
        if ledger.buckets:
            replayed = read_ledger(settings, progress("replayed")).of(settings.topic_clicks)
            recounted.set_aside(replayed)
            log = without_replayed(clicks.read(_offsets(ledger), progress("clicks")), replayed)
            for partition, aggregate in aggregate_log(log, settings, _watermarks(ledger)):
                recounted.fold(partition, aggregate)
    compare_counts(recounted, differences)
    for topic, wanted in (
        (settings.topic_late, recounted.late),
        (settings.topic_dead_letter, recounted.dead_letters),
    ):
        found = _places(settings, topic, recounted, progress(topic))
        compare_places(topic, wanted, found, differences)
    forecasts = _check_forecasts(settings, ledger, differences, progress("forecasts"))
    return Verification(
        buckets=len(ledger.buckets),
        from_ms=min(ledger.buckets, default=None),
        to_ms=max(ledger.buckets, default=None),
        events=recounted.events,
        late=len(recounted.late),
        dead_letters=len(recounted.dead_letters),
        impressions=recounted.impressions,
        forecasts=forecasts,
        difference_count=differences.count,
        differences=tuple(differences.shown),
    )


def _offsets(ledger: Ledger) -> dict[int, int]:
    return {p: point.offset for p, point in ledger.begins.items()}


def _watermarks(ledger: Ledger) -> dict[int, int | None]:
    return {p: point.watermark for p, point in ledger.begins.items()}


def _places(
    settings: Settings, topic: str, recounted: Recounted, on_progress: OnProgress
) -> set[Position]:
    """Return the records of `clicks` on a side topic, of those that were counted again."""
    found: set[Position] = set()
    ledger = recounted.ledger
    if not ledger.buckets:
        return found
    begins = _offsets(ledger)
    for headers in _headers(settings, topic, on_progress):
        if headers.get("genrecast-topic") != settings.topic_clicks.encode():
            continue
        at = Position(int(headers["genrecast-partition"]), int(headers["genrecast-offset"]))
        if begins.get(at.partition, 0) <= at.offset < ledger.reached(at.partition):
            found.add(at)
    return found


def _headers(
    settings: Settings, topic: str, on_progress: OnProgress
) -> Iterator[Mapping[str, bytes]]:
    with TopicLog(settings, topic) as log:
        for stretch in log.read(on_progress=on_progress):
            for record in stretch.records:
                yield dict(record.headers)


def _check_forecasts(
    settings: Settings, ledger: Ledger, differences: Differences, on_progress: OnProgress
) -> int:
    check = ForecastCheck(ledger, differences)
    if ledger.buckets:
        with TopicLog(settings, settings.topic_forecasts) as log:
            for stretch in log.read(on_progress=on_progress):
                for record in stretch.records:
                    forecast = orjson.loads(record.value)
                    genre, bucket = forecast["genre"], forecast["bucket_start"]
                    check.add(genre, bucket, forecast["observed_clicks"])
            check.finish(is_whole=not any(log.begins.values()))
    return check.seen
