"""A transactional producer: some records, all of them or none; a newer one fences an older one."""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from kafka import KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.record.default_records import DefaultRecordBatchBuilder

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
"""Size of a full batch; the broker's limit is 1 MB unless somebody lowered it."""

MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Largest request: no topic of ours takes larger records."""

_FENCED: Final = (
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.TransactionCoordinatorFencedError,
)


class Outgoing(NamedTuple):
    """A record to write; without a partition its key decides, which it then has to have."""

    topic: str
    value: bytes | None
    key: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size_bytes(self) -> int:
        """What a broker holds against its limit, or some bytes more: the record in its batch."""
        estimate = DefaultRecordBatchBuilder.estimate_size_in_bytes
        return int(estimate(self.key, self.value, list(self.headers)))


class Transactions:
    """One writer at a time; making one fences all older ones, and ends what they left open.

    Args:
        settings: The deployment.
        who: Who writes; it names the client and stands in messages.
        transactional_id: What the broker knows the writer by.
    """

    def __init__(self, settings: Settings, *, who: str, transactional_id: str) -> None:
        self._who, self._transactional_id = who, transactional_id
        self._timeout_seconds = settings.transaction_timeout_seconds
        with translated(f"opening the {who}'s transactions", "Write", transactional_id):
            self._producer = KafkaProducer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-{who}",
                transactional_id=transactional_id,
                transaction_timeout_ms=to_ms(self._timeout_seconds),
                acks="all",
                linger_ms=0,
                max_request_size=MAX_REQUEST_BYTES,
                reconnect_backoff_max_ms=1_000,
                max_block_ms=to_ms(self._timeout_seconds),
                request_timeout_ms=5_000,
                delivery_timeout_ms=8_000,
            )
            try:
                self._producer.init_transactions()
            except BaseException:
                self.close()
                raise
        self._partitions: dict[str, KeyPartitions] = {}
        difference = kafka_bulk.difference(self._producer)
        self._takes_batches = difference is None
        if difference is not None:
            log.warning("records of a transaction are sent one by one, slowly: %s", difference)

    def write(self, records: Iterable[Outgoing]) -> None:
        """Write records in one transaction, all or none.

        Raises:
            BrokerRefusedError: A right is missing.
            FencedError: Another writer took over, or the outcome is unknown.
        """
        chosen = list(records)
        deadline_s = time.monotonic() + self._timeout_seconds
        try:
            self._producer.begin_transaction()
            if self._takes_batches and not any(record.headers for record in chosen):
                self._write_batches(chosen, deadline_s)
            else:
                self._write_singly(chosen, deadline_s)
            self._commit()
        except _FENCED as error:
            raise FencedError(f"another {self._who} took over") from error
        except (kafka_errors.KafkaError, OSError) as error:
            denial = _denial(error)
            if denial is not None:
                with translated(f"writing as {self._who}", "Write", self._transactional_id):
                    raise denial from error
            # Committed or not: only the topics know, and only a new producer may look.
            name = type(error).__name__
            raise FencedError(f"the transaction's outcome is unknown: {name}: {error}") from error

    def _write_batches(self, records: Sequence[Outgoing], deadline_s: float) -> None:
        """Write whole batches, past the client's objects for each record."""
        now_ms = wall_clock_ms()
        batches = [
            kafka_bulk.hand_over(self._producer, where, body, now_ms, is_compressed=False)
            for where, (keys, values) in self._by_partition(records).items()
            for body in build_bodies(keys, values, BATCH_BYTES)
        ]
        kafka_bulk.wake(self._producer)
        for batch in batches:
            batch.wait(deadline_s)

    def _by_partition(
        self, records: Sequence[Outgoing]
    ) -> dict[TopicPartition, tuple[list[bytes | None], list[bytes | None]]]:
        """Return keys and values of each partition, in their order."""
        columns: dict[TopicPartition, tuple[list[bytes | None], list[bytes | None]]] = {}
        for topic in {record.topic for record in records}:
            count = len(self._producer.partitions_for(topic))
            if topic not in self._partitions or self._partitions[topic].count != count:
                self._partitions[topic] = KeyPartitions(count)
        for record in records:
            partition = record.partition
            if partition is None:
                partition = self._partitions[record.topic].of(record.key or b"")
            where = TopicPartition(record.topic, partition)
            keys, values = columns.setdefault(where, ([], []))
            keys.append(record.key)
            values.append(record.value)
        return columns

    def _write_singly(self, records: Sequence[Outgoing], deadline_s: float) -> None:
        """Write by the client's public way."""
        futures = [
            self._producer.send(r.topic, r.value, r.key, list(r.headers), r.partition)
            for r in records
        ]
        for future in futures:
            future.get(timeout=max(0.0, deadline_s - time.monotonic()))

    def _commit(self) -> None:
        """Commit as the client's own method does, which waits without end (3.0.12)."""
        result = self._producer._transaction_manager.begin_commit()
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=to_ms(self._timeout_seconds)):
            raise kafka_errors.KafkaTimeoutError("the broker does not answer the commit")

    def close(self) -> None:
        """Close the client at once; an open transaction is aborted by the next writer."""
        abandon(self._producer)


def _denial(error: Exception) -> kafka_errors.AuthorizationError | None:
    """Return the right that was denied; whichever record comes next is told so in another error."""
    parts = (error, *error.args)
    return next((part for part in parts if isinstance(part, kafka_errors.AuthorizationError)), None)
