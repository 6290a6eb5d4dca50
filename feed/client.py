"""ForecastFeed: a subscriber of the forecast topic, ten lines from a bucket's close."""

import logging
import time
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Final, Self

from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from contracts.events import normalise_genre
from contracts.forecasts import GenreForecast
from contracts.kafka_client import client_options
from contracts.settings import Settings
from feed.errors import FeedUnavailableError, translated

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 10.0
"""How often new partitions, and whether Kafka still answers, are looked for, seconds."""

REQUEST_TIMEOUT_MS: Final = 10_000
"""How long one request to Kafka may take, ms."""


class ForecastFeed:
    """Committed forecasts of all genres or some, in order per genre; used from one thread.

    Example:
        with ForecastFeed(Settings(), genres=["crime"]) as feed:
            for forecast in feed:
                print(forecast.genre, forecast.horizon[0].quantiles["0.5"])
    """

    def __init__(
        self,
        settings: Settings,
        *,
        genres: Collection[str] | None = None,
        from_beginning: bool = False,
    ) -> None:
        """Subscribe.

        Args:
            settings: Where Kafka is and what the topic is called.
            genres: Only these, in any spelling; None for all.
            from_beginning: Read what the topic keeps first, not only what is new.

        Raises:
            FeedUnavailableError: Kafka does not answer, or the topic is not there yet.
            FeedRefusedError: Kafka refuses us.
        """
        self._topic = settings.topic_forecasts
        self._genres = None if genres is None else frozenset(map(normalise_genre, genres))
        self._checked_at = time.monotonic()
        with translated("connecting to Kafka"):
            self._consumer = KafkaConsumer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-feed",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest" if from_beginning else "latest",
                isolation_level="read_committed",
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                reconnect_backoff_max_ms=1_000,
                allow_auto_create_topics=False,
            )
        try:
            self._assigned = self._find_partitions()
            with translated(f"reading topic {self._topic}"):
                self._consumer.assign(list(self._assigned))
                for partition in self._assigned:
                    # "The end" is now, not when the first record is asked for.
                    self._consumer.position(partition, timeout_ms=REQUEST_TIMEOUT_MS)
        except BaseException:
            self._consumer.close()
            raise

    def _find_partitions(self) -> frozenset[TopicPartition]:
        with translated(f"asking for topic {self._topic}"):
            numbers = self._consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise FeedUnavailableError(
                f"topic {self._topic} is missing: the first consumer makes it (genrecast consume)"
            )
        return frozenset(TopicPartition(self._topic, number) for number in numbers)

    def poll(self, timeout_ms: int) -> list[GenreForecast]:
        """Return what is new, waiting at most `timeout_ms` for it; empty when nothing is.

        Raises:
            FeedUnavailableError: Kafka does not answer; call again later, nothing is skipped.
            FeedRefusedError: Kafka refuses us.
        """
        self._check()
        with translated(f"reading topic {self._topic}"):
            polled = self._consumer.poll(timeout_ms=timeout_ms)
        forecasts = []
        for records in polled.values():
            for record in records:
                forecast = self._parse(record.value, record.partition, record.offset)
                if forecast and (self._genres is None or forecast.genre in self._genres):
                    forecasts.append(forecast)
        return forecasts

    def _parse(self, value: bytes | None, partition: int, offset: int) -> GenreForecast | None:
        try:
            return GenreForecast.model_validate_json(value or b"")
        except ValidationError as error:
            log.warning(
                "topic %s, partition %d, offset %d is no forecast and is skipped: %s",
                self._topic, partition, offset, error.errors(include_url=False)[0]["msg"],
            )  # fmt: skip
            return None

    def _check(self) -> None:
        """Take up new partitions, from their beginning; notice a broker that is away."""
        now = time.monotonic()
        if now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        self._end_offsets()
        added = self._find_partitions() - self._assigned
        if added:
            self._assigned |= added
            self._consumer.assign(list(self._assigned))
            self._consumer.seek_to_beginning(*added)

    def _end_offsets(self) -> dict[TopicPartition, int]:
        with translated(f"reading topic {self._topic}"):
            ends: dict[TopicPartition, int] = self._consumer.end_offsets(
                list(self._assigned), timeout_ms=REQUEST_TIMEOUT_MS
            )
        return ends

    def is_at_end(self) -> bool:
        """Say whether all that is committed now was returned by `poll`."""
        ends = self._end_offsets()
        return all((self._consumer.position(tp, timeout_ms=0) or 0) >= ends[tp] for tp in ends)

    def __iter__(self) -> Iterator[GenreForecast]:
        """Yield forecasts without end, as buckets close."""
        while True:
            yield from self.poll(1_000)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
