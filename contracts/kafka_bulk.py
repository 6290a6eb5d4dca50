"""Whole record batches handed to kafka-python, past its `send` and its objects per record.

The client's producer keeps a queue of batches per partition; here batches are put into it that are
built already. All else stays the client's: order, idempotence, retries, who leads a partition, what
an error means. Where a release looks different inside, `difference` says so and the caller uses
the public `send`.
"""

import inspect
import time
from collections.abc import Sequence
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition, codec
from kafka.errors import KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder

from contracts.kafka_batches import HEADER, MAGIC, Body, Producer, seal_batch

SPLIT_LOOK_SECONDS: Final = 0.05
"""How often a batch that is waited for is looked at: the client may have split it."""

LZ4: Final = 3
"""The number of LZ4 in a batch's attributes."""

NO_PRODUCER: Final = Producer(-1, -1, -1, False)
"""Of a batch that was never given one: without idempotence."""


class BuiltRecords:
    """What the client asks of a batch's records; takes the place of `MemoryRecordsBuilder`.

    Args:
        body: The records.
        timestamp_ms: Of all of them, where the topic does not take the broker's.
        is_compressed: Compress them with LZ4, where that makes them smaller.
    """

    __slots__ = (
        "_batch",
        "_codec",
        "_content",
        "_count",
        "_producer",
        "_timestamp_ms",
        "_whole_bytes",
    )

    def __init__(self, body: Body, timestamp_ms: int, *, is_compressed: bool) -> None:
        self._count = body.count
        self._timestamp_ms = timestamp_ms
        self._content, self._codec = body.content, 0
        self._whole_bytes = HEADER.size + len(body.content)
        if is_compressed:
            compressed: bytes = codec.lz4_encode(body.content)
            if len(compressed) < len(body.content):
                self._content, self._codec = compressed, LZ4
        self._producer = NO_PRODUCER
        self._batch: bytearray | None = None

    def append(self, *_: object) -> None:
        """Take no more: the client then begins another batch."""

    def set_producer_state(
        self, producer_id: int, producer_epoch: int, base_sequence: int, is_transactional: bool
    ) -> None:
        """Note who writes, once, before it is sent."""
        if self._batch is not None:
            raise RuntimeError("a sealed batch was given another producer")
        self._producer = Producer(producer_id, producer_epoch, base_sequence, is_transactional)

    @property
    def producer_id(self) -> int:
        """Id of the producer; -1 before it is known."""
        return self._producer.id

    @property
    def producer_epoch(self) -> int:
        """Its epoch."""
        return self._producer.epoch

    @property
    def base_sequence(self) -> int:
        """Number of the first record among all of this producer's on the partition."""
        return self._producer.base_sequence

    def close(self) -> None:
        """Seal the batch; nothing when it is sealed: a repeated one has the same bytes."""
        if self._batch is None:
            self._batch = seal_batch(
                self._content,
                count=self._count,
                timestamp_ms=self._timestamp_ms,
                codec=self._codec,
                producer=self._producer,
            )
            self._content = b""

    def buffer(self) -> bytearray:
        """Return the sealed batch."""
        if self._batch is None:
            raise RuntimeError("the batch is not sealed")
        return self._batch

    def size_in_bytes(self) -> int:
        """Return its size on the wire."""
        return HEADER.size + len(self._content) if self._batch is None else len(self._batch)

    def compression_rate(self) -> float:
        """Return its size over what it would be uncompressed, for the client's own metrics."""
        return self.size_in_bytes() / self._whole_bytes

    def is_full(self) -> bool:
        """Return that it waits for no more records."""
        return True

    def next_offset(self) -> int:
        """Return how many records there are."""
        return self._count


class BulkBatch(ProducerBatch):  # type: ignore[misc]
    """A batch in the client's queue.

    Attributes:
        singles: A future per record once the client has split it, being too large for the broker;
            its own `produce_future` never completes then.
    """

    def __init__(
        self, partition: TopicPartition, body: Body, timestamp_ms: int, *, is_compressed: bool
    ) -> None:
        self.singles: list[Any] | None = None
        self._timestamp_ms = timestamp_ms
        super().__init__(partition, BuiltRecords(body, timestamp_ms, is_compressed=is_compressed))

    def wait(self, deadline_s: float) -> None:
        """Wait until all its records are written.

        Args:
            deadline_s: Until when, monotonic seconds.

        Raises:
            KafkaError: One is not written: refused, or not acknowledged by then.
        """
        # A split wakes nobody who waits for the whole.
        while self.singles is None and not self.produce_future.wait(SPLIT_LOOK_SECONDS):
            if time.monotonic() >= deadline_s:
                raise KafkaTimeoutError(f"{self.topic_partition} is not acknowledged")
        if self.singles is not None:
            for single in self.singles:
                single.get(timeout=max(0.0, deadline_s - time.monotonic()))
            return
        if self.produce_future.failed():
            raise self.produce_future.exception
        _, _, error_of = self.produce_future.value
        if error_of is not None:
            raise error_of(0)

    @property
    def _record_futures(self) -> Sequence[Any]:
        # Only a split asks for them.
        if self.singles is None:
            self.singles = [
                FutureRecordMetadata(
                    self.produce_future, index, self._timestamp_ms, None, -1, -1, -1
                )
                for index in range(self.record_count)
            ]
        return self.singles

    @_record_futures.setter
    def _record_futures(self, futures: Sequence[Any]) -> None:
        """The client's constructor sets an empty list."""


