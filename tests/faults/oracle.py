"""What must hold after any faults: every record in one place, every bucket published once.

The expectation is made from the clicks log alone, by the contract's own functions, record by
record; where the simulator wrote the log, its report must agree.
"""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from contracts.buckets import bucket_start, is_late
from contracts.events import IMPRESSION, ClickEvent
from contracts.forecasts import BucketRecord, GenreForecast
from contracts.settings import Settings
from contracts.shares import GenreShare
from state.store import Progress

Identity = tuple[int, int]
"""Partition and offset of a record of the clicks topic."""

Cells = dict[tuple[int, str], int]
"""Clicks by bucket start (epoch ms) and genre."""


class LogRecord(Protocol):
    """What is read of a record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a deployment left behind, as a `read_committed` subscriber sees it."""

    settings: Settings
    clicks: list[LogRecord]
    forecasts: list[GenreForecast]
    journal: list[BucketRecord]
    late: list[LogRecord]
    dead_letters: list[LogRecord]
    progress: Progress


@dataclass(slots=True)
class Expected:
    """Where the rules put every record of the log."""

    valid: dict[Identity, ClickEvent]
    invalid: set[Identity]
    late: set[Identity]


def read_outcome(settings: Settings, progress: Progress) -> Outcome:
    """Read all five topics to their ends."""
    held = _read_topics(settings)
    return Outcome(
        settings=settings,
        clicks=held[settings.topic_clicks],
        forecasts=[
            GenreForecast.model_validate_json(record.value or b"")
            for record in held[settings.topic_forecasts]
        ],
        journal=[
            BucketRecord.model_validate_json(record.value or b"")
            for record in held[settings.topic_buckets]
        ],
        late=held[settings.topic_late],
        dead_letters=held[settings.topic_dead_letter],
        progress=progress,
    )


def _read_topics(settings: Settings) -> dict[str, list[LogRecord]]:
    topics = (
        settings.topic_clicks, settings.topic_forecasts, settings.topic_buckets,
        settings.topic_late, settings.topic_dead_letter,
    )  # fmt: skip
    held: dict[str, list[LogRecord]] = {topic: [] for topic in topics}
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_poll_records=20_000,
    )
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for partition, records in consumer.poll(timeout_ms=500).items():
                held[partition.topic] += records
    finally:
        consumer.close()
    for records in held.values():
        records.sort(key=lambda record: (record.partition, record.offset))
    return held


def expect(clicks: Sequence[LogRecord], settings: Settings) -> Expected:
    """Apply the rules to a log in (partition, offset) order."""
    expected = Expected({}, set(), set())
    watermarks: dict[int, int] = {}
    for record in clicks:
        identity = (record.partition, record.offset)
        event = _event(record, settings)
        if event is None:
            expected.invalid.add(identity)
            continue
        expected.valid[identity] = event
        before = watermarks.get(record.partition)
        if _own_genres(event, settings) and is_late(event.event_time, before, settings.bucket_ms):
            expected.late.add(identity)
        reached = min(event.event_time, record.timestamp) - settings.max_out_of_orderness_ms
        watermarks[record.partition] = reached if before is None else max(reached, before)
    return expected


def _own_genres(event: ClickEvent, settings: Settings) -> tuple[str, ...]:
    genres = tuple(event.genres)
    return genres if settings.genre_share is None else GenreShare(settings.genre_share).of(genres)


def _event(record: LogRecord, settings: Settings) -> ClickEvent | None:
    if record.value is None or len(record.value) > settings.max_event_bytes:
        return None
    try:
        event = ClickEvent.model_validate(orjson.loads(record.value))
    except (orjson.JSONDecodeError, ValidationError):
        return None
    is_ahead = event.event_time > record.timestamp + settings.max_future_skew_ms
    return None if is_ahead else event


def assert_exact(
    outcome: Outcome, report: Mapping[str, Any] | None = None, *, was_idle: bool = False
) -> None:
    """Hold an outcome against the log, and against the simulator's report of it.

    Args:
        outcome: After everything was read, closed and published.
        report: The simulator's truth, when it alone wrote the log.
        was_idle: Whether a partition was idle meanwhile: records that came for buckets closed
            without them are late beyond what the log alone says.
    """
    expected = expect(outcome.clicks, outcome.settings)
    late = _identities(outcome.late, outcome)
    assert _identities(outcome.dead_letters, outcome) == expected.invalid
    if was_idle:
        assert expected.late <= late <= expected.valid.keys()
    else:
        assert late == expected.late
    published = _assert_counts(outcome, expected, late)
    _assert_order(outcome)
    _assert_journal_agrees(outcome)
    _assert_everything_was_read(outcome)
    if report is not None:
        _assert_report_agrees(report, published, outcome)


