"""Batches read by column give the client's own records, whatever was fetched and however taken."""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder

from consumer.broker import batch_format, large_batches
from consumer.broker.batches import BatchRecords
from consumer.broker.record_columns import OddRecordsError, Piece, read_columns
from consumer.records import Columns
from contracts.kafka_batches import varint

TP = TopicPartition("clicks", 0)
ATTRIBUTES_AT, LAST_DELTA_AT, FIRST_STAMP_AT, MAX_STAMP_AT, COUNT_AT = 21, 23, 27, 35, 57
NONE, GZIP, LZ4, ZSTD = 0, 1, 3, 4
CONTROL, LOG_APPEND_TIME = 0x20, 0x08

Read = tuple[list[tuple[int, int, bytes | None, bytes | None]], int, str]


@dataclass(frozen=True)
class Aborted:
    """As the broker names a transaction that was aborted."""

    producer_id: int
    first_offset: int


@dataclass
class Fetch:
    """What a broker answers."""

    raw: bytes
    aborted: list[Aborted]
    offsets: tuple[int, int]


texts = st.none() | st.binary(max_size=3) | st.sampled_from([b"v" * 62, b"v" * 200, b"v" * 9_000])
headers = st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2)
records = st.lists(
    st.tuples(
        st.integers(0, 3),  # offsets that compaction took before it
        st.sampled_from([0, 1, -1, 63, 64, -700_000, 2**40, 2**62 + 5]),
        texts,
        texts,
        st.just([]) | headers,
    ),
    max_size=6,
)
booleans = st.booleans()
stamps = st.sampled_from([0, 1_767_571_200_000, -1, 2**62, -(2**63) + 1])


@st.composite
def data_batch(draw: st.DrawFn, producer_id: int = -1) -> tuple[bytes, int]:
    """A batch of format 2, its offsets from 0 on, and how many of those it takes."""
    builder = DefaultRecordBatchBuilder(
        2, draw(st.sampled_from([NONE, GZIP, LZ4, ZSTD])), producer_id >= 0, producer_id,
        0 if producer_id >= 0 else -1, 0 if producer_id >= 0 else -1, 2**31,
    )  # fmt: skip
    offset, first = -1, draw(stamps)
    for gap, delta, key, value, some in draw(records):
        offset += 1 + gap
        stamp = first + delta if builder._num_records else first
        assume(-(2**63) <= stamp < 2**63)
        builder.append(offset, stamp, key, value, some)
    if not builder._num_records:  # compaction leaves an empty batch, not compressed
        builder._compression_type = NONE
    batch = builder.build()
    taken = max(offset, 0) + draw(st.integers(0, 2))
    struct.pack_into(">i", batch, LAST_DELTA_AT, taken)
    if draw(booleans):
        batch[ATTRIBUTES_AT + 1] |= LOG_APPEND_TIME
        struct.pack_into(">q", batch, MAX_STAMP_AT, draw(stamps))
    return bytes(batch), taken + 1


def marker(producer_id: int, *, is_abort: bool) -> bytes:
    builder = DefaultRecordBatchBuilder(2, NONE, True, producer_id, 0, -1, 2**31)
    builder.append(0, 5, struct.pack(">hh", 0, 0 if is_abort else 1), b"\0" * 6, [])
    batch = builder.build()
    batch[ATTRIBUTES_AT + 1] |= CONTROL
    return bytes(batch)


def legacy_batch(magic: int, codec: int, values: list[bytes]) -> bytes:
    builder = LegacyRecordBatchBuilder(magic, codec, 2**31)
    for offset, value in enumerate(values):
        builder.append(offset, 5, None, value)
    return bytes(builder.build())


@st.composite
def fetches(draw: st.DrawFn) -> Fetch:
    """Batches of all kinds one after the other, as producers leave them, the last one cut off."""
    begin = at = draw(st.integers(0, 2**40))
    parts: list[bytes] = []
    aborted: list[Aborted] = []
    begun: dict[int, int] = {}

    def add(batch: bytes, taken: int) -> None:
        nonlocal at
        parts.append(struct.pack(">q", at) + batch[8:])
        at += taken

    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["plain", "plain", "transactional", "marker", "legacy"]))
        producer = draw(st.sampled_from([7, 8]))
        if kind == "plain":
            add(*draw(data_batch()))
        elif kind == "transactional":
            begun.setdefault(producer, at)
            add(*draw(data_batch(producer)))
        elif kind == "marker" and producer in begun:
            is_abort = draw(booleans)
            if is_abort:
                aborted.append(Aborted(producer, begun[producer]))
            del begun[producer]
            add(marker(producer, is_abort=is_abort), 1)
        elif kind == "legacy":
            values = draw(st.lists(st.binary(max_size=3), min_size=1, max_size=2))
            magic, codec = draw(st.sampled_from([(0, NONE), (1, NONE), (1, GZIP)]))
            batch = legacy_batch(magic, codec, values if codec else values[:1])
            add(batch, len(values) if codec else 1)
            if codec:  # its offset is that of the last record inside
                parts[-1] = struct.pack(">q", at - 1) + parts[-1][8:]
    raw = b"".join(parts)
    is_cut_off = draw(booleans)
    if parts and is_cut_off:
        raw = raw[: len(raw) - draw(st.integers(1, len(parts[-1])))]
    aborted = draw(st.permutations(aborted))
    return Fetch(raw, aborted, (begin, at))


