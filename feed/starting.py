"""Where to begin reading: the offsets of the first bucket after a given one, or of the newest."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kafka import TopicPartition
from pydantic import ValidationError

from contracts.forecasts import BucketRecord
from feed.errors import FeedUnavailableError
from feed.reader import Record, TopicReader

log = logging.getLogger(__name__)

OFFSETS_PER_BUCKET: Final = 2
"""Offsets that a bucket takes in the journal: its record and the transaction's marker."""

FIRST_SPAN: Final = 16
"""Offsets of the journal looked through first; four times as many each time that is too few."""

POLL_MS: Final = 1_000
"""How long one look for records may take, ms."""

MOST_POLLS: Final = 30
"""Looks without a record after which Kafka is taken to be away."""

Tail = list[tuple[Record, BucketRecord]]
"""Records of the journal as they were read and what they say, oldest first."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading began.

    Attributes:
        after_ms: Buckets up to this one are not wanted; None when all are.
        begins: First offset that each partition kept.
    """

    after_ms: int | None
    begins: dict[TopicPartition, int]


def parse_journal(record: Record) -> BucketRecord | None:
    """Return a record of the journal, None (and a warning) when it is none."""
    try:
        return BucketRecord.model_validate_json(record.value or b"")
    except ValidationError as error:
        log.warning(
            "topic %s, offset %d is no bucket and is skipped: %s",
            record.topic, record.offset, error.errors(include_url=False)[0]["msg"],
        )  # fmt: skip
        return None


def start_at_beginning(reader: TopicReader) -> Start:
    """Read all that the topics keep."""
    begins = reader.begins()
    for partition, offset in begins.items():
        reader.seek(partition, offset)
    return Start(None, begins)


def start_now(reader: TopicReader) -> Start:
    """Read what is published from now on."""
    begins = reader.begins()
    for partition, offset in reader.ends().items():
        reader.seek(partition, offset)
    return Start(None, begins)


def start_after(reader: TopicReader, after_ms: int) -> Start:
    """Read the first bucket after `after_ms`, and what follows."""
    begins = reader.begins()
    tail = _read_journal_back(
        reader, begins, lambda found: bool(found) and found[0][1].bucket_start < after_ms
    )
    earlier = [record for record, bucket in tail if bucket.bucket_start < after_ms]
    if not earlier:
        start_at_beginning(reader)
        return Start(after_ms, begins)
    # The journal's record is the last of its transaction: what was written since then has all of
    # the following buckets, the one of `after_ms` among them.
    _seek_to(reader, begins, earlier[-1])
    return Start(after_ms, begins)


def start_with_last(reader: TopicReader, buckets: int) -> Start:
    """Read the newest `buckets` buckets, and what follows."""
    begins = reader.begins()
    tail = _read_journal_back(reader, begins, lambda found: len(found) > buckets + 1)
    if len(tail) <= buckets + 1:
        start_at_beginning(reader)
        after_ms = tail[-buckets - 1][1].bucket_start if len(tail) > buckets else None
        return Start(after_ms, begins)
    _seek_to(reader, begins, tail[-buckets - 2][0])
    return Start(tail[-buckets - 1][1].bucket_start, begins)


def _seek_to(reader: TopicReader, begins: dict[TopicPartition, int], earlier: Record) -> None:
    """Read on from a journal's record; the time index says where in the other partitions.

    It is right where clocks are; `ForecastFeed` looks at the first record of each partition.
    """
    reader.seek(reader.journal, earlier.offset)
    found, ends = reader.offsets_at(earlier.timestamp), reader.ends()
    for partition in reader.forecasts:
        offset = found.get(partition)
        known_end = max(ends[partition], begins[partition])
        reader.seek(partition, known_end if offset is None else offset)


def _read_journal_back(
    reader: TopicReader, begins: dict[TopicPartition, int], is_enough: Callable[[Tail], bool]
) -> Tail:
    """Return the journal's last records: enough of them, or all."""
    begin, end, span = begins[reader.journal], reader.ends()[reader.journal], FIRST_SPAN
    while True:
        first = max(begin, end - span)
        found = _read_journal(reader, first, end)
        if first == begin or is_enough(found):
            return found
        span *= 4


def _read_journal(reader: TopicReader, first: int, end: int) -> Tail:
    """Return the journal's records of these offsets."""
    reader.hold_back(reader.forecasts)
    reader.seek(reader.journal, first)
    found: Tail = []
    polls = 0
    while not reader.is_at({reader.journal: end}):
        records = reader.poll(POLL_MS)
        polls = 0 if records else polls + 1
        if polls > MOST_POLLS:
            raise FeedUnavailableError("reading the bucket journal: Kafka does not answer")
        parsed = ((record, parse_journal(record)) for record in records if record.offset < end)
        found += [(record, bucket) for record, bucket in parsed if bucket is not None]
    reader.hold_back(())
    return found
