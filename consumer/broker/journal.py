"""The bucket journal: what was published, as the log of it that outlives Redis."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from consumer.broker.errors import translated
from consumer.errors import BrokerUnavailableError, InvariantError
from contracts.clock import to_ms
from contracts.forecasts import BucketRecord
from contracts.kafka_client import client_options
from contracts.settings import Settings

TAIL_RECORDS: Final = 16
"""Offsets read back for the journal's last record; each transaction takes two, one a marker."""

READ_TIMEOUT_SECONDS: Final = 30.0
"""How long reading the journal back may take without a record, seconds."""

OnProgress = Callable[[int, int], None]
"""Called with offsets read and offsets in all."""


class Journal:
    """Reads the bucket journal, committed records only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partition = TopicPartition(settings.topic_buckets, 0)

    def read_tail(self) -> BucketRecord | None:
        """Return the last published bucket's record, or None when nothing was published."""
        span = TAIL_RECORDS
        with self._reading(), self._open() as consumer:
            begin, end = self._bounds(consumer)
            while end > begin:
                records = list(self._read(consumer, max(begin, end - span), end))
                if records:
                    return records[-1]
                if end - span <= begin:
                    return None
                span *= 16
        return None

    def read_back(self, buckets: int, on_progress: OnProgress | None = None) -> list[BucketRecord]:
        """Return up to the last `buckets` records, oldest first."""
        with self._reading(), self._open() as consumer:
            begin, end = self._bounds(consumer)
            start = max(begin, end - 2 * buckets - TAIL_RECORDS)
            return list(self._read(consumer, start, end, on_progress))[-buckets:]

    def read_all(self, on_progress: OnProgress | None = None) -> Iterator[BucketRecord]:
        """Yield all records that are kept, oldest first."""
        with self._reading(), self._open() as consumer:
            yield from self._read(consumer, *self._bounds(consumer), on_progress)

    def _reading(self) -> AbstractContextManager[None]:
        return translated("reading the bucket journal", "Read", self._partition.topic)

    def _open(self) -> KafkaConsumer:
        consumer = KafkaConsumer(
            **client_options(self._settings),
            client_id=f"genrecast-{self._settings.app}-journal",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=15_000,
            allow_auto_create_topics=False,
        )
        consumer.assign([self._partition])
        return consumer

    def _bounds(self, consumer: KafkaConsumer) -> tuple[int, int]:
        begin = consumer.beginning_offsets([self._partition], timeout_ms=15_000)
        end = consumer.end_offsets([self._partition], timeout_ms=15_000)
        return begin[self._partition], end[self._partition]

    def _read(
        self, consumer: KafkaConsumer, start: int, end: int, on_progress: OnProgress | None = None
    ) -> Iterator[BucketRecord]:
        consumer.seek(self._partition, start)
        at = start
        while at < end:
            polled = consumer.poll(timeout_ms=to_ms(READ_TIMEOUT_SECONDS))
            at = consumer.position(self._partition) or 0
            if not polled and at < end:
                raise BrokerUnavailableError("reading the bucket journal: Kafka does not answer")
            for record in polled.get(self._partition, ()):
                if record.offset < end:
                    yield self._parse(record.value)
            if on_progress is not None:
                on_progress(min(at, end) - start, end - start)

    def _parse(self, value: bytes | None) -> BucketRecord:
        try:
            record = BucketRecord.model_validate_json(value or b"")
        except ValidationError as error:
            newer = [e["msg"] for e in error.errors() if e["loc"] == ("schema_version",)]
            raise InvariantError(
                f"topic {self._settings.topic_buckets}: {newer[0].removeprefix('Value error, ')}"
                if newer
                else f"topic {self._settings.topic_buckets} holds a record that is no bucket "
                f"journal entry ({error.error_count()} errors): is the topic shared with something "
                "else?"
            ) from error
        if record.bucket_seconds != self._settings.bucket_seconds:
            raise InvariantError(
                f"topic {self._settings.topic_buckets} has buckets of {record.bucket_seconds} s, "
                f"this process {self._settings.bucket_seconds} s: use the same "
                "GENRECAST_BUCKET_SECONDS, or other topics and another GENRECAST_APP"
            )
        if record.genre_share != self._settings.genre_share:
            raise InvariantError(
                f"topic {self._settings.topic_buckets} has genre share {record.genre_share}, this "
                f"process {self._settings.genre_share}: use the same GENRECAST_GENRE_SHARE, or "
                "other topics and another GENRECAST_APP"
            )
        return record
