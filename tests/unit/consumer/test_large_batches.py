"""However much a batch unpacks to: no record is lost, and little is held at a time."""

import struct
import tracemalloc
from collections.abc import Iterator
from itertools import repeat

import pytest
from kafka import TopicPartition, codec
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatch

from consumer.broker.batches import BYTES_PER_RECORD, BatchRecords
from consumer.records import Columns, CutValue, size_of
from contracts.events import MOST_EVENT_BYTES
from contracts.kafka_batches import HEADER, varint
from contracts.kafka_unpacking import (
    MOST_UNPACKED_BYTES,
    Codec,
    Unpacking,
    UnpackingError,
    bound_unpacking,
)
from tests.packing import GIANT, MIB, batch_of, giant, record

MOST_MEMORY = 100 * MIB


def fetched(raw: bytes, fetch_offset: int = 100) -> BatchRecords:
    return BatchRecords(
        fetch_offset, TopicPartition("clicks", 0), MemoryRecords(raw), check_crcs=False
    )


def polls(part: BatchRecords, limit: int) -> Iterator[Columns]:
    while part:
        yield from part.take(limit)


@pytest.fixture(autouse=True)
def bounded() -> None:
    bound_unpacking()


def test_a_giant_record_is_cut_and_its_neighbours_are_whole() -> None:
    raw = batch_of([*record(b"before", 0), *giant(1), *record(b"after", 2)], 3)
    tracemalloc.start()
    try:
        part = fetched(raw)
        found = Columns.joined(list(polls(part, 500)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert [r.offset for r in found] == [100, 101, 102]
    assert [r.timestamp for r in found] == [5_000, 5_001, 5_002]
    before, cut, after = found.values
    assert (before, after) == (b"before", b"after")
    assert isinstance(cut, CutValue)
    assert (cut, size_of(cut)) == (b" " * (MOST_EVENT_BYTES + 1), GIANT)
    assert part.next_fetch_offset == 103


def test_a_giant_header_is_gone_past() -> None:
    noise = [varint(1), varint(1), b"\xff", varint(GIANT), *repeat(b"\0" * MIB, GIANT // MIB)]
    size = sum(map(len, noise))
    head = b"\0" + varint(0) + varint(0) + varint(-1) + varint(5) + b"value"
    raw = batch_of([varint(len(head) + size), head, *noise, *record(b"next", 1)], 2)
    assert Columns.joined(list(polls(fetched(raw), 9))).values == [b"value", b"next"]


def test_many_records_come_a_few_at_a_time_from_any_offset_on() -> None:
    count = 150_000
    raw = batch_of((part for n in range(count) for part in record(b"%d" % n, n)), count)
    part = fetched(raw, 100 + 70_000)
    some = list(polls(part, 20_000))
    assert max(map(len, some)) <= 20_000
    values = [value for columns in some for value in columns.values]
    assert values == [b"%d" % n for n in range(70_000, count)]


def test_few_large_records_are_a_poll() -> None:
    value = b"v" * 500_000
    raw = batch_of((part for n in range(80) for part in record(value, n)), 80)
    part = fetched(raw)
    taken = part.take(20_000)
    [columns] = list(taken)
    assert len(columns) < 80
    assert len(taken) >= len(columns) * len(value) // BYTES_PER_RECORD


@pytest.mark.parametrize("count", [2, 4])
def test_a_large_batch_that_does_not_add_up_is_refused_each_time(count: int) -> None:
    raw = batch_of([*record(b"before", 0), *giant(1), *record(b"after", 2)], count)
    part = fetched(raw)
    for _ in range(2):
        with pytest.raises(CorruptRecordError, match="holds more than 64 MiB"):
            list(polls(part, 1 if count == 2 else 500))


def test_what_was_read_before_a_batch_breaks_comes_once() -> None:
    count = 120_000
    parts = [part for n in range(count) for part in record(b"%d" % n, n)]
    part = fetched(batch_of(parts, count + 1))
    found: list[bytes | None] = []
    while len(found) < count:
        for columns in part.take(50_000):
            found += columns.values
    with pytest.raises(CorruptRecordError):
        part.take(1)
    assert found == [b"%d" % n for n in range(count)]


@pytest.mark.parametrize("kind", Codec)
def test_each_codec_gives_what_the_client_has_packed_however_it_is_read(kind: Codec) -> None:
    content = b"".join(b"%d " % n for n in range(200_000))
    packed = getattr(codec, f"{kind.name.lower()}_encode")(content)
    unpacking = Unpacking(packed, kind)
    assert unpacking.read(7) == content[:7]
    assert unpacking.read(100_000) == content[7:100_007]
    assert unpacking.read(2 * len(content)) == content[100_007:]
    assert unpacking.read(1) == b""
    assert getattr(codec, f"{kind.name.lower()}_decode")(packed) == content


@pytest.mark.parametrize("kind", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4])
def test_bytes_that_are_cut_short_are_refused(kind: Codec) -> None:
    # zstd gives what there is, and the records do not add up then.
    packed = getattr(codec, f"{kind.name.lower()}_encode")(bytes(range(256)) * 2_000)
    with pytest.raises(UnpackingError):
        Unpacking(packed[: len(packed) // 2], kind).read(MOST_UNPACKED_BYTES)


@pytest.mark.parametrize("framing", [b"", b"\x82SNAPPY\x00\0\0\0\1\0\0\0\1\0\0\0\7"])
def test_a_snappy_block_that_claims_gigabytes_is_refused_before_room_is_made(
    framing: bytes,
) -> None:
    with pytest.raises(UnpackingError, match="claims more than it can hold"):
        Unpacking(framing + b"\xff\xff\xff\xff\x0f\0\0", Codec.SNAPPY).read(1)


@pytest.mark.parametrize("kind", Codec)
def test_the_client_itself_unpacks_no_more_than_its_bound(kind: Codec) -> None:
    packed = getattr(codec, f"{kind.name.lower()}_encode")(b"\0" * (MOST_UNPACKED_BYTES + 1))
    attributes = struct.pack(">h", kind)
    length = HEADER.size - 12 + len(packed)
    header = bytearray(HEADER.pack(0, length, 0, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1))
    header[21:23] = attributes
    with pytest.raises(UnpackingError, match="holds more than 64 MiB"):
        list(DefaultRecordBatch(bytes(header) + packed))
