"""Whole record batches handed to kafka-python, past its `send` and its objects per record.

The client's producer keeps a queue of batches per partition; here batches are put into it that are
built already. All else stays the client's: order, idempotence, retries, who leads a partition, what
an error means. Where a release looks different inside, `difference` says so and the caller uses
the public `send`.
"""

import inspect
from collections.abc import Sequence
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition, codec
from kafka.producer.future import FutureRecordMetadata
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.default_records import DefaultRecordBatchBuilder

from producer_sim.record_batches import HEADER, MAGIC, Body, Producer, seal_batch

LZ4: Final = 3
"""The number of LZ4 in a batch's attributes."""

NO_PRODUCER: Final = Producer(-1, -1, -1, False)
"""Of a batch that was never given one: without idempotence."""


class BuiltRecords:
    """What the client asks of a batch's records; takes the place of `MemoryRecordsBuilder`.

    Args:
        body: The records.
        timestamp_ms: Of all of them, where the topic does not take the broker's.
    """

    __slots__ = ("_batch", "_codec", "_content", "_count", "_producer", "_timestamp_ms")

    def __init__(self, body: Body, timestamp_ms: int) -> None:
        self._count = body.count
        self._timestamp_ms = timestamp_ms
        compressed: bytes = codec.lz4_encode(body.content)
        is_smaller = len(compressed) < len(body.content)
        self._content = compressed if is_smaller else body.content
        self._codec = LZ4 if is_smaller else 0
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

    def __init__(self, partition: TopicPartition, body: Body, timestamp_ms: int) -> None:
        self.singles: list[Any] | None = None
        self._timestamp_ms = timestamp_ms
        super().__init__(partition, BuiltRecords(body, timestamp_ms))

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


def hand_over(producer: KafkaProducer, topic: str, partition: int, body: Body, now_ms: int) -> Any:  # noqa: ANN401 (the client ships no types)
    """Queue a batch behind those of its partition; returns it."""
    where = TopicPartition(topic, partition)
    batch = BulkBatch(where, body, now_ms)
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
    "_sender._complete_batch": ["batch", "partition_response"],
    "_sender._can_split": ["batch", "error"],
}
"""What a batch meets inside the client."""

_BATCH_METHODS: Final = {
    "__init__": ["self", "tp", "records", "now"],
    "done": ["self", "base_offset", "timestamp_ms", "top_level_exception", "record_exceptions_fn"],
    "_complete_future": ["self", "base_offset", "timestamp_ms", "record_exceptions_fn"],
}


def difference(producer: KafkaProducer) -> str | None:
    """Return what this client has that is not as expected, or None: batches can be handed over."""
    try:
        return _difference(producer)
    except Exception as error:  # noqa: BLE001 (whatever another release raises when it is tried)
        return f"{type(error).__name__}: {error}"


def _difference(producer: KafkaProducer) -> str | None:
    for path, parameters in _SIGNATURES.items():
        found: Any = producer
        for name in path.split("."):
            found = getattr(found, name)
        if list(inspect.signature(found).parameters) != parameters:
            return f"{path} takes other arguments"
    for name, parameters in _BATCH_METHODS.items():
        if list(inspect.signature(getattr(ProducerBatch, name)).parameters) != parameters:
            return f"ProducerBatch.{name} takes other arguments"
    if producer._accumulator.config["message_version"] != MAGIC:
        return "the broker takes another format"
    if DefaultRecordBatchBuilder.HEADER_STRUCT.format != HEADER.format:
        return "a batch's header has other fields"
    some = BulkBatch(TopicPartition("none", 0), Body(0, 1, b"\x0e\0\0\0\1\1\0\0"), 7)
    wanted = {"produce_future", "records", "_final_state", "_retry", "attempts", "drained"}
    missing = wanted - vars(some).keys()
    if missing or some.singles is not None:
        return f"ProducerBatch is another: {', '.join(sorted(missing)) or 'it asks for futures'}"
    return None
