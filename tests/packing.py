"""Batches that unpack to far more than they are, never whole in memory."""

import time
from collections.abc import Iterable, Iterator
from itertools import repeat
from unittest.mock import patch

import zstandard
from kafka import KafkaProducer, TopicPartition

from contracts.clock import wall_clock_ms
from contracts.kafka_batches import HEADER, Body, varint
from contracts.kafka_bulk import BulkBatch, hand_over, wake
from contracts.kafka_unpacking import Codec

MIB = 1024 * 1024
GIANT = 300 * MIB


def record(value: bytes, offset: int) -> Iterator[bytes]:
    """A record's bytes: no key, no header, as many ms after its batch as it is records after."""
    return _parts([value], len(value), offset)


def giant(offset: int) -> Iterator[bytes]:
    """The bytes of a record of `GIANT` spaces."""
    return _parts(repeat(b" " * MIB, GIANT // MIB), GIANT, offset)


def _parts(value: Iterable[bytes], size: int, offset: int) -> Iterator[bytes]:
    head = b"\0" + varint(offset) + varint(offset) + varint(-1) + varint(size)
    yield varint(len(head) + size + 1) + head
    yield from value
    yield b"\0"


def pack(parts: Iterable[bytes]) -> bytes:
    """Return records compressed by zstd."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return b"".join([*map(compressor.compress, parts), compressor.flush()])


def batch_of(parts: Iterable[bytes], count: int) -> bytes:
    """Return a batch of records, at offset 100 and 5,000 ms."""
    content = pack(parts)
    length = HEADER.size - 12 + len(content)
    header = HEADER.pack(100, length, 0, 2, 0, Codec.ZSTD, count - 1, 5_000, 0, -1, -1, -1, count)
    return header + content


def send_packed(kafka: str, topic: str, parts: Iterable[bytes], count: int) -> None:
    """Write one batch to partition 0 that no producer could hold unpacked."""
    producer = KafkaProducer(bootstrap_servers=kafka, acks="all")
    try:
        where = TopicPartition(topic, 0)
        producer.partitions_for(topic)
        batch = BulkBatch(where, Body(0, count, b""), wall_clock_ms(), is_compressed=False)
        batch.records._content, batch.records._codec = pack(parts), Codec.ZSTD
        with patch("contracts.kafka_bulk.BulkBatch", return_value=batch):
            hand_over(producer, where, Body(0, count, b""), 0)
        wake(producer)
        batch.wait(time.monotonic() + 60)
    finally:
        producer.close(timeout=10)