def hand_over(
    producer: KafkaProducer,
    where: TopicPartition,
    body: Body,
    now_ms: int,
    *,
    is_compressed: bool = True,
) -> BulkBatch:
    """Queue a batch behind those of its partition; in a transaction, as part of it.

    Raises:
        KafkaError: There is no transaction where there should be one, or it has failed.
    """
    batch = BulkBatch(where, body, now_ms, is_compressed=is_compressed)
    transactions = producer._transaction_manager
    if transactions is not None and transactions.is_transactional():
        transactions.maybe_add_partition_to_transaction(where)
    accumulator = producer._accumulator
    accumulator._appends_in_progress.increment()
    try:
        with accumulator._tp_lock(where):
            if accumulator._closed:
                raise RuntimeError("the producer is closed")
            accumulator._batches[where].append(batch)
            accumulator._incomplete.add(batch)
    finally:
        accumulator._appends_in_progress.decrement()
    return batch


def wake(producer: KafkaProducer) -> None:
    """Tell the client's thread that there are batches to send."""
    producer._sender.wakeup()


_SIGNATURES: Final = {
    "_accumulator._tp_lock": ["tp"],
    "_accumulator.ready": ["cluster", "now"],
    "_accumulator.drain_batches_for_one_node": ["cluster", "node_id", "max_size", "now"],
    "_accumulator.split_and_reenqueue": ["batch", "now"],
    "_accumulator._appends_in_progress.increment": [],
    "_accumulator._incomplete.add": ["batch"],
    "_sender.wakeup": [],
    "_transaction_manager.is_transactional": [],
    "_transaction_manager.maybe_add_partition_to_transaction": ["topic_partition"],
    "_sender._complete_batch": ["batch", "partition_response"],
    "_sender._can_split": ["batch", "error"],
}
"""What a batch meets inside the client."""

_UNASKED: Final = frozenset({"records", "skip"})
"""What the client's own builder of records has, and its sender never asks for."""

_BATCH_METHODS: Final = {
    "__init__": ["self", "tp", "records", "now"],
    "done": ["self", "base_offset", "timestamp_ms", "top_level_exception", "record_exceptions_fn"],
    "_complete_future": ["self", "base_offset", "timestamp_ms", "record_exceptions_fn"],
}


def difference(producer: KafkaProducer) -> str | None:
    """Return what this client has that is not as expected, or None: batches can be handed over."""
    try:
        return _other_methods(producer) or _other_batches(producer)
    except Exception as error:  # noqa: BLE001 (whatever another release raises when it is tried)
        return f"{type(error).__name__}: {error}"


def _other_methods(producer: KafkaProducer) -> str | None:
    for path, parameters in _SIGNATURES.items():
        found: Any = producer
        for name in path.split("."):
            found = getattr(found, name)
        if list(inspect.signature(found).parameters) != parameters:
            return f"{path} takes other arguments"
    for name, parameters in _BATCH_METHODS.items():
        if list(inspect.signature(getattr(ProducerBatch, name)).parameters) != parameters:
            return f"ProducerBatch.{name} takes other arguments"
    return None


def _other_batches(producer: KafkaProducer) -> str | None:
    if producer._accumulator.config["message_version"] != MAGIC:
        return "the broker takes another format"
    if DefaultRecordBatchBuilder.HEADER_STRUCT.format != HEADER.format:
        return "a batch's header has other fields"
    body = Body(0, 1, b"\x0e\0\0\0\1\1\0\0")
    unknown = {name for name in vars(MemoryRecordsBuilder) if not name.startswith("_")}
    unknown -= set(dir(BuiltRecords)) | _UNASKED
    if unknown:
        return f"MemoryRecordsBuilder has more: {', '.join(sorted(unknown))}"
    some = BulkBatch(TopicPartition("none", 0), body, 7, is_compressed=True)
    wanted = {"produce_future", "records", "_final_state", "_retry", "attempts", "drained"}
    missing = wanted - vars(some).keys()
    if missing or some.singles is not None:
        return f"ProducerBatch is another: {', '.join(sorted(missing)) or 'it asks for futures'}"
    return None
