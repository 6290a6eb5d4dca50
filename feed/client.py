"""ForecastFeed: a subscriber of the forecasts, ten lines from a bucket's close."""

import logging
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from kafka import TopicPartition
from pydantic import ValidationError

from contracts.clock import MS_PER_SECOND
from contracts.events import normalise_genre
from contracts.forecasts import GenreForecast
from contracts.settings import Settings
from feed.assembly import Assembly, Bucket
from feed.errors import FeedUnavailableError
from feed.position import PositionFile
from feed.reader import Record, TopicReader
from feed.starting import (
    Start,
    parse_journal,
    start_after,
    start_at_beginning,
    start_now,
    start_with_last,
)

log = logging.getLogger(__name__)

POLL_MS: Final = 500
"""How long an iteration waits for records before it looks again, ms."""

RETRY_SECONDS: Final = 1.0
"""Pause before Kafka is asked again while iterating, seconds."""

REPEAT_SECONDS: Final = 60.0
"""How often the same trouble is logged again, seconds."""

MOST_BUCKETS_AHEAD: Final = 64
"""A partition further ahead of the slowest one is not fetched from: what waits to become whole
stays bounded, in buckets."""

Begin = Literal["newest", "now", "beginning"]
"""Where a feed without a position begins: with the newest bucket, with the next one, with all."""


