"""Forecasts and journal, one transaction per bucket; a newer forecaster fences an older one."""

from collections.abc import Iterable, Iterator
from typing import Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from pydantic import ValidationError

from consumer.broker.errors import translated
from consumer.errors import BrokerUnavailableError, FencedError, InvariantError
from contracts.clock import to_ms
from contracts.forecasts import BucketRecord
from contracts.kafka_client import client_options
from contracts.settings import Settings

TAIL_RECORDS: Final = 16
"""Offsets read back for the journal's last record; each transaction takes two, one a marker."""

READ_TIMEOUT_SECONDS: Final = 30.0
"""How long reading the journal back may take without a record, seconds."""

_FENCED: Final = (
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.TransactionCoordinatorFencedError,
)


class Publisher:
    """The forecaster's transactional producer; making one fences all older ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with translated("opening the forecaster's transactions"):
            self._producer = KafkaProducer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-forecaster",
                transactional_id=f"genrecast-{settings.app}",
                transaction_timeout_ms=to_ms(settings.transaction_timeout_seconds),
                acks="all",
                linger_ms=0,
                max_request_size=16 * 1024 * 1024,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=to_ms(settings.transaction_timeout_seconds),
                request_timeout_ms=5_000,
                delivery_timeout_ms=8_000,
            )
            self._producer.init_transactions()

    def publish(
        self, bucket_ms: int, forecasts: Iterable[tuple[str, bytes]], journal: bytes
    ) -> None:
        """Write a bucket's forecasts (genre, JSON) and its journal record, all or none.

        Raises:
            FencedError: Another forecaster took over, or the outcome is unknown.
        """
        settings, producer = self._settings, self._producer
        try:
            producer.begin_transaction()
            futures = [
                producer.send(settings.topic_forecasts, value, key=genre.encode())
                for genre, value in forecasts
            ]
            key = str(bucket_ms).encode()
            futures.append(producer.send(settings.topic_buckets, journal, key=key, partition=0))
            producer.flush(timeout=settings.transaction_timeout_seconds)
            for future in futures:
                future.get(timeout=settings.transaction_timeout_seconds)
            producer.commit_transaction()
        except _FENCED as error:
            raise FencedError("another forecaster took over") from error
        except kafka_errors.AuthorizationError:
            with translated("publishing forecasts"):
                raise
        except (kafka_errors.KafkaError, OSError) as error:
            # Committed or not: only the journal knows, and only a new producer may look.
            name = type(error).__name__
            raise FencedError(f"the transaction's outcome is unknown: {name}: {error}") from error

    def close(self) -> None:
        """Close the client; an open transaction is aborted by the next forecaster."""
        self._producer.close(timeout=2)


class Journal:
    """Reads the bucket journal, committed records only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partition = TopicPartition(settings.topic_buckets, 0)

    def read_tail(self) -> BucketRecord | None:
        """Return the last published bucket's record, or None when nothing was published."""
        span = TAIL_RECORDS
        with translated("reading the bucket journal"), self._open() as consumer:
            begin, end = self._bounds(consumer)
            while end > begin:
                records = list(self._read(consumer, max(begin, end - span), end))
                if records:
                    return records[-1]
                if end - span <= begin:
                    return None
                span *= 16
        return None

    def read_back(self, buckets: int) -> list[BucketRecord]:
        """Return up to the last `buckets` records, oldest first."""
        with translated("reading the bucket journal"), self._open() as consumer:
            begin, end = self._bounds(consumer)
            start = max(begin, end - 2 * buckets - TAIL_RECORDS)
            return list(self._read(consumer, start, end))[-buckets:]

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

    def _read(self, consumer: KafkaConsumer, start: int, end: int) -> Iterator[BucketRecord]:
        consumer.seek(self._partition, start)
        while (consumer.position(self._partition) or 0) < end:
            polled = consumer.poll(timeout_ms=to_ms(READ_TIMEOUT_SECONDS))
            if not polled and (consumer.position(self._partition) or 0) < end:
                raise BrokerUnavailableError("reading the bucket journal: Kafka does not answer")
            for record in polled.get(self._partition, ()):
                if record.offset < end:
                    yield self._parse(record.value)

    def _parse(self, value: bytes | None) -> BucketRecord:
        try:
            record = BucketRecord.model_validate_json(value or b"")
        except ValidationError as error:
            raise InvariantError(
                f"topic {self._settings.topic_buckets} holds a record that is no bucket journal "
                f"entry ({error.error_count()} errors): is the topic shared with something else?"
            ) from error
        if record.bucket_seconds != self._settings.bucket_seconds:
            raise InvariantError(
                f"topic {self._settings.topic_buckets} has buckets of {record.bucket_seconds} s, "
                f"this process {self._settings.bucket_seconds} s: use the same "
                "GENRECAST_BUCKET_SECONDS, or other topics and another GENRECAST_APP"
            )
        return record