def _identities(records: Sequence[LogRecord], outcome: Outcome) -> set[Identity]:
    """Return who the records of a side topic are; each is the original, byte for byte."""
    originals = {(record.partition, record.offset): record.value for record in outcome.clicks}
    found = set()
    for record in records:
        headers = dict(record.headers)
        assert headers["genrecast-topic"].decode() == outcome.settings.topic_clicks
        identity = (int(headers["genrecast-partition"]), int(headers["genrecast-offset"]))
        assert record.value == originals[identity], identity
        found.add(identity)
    return found


def _assert_counts(outcome: Outcome, expected: Expected, late: set[Identity]) -> Cells:
    counted: Cells = collections.Counter()
    for identity, event in expected.valid.items():
        if identity not in late and event.action != IMPRESSION:
            start = bucket_start(event.event_time, outcome.settings.bucket_ms)
            for genre in _own_genres(event, outcome.settings):
                counted[start, genre] += 1
    published: Cells = collections.Counter()
    for forecast in outcome.forecasts:
        published[forecast.bucket_start, forecast.genre] += forecast.observed_clicks
    published = {cell: count for cell, count in published.items() if count}
    wrong = {
        cell: {"published": published.get(cell, 0), "true": counted.get(cell, 0)}
        for cell in published.keys() | counted.keys()
        if published.get(cell, 0) != counted.get(cell, 0)
    }
    assert not wrong, f"{len(wrong)} counts differ, such as {dict(sorted(wrong.items())[:5])}"
    return published


def _assert_order(outcome: Outcome) -> None:
    """Buckets follow one another; each genre has them all from its first click on, once."""
    bucket_ms, starts = outcome.settings.bucket_ms, [r.bucket_start for r in outcome.journal]
    assert starts == sorted(set(starts)), "the journal's buckets are not in order, each once"
    for before, record in zip(outcome.journal, outcome.journal[1:], strict=False):
        is_next = record.bucket_start == before.bucket_start + bucket_ms
        assert is_next or record.is_reset, f"a gap before bucket {record.bucket_start}"
        for partition, offset in before.cut.items():
            assert record.cut[partition] >= offset, "a cut went back"
    by_genre: dict[str, list[GenreForecast]] = collections.defaultdict(list)
    for forecast in outcome.forecasts:
        by_genre[forecast.genre].append(forecast)
    for genre, forecasts in by_genre.items():
        first = next(f.bucket_start for f in forecasts if f.observed_clicks)
        seen = [forecast.bucket_start for forecast in forecasts]
        wanted = [start for start in starts if start >= first]
        assert seen == wanted, f"{genre}: buckets missing, twice or out of order"


def _assert_journal_agrees(outcome: Outcome) -> None:
    told = {(f.bucket_start, f.genre): f.observed_clicks for f in outcome.forecasts}
    journaled = {
        (record.bucket_start, genre): cell[0]
        for record in outcome.journal
        for genre, cell in record.counts.items()
    }
    assert told == journaled, "forecasts and journal differ"


def _assert_everything_was_read(outcome: Outcome) -> None:
    ends: dict[int, int] = {}
    for record in outcome.clicks:
        ends[record.partition] = record.offset + 1
    lag = {p: end - outcome.progress.offsets.get(p, 0) for p, end in ends.items()}
    assert not any(lag.values()), f"unread: {lag}"
    if outcome.journal:
        assert outcome.progress.published_ms == outcome.journal[-1].bucket_start


def _assert_report_agrees(report: Mapping[str, Any], published: Cells, outcome: Outcome) -> None:
    assert report["is_exact"], report["doubts"]
    assert report["sent"] == len(outcome.clicks)
    true = {
        (int(start), genre): count
        for genre, buckets in report["events_per_bucket"].items()
        for start, count in buckets.items()
    }
    assert published == true