class ForecastFeed:
    """Whole buckets of committed forecasts, in order; used from one thread.

    Example:
        ```python
        with ForecastFeed(Settings(), genres=["crime"]) as feed:
            for forecast in feed:
                print(forecast.genre, forecast.horizon[0].quantiles["0.5"])
        ```
    """

    def __init__(
        self,
        settings: Settings,
        *,
        genres: Collection[str] | None = None,
        begin: Begin | int = "newest",
        position: Path | str | int | None = None,
    ) -> None:
        """Subscribe.

        Args:
            settings: Where Kafka is and what the topics are called.
            genres: Only these, in any spelling; None for all.
            begin: "newest" begins with the newest bucket, which has the latest forecast of every
                genre; "now" with the next bucket; "beginning" with the oldest that is kept;
                a number with that many of the newest.
            position: A file that keeps the start of the last bucket that the caller is done with,
                or that number itself, kept elsewhere. Where there is one, reading goes on after
                it, whatever `begin` says.

        Raises:
            FeedUnavailableError: Kafka does not answer, or a topic is not there yet.
            FeedRefusedError: Kafka refuses us.
            PositionError: The file holds no position.
        """
        self._genres = None if genres is None else frozenset(map(normalise_genre, genres))
        self._file: PositionFile | None = None
        after_ms: int | None = None
        if isinstance(position, int):
            after_ms = position
        elif position is not None:
            self._file = PositionFile(Path(position))
            after_ms = self._file.read()
        self._reader = TopicReader(settings)
        try:
            self._start = self._seek(begin if after_ms is None else None, after_ms)
        except BaseException:
            self._reader.close()
            raise
        self._assembly = Assembly(self._start.after_ms)
        self._newest: dict[TopicPartition, int] = {}
        self._bucket_ms = 0

    def _seek(self, begin: Begin | int | None, after_ms: int | None) -> Start:
        if after_ms is not None:
            return start_after(self._reader, after_ms)
        if begin == "now":
            return start_now(self._reader)
        if begin == "beginning":
            return start_at_beginning(self._reader)
        return start_with_last(self._reader, begin if isinstance(begin, int) else 1)

    def poll(self, timeout_ms: int) -> list[Bucket]:
        """Return the buckets that have become whole, waiting at most `timeout_ms` for records.

        With `genres` a bucket has only those of them that it knows. The position is not moved;
        call `done` with each bucket.

        Raises:
            FeedUnavailableError: Kafka does not answer; call again later, nothing is skipped.
            FeedRefusedError: Kafka refuses us.
        """
        rewound: set[TopicPartition] = set()
        for record in self._reader.poll(timeout_ms):
            partition = TopicPartition(record.topic, record.partition)
            if partition in rewound:
                continue
            if partition == self._reader.journal:
                self._take_journal(record)
            elif not self._take_forecast(partition, record):
                self._reader.seek(partition, self._start.begins[partition])
                rewound.add(partition)
        self._balance()
        return [self._chosen(bucket) for bucket in self._assembly.take_whole()]

    def _take_journal(self, record: Record) -> None:
        bucket = parse_journal(record)
        if bucket is not None:
            self._newest[self._reader.journal] = bucket.bucket_start
            self._assembly.add_journal(bucket)

    def _take_forecast(self, partition: TopicPartition, record: Record) -> bool:
        """Take up a forecast; False when the partition must be read from its beginning."""
        forecast = _parse(record)
        if forecast is None:
            return True
        is_first = partition not in self._newest
        self._newest[partition] = forecast.bucket_start
        self._bucket_ms = forecast.bucket_seconds * MS_PER_SECOND
        if is_first and self._begins_too_late(partition, forecast, record):
            return False
        self._assembly.add_forecast(forecast, record.value)
        return True

    def _begins_too_late(
        self, partition: TopicPartition, forecast: GenreForecast, record: Record
    ) -> bool:
        """Say whether a partition's first record may have wanted ones before it.

        The time index said where to begin; clocks that disagreed can have misled it.
        """
        after_ms = self._start.after_ms
        return (
            after_ms is not None
            and forecast.bucket_start > after_ms
            and record.offset > self._start.begins.get(partition, record.offset)
        )

    def _balance(self) -> None:
        """Hold partitions back that are far ahead of the slowest one."""
        behind = [at for tp, at in self._newest.items() if not self._reader.is_drained(tp)]
        if not behind:
            self._reader.hold_back(())
            return
        most = min(behind) + MOST_BUCKETS_AHEAD * self._bucket_ms
        self._reader.hold_back(tp for tp, at in self._newest.items() if at > most)

    def _chosen(self, bucket: Bucket) -> Bucket:
        if self._genres is None:
            return bucket
        pairs = zip(bucket.forecasts.items(), bucket.messages, strict=True)
        chosen = [(pair, message) for pair, message in pairs if pair[0] in self._genres]
        return replace(
            bucket,
            forecasts=dict(pair for pair, _ in chosen),
            messages=tuple(message for _, message in chosen),
        )

    def is_at_end(self) -> bool:
        """Say whether all that is committed now was returned by `poll`."""
        return self._reader.is_at(self._reader.ends())

    def buckets(self) -> Iterator[Bucket]:
        """Yield whole buckets without end; a missing broker is waited for, and logged.

        A bucket counts as done when the next one is asked for: after a crash in between it comes
        again (at least once).

        Raises:
            FeedRefusedError: Kafka refuses us.
            PositionError: The position can't be kept.
        """
        complain = Complaint()
        while True:
            try:
                whole = self.poll(POLL_MS)
            except FeedUnavailableError as error:
                complain(error)
                time.sleep(RETRY_SECONDS)
                continue
            for bucket in whole:
                yield bucket
                self.done(bucket)

    def done(self, bucket: Bucket) -> None:
        """Keep a bucket as the position, where there is a file for it."""
        if self._file is not None:
            self._file.write(bucket.start_ms)

    def __iter__(self) -> Iterator[GenreForecast]:
        """Yield the forecasts of whole buckets without end."""
        for bucket in self.buckets():
            yield from bucket.forecasts.values()

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Complaint:
    """Logs the same trouble once a minute."""

    def __init__(self) -> None:
        self._told_at: float | None = None

    def __call__(self, error: Exception) -> None:
        """Log an error, unless one was logged a moment ago."""
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= REPEAT_SECONDS:
            self._told_at = now
            log.warning("%s; trying again", error)


def _parse(record: Record) -> GenreForecast | None:
    try:
        return GenreForecast.model_validate_json(record.value or b"")
    except ValidationError as error:
        log.warning(
            "topic %s, partition %d, offset %d is no forecast and is skipped: %s",
            record.topic, record.partition, record.offset,
            error.errors(include_url=False)[0]["msg"],
        )  # fmt: skip
        return None
