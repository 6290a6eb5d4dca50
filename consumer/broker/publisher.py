"""Forecasts and journal, one transaction per bucket; a newer forecaster fences an older one."""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition
from kafka import errors as kafka_errors

from consumer.broker.errors import translated
from consumer.broker.producers import abandon
from consumer.errors import FencedError
from contracts import kafka_bulk
from contracts.clock import to_ms, wall_clock_ms
from contracts.kafka_batches import build_bodies
from contracts.kafka_client import client_options
from contracts.kafka_keys import KeyPartitions
from contracts.settings import Settings

log = logging.getLogger(__name__)

BATCH_BYTES: Final = 256 * 1024
"""Size of a full batch of forecasts; the broker's limit is 1 MB unless somebody lowered it."""

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
            try:
                self._producer.init_transactions()
            except BaseException:
                self.close()
                raise
        self._partitions = KeyPartitions(0)
        difference = kafka_bulk.difference(self._producer)
        self._takes_batches = difference is None
        if difference is not None:
            log.warning("forecasts are sent one by one, slowly: %s", difference)

    def publish(
        self, bucket_ms: int, forecasts: Iterable[tuple[str, bytes]], journal: bytes
    ) -> None:
        """Write a bucket's forecasts (genre, JSON) and its journal record, all or none.

        Raises:
            FencedError: Another forecaster took over, or the outcome is unknown.
        """
        settings, producer = self._settings, self._producer
        records = [(genre.encode(), value) for genre, value in forecasts]
        deadline_s = time.monotonic() + settings.transaction_timeout_seconds
        try:
            producer.begin_transaction()
            batches, futures = self._send(records)
            key = str(bucket_ms).encode()
            futures.append(producer.send(settings.topic_buckets, journal, key=key, partition=0))
            for batch in batches:
                batch.wait(deadline_s)
            for future in futures:
                future.get(timeout=max(0.0, deadline_s - time.monotonic()))
            self._commit()
        except _FENCED as error:
            raise FencedError("another forecaster took over") from error
        except kafka_errors.AuthorizationError:
            with translated("publishing forecasts"):
                raise
        except (kafka_errors.KafkaError, OSError) as error:
            # Committed or not: only the journal knows, and only a new producer may look.
            name = type(error).__name__
            raise FencedError(f"the transaction's outcome is unknown: {name}: {error}") from error

    def _send(
        self, records: Sequence[tuple[bytes, bytes]]
    ) -> tuple[list[kafka_bulk.BulkBatch], list[Any]]:
        """Queue forecasts (key, JSON) in the transaction; return what to wait for."""
        topic, producer = self._settings.topic_forecasts, self._producer
        if not self._takes_batches:
            return [], [producer.send(topic, value, key=key) for key, value in records]
        now_ms = wall_clock_ms()
        batches = [
            kafka_bulk.hand_over(producer, where, body, now_ms, is_compressed=False)
            for where, keys, values in self._by_partition(records)
            for body in build_bodies(keys, values, BATCH_BYTES)
        ]
        kafka_bulk.wake(producer)
        return batches, []

    def _by_partition(
        self, records: Sequence[tuple[bytes, bytes]]
    ) -> Iterable[tuple[TopicPartition, list[bytes], list[bytes]]]:
        """Yield keys and values of each partition, in their order."""
        topic = self._settings.topic_forecasts
        count = len(self._producer.partitions_for(topic))
        if count != self._partitions.count:
            self._partitions = KeyPartitions(count)
        columns: dict[int, tuple[list[bytes], list[bytes]]] = {}
        for key, value in records:
            keys, values = columns.setdefault(self._partitions.of(key), ([], []))
            keys.append(key)
            values.append(value)
        for partition, (keys, values) in columns.items():
            yield TopicPartition(topic, partition), keys, values

    def _commit(self) -> None:
        """Commit as the client's own method does, which waits without end (3.0.12)."""
        result = self._producer._transaction_manager.begin_commit()
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=to_ms(self._settings.transaction_timeout_seconds)):
            raise kafka_errors.KafkaTimeoutError("the broker does not answer the commit")

    def close(self) -> None:
        """Close the client at once; an open transaction is aborted by the next forecaster."""
        abandon(self._producer)