def read(kind: type[Any], fetch: Fetch, fetch_offset: int, limits: list[int]) -> Read:
    """Take all, as the client would; returns records, the next position and how it ended."""
    part = kind(
        fetch_offset, TP, MemoryRecords(fetch.raw), check_crcs=False,
        isolation_level=IsolationLevel.READ_COMMITTED,
        aborted_transactions=list(fetch.aborted),
    )  # fmt: skip
    rest = deque(limits)
    found: list[tuple[int, int, bytes | None, bytes | None]] = []
    while part:
        limit = rest[0]
        rest.rotate(-1)
        try:
            taken = part.take(limit)
        except Exception as error:  # noqa: BLE001 (compared)
            assume("UnicodeDecodeError" not in str(error))  # a header's name, which we go past
            return found, part.next_fetch_offset, type(error).__name__
        columns = list(columns_of(taken))
        assert sum(map(len, columns)) <= limit
        for some in columns:
            found += list(zip(some.offsets.tolist(), some.timestamps.tolist(), some.keys,
                              some.values, strict=True))  # fmt: skip
    return found, part.next_fetch_offset, ""


def columns_of(taken: Iterable[Any]) -> Iterator[Columns]:
    for each in taken:
        if isinstance(each, Columns):
            yield each
        else:
            yield Columns.of([each])


limits = st.lists(st.integers(1, 9) | st.just(10_000), min_size=1, max_size=4)


@pytest.fixture(scope="module", params=["whole", "one by one"], autouse=True)
def one_by_one(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether batches are read as ones too large to be read at once."""
    is_so = request.param == "one by one"
    with pytest.MonkeyPatch.context() as patch:
        if is_so:
            patch.setattr(batch_format, "MOST_WHOLE_BYTES", 0)
            patch.setattr(batch_format, "MOST_WHOLE_RECORDS", 0)
            patch.setattr(large_batches, "MOST_HELD_BYTES", 100)
            patch.setattr(large_batches, "READ_BYTES", 1)
        yield is_so


@given(fetches(), st.data())
def test_columns_are_the_clients_records(fetch: Fetch, data: st.DataObject) -> None:
    begin, end = fetch.offsets
    fetch_offset = data.draw(st.integers(begin, max(begin, end - 1)))
    theirs = read(Fetcher.PartitionRecords, fetch, fetch_offset, [10_000])
    ours = read(BatchRecords, fetch, fetch_offset, data.draw(limits))
    assert ours == theirs


@given(fetches(), st.data())
def test_broken_bytes_are_read_or_refused_as_the_client_does(
    one_by_one: bool, fetch: Fetch, data: st.DataObject
) -> None:
    assume(fetch.raw)
    broken = bytearray(fetch.raw)
    for at in data.draw(st.lists(st.integers(0, len(broken) - 1), min_size=1, max_size=3)):
        broken[at] ^= data.draw(st.sampled_from([1, 2, 0x40, 0x80, 0xFF]))
    fetch = Fetch(bytes(broken), fetch.aborted, fetch.offsets)
    theirs = read(Fetcher.PartitionRecords, fetch, fetch.offsets[0], [10_000])
    ours = read(BatchRecords, fetch, fetch.offsets[0], data.draw(limits))
    if one_by_one and theirs[2]:  # headers are gone past there, broken ones too
        assert ours[0][: len(theirs[0])] == theirs[0]
        return
    assert (ours[0], ours[2]) == (theirs[0], theirs[2])
    assert theirs[2] or ours[1] == theirs[1]


def test_batches_whose_numbers_of_records_are_wrong_only_together_are_refused() -> None:
    fetch = b""
    for begin, count in ((0, 3), (2, 1)):  # both have two
        builder = DefaultRecordBatchBuilder(2, NONE, False, -1, -1, -1, 2**31)
        for offset in range(2):
            builder.append(offset, 5, None, b"value", [])
        batch = builder.build()
        struct.pack_into(">i", batch, COUNT_AT, count)
        fetch += struct.pack(">q", begin) + bytes(batch[8:])
    part = BatchRecords(0, TP, MemoryRecords(fetch), check_crcs=False)
    taken = [r for _ in range(2) for columns in part.take(1) for r in columns]
    assert [r.offset for r in taken] == [0, 1]
    with pytest.raises(Exception, match="invalid record structure"):
        part.take(9)


def test_a_fetch_that_can_not_be_read_is_refused_each_time_it_is_asked_for() -> None:
    builder = DefaultRecordBatchBuilder(2, NONE, False, -1, -1, -1, 2**31)
    builder.append(0, 5, None, b"value", [])
    batch = builder.build()
    struct.pack_into(">i", batch, COUNT_AT, 2)
    part = BatchRecords(0, TP, MemoryRecords(bytes(batch)), check_crcs=False)
    assert len(part.take(5)) == 1
    for _ in range(3):
        with pytest.raises(Exception, match="invalid record structure"):
            part.take(5)
        assert part.next_fetch_offset == 1


def test_a_record_that_claims_to_be_longer_than_any_number_is_left_to_the_client() -> None:
    longest = b"\xfe" + b"\xff" * 8 + b"\x01"  # 2**63 - 1, which its own ten bytes come on top of
    with pytest.raises(OddRecordsError):
        read_columns([Piece(longest + bytes(20), 1, 0, 0, False)])


def test_a_headers_name_may_be_any_bytes() -> None:
    body = b"\0" + varint(0) * 2 + varint(-1) + varint(5) + b"value"
    body += varint(1) + varint(1) + b"\xff" + varint(-1)
    columns = read_columns([Piece(varint(len(body)) + body, 1, 0, 0, False)])
    assert list(columns.values) == [b"value"]
