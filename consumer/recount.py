"""The retained clicks log counted once more, by the consumers' own code and beside any state."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray

from consumer.aggregate import Record, aggregate_records
from consumer.broker.errors import translated
from consumer.errors import BrokerUnavailableError
from contracts.clock import to_ms
from contracts.kafka_client import client_options
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings

READ_TIMEOUT_SECONDS: Final = 30.0
"""How long the log may give nothing, seconds."""

MAX_CELLS: Final = 50_000_000
"""Most (bucket, genre) pairs, 3 GB of counts: an event of a wrong year must not eat memory."""

Cells = dict[tuple[int, str], NDArray[np.int64]]


class RecountError(Exception):
    """The log can't be counted; the message says why."""


@dataclass(frozen=True, slots=True)
class Recount:
    """Counts of all buckets from the first to the last with an event.

    Attributes:
        genres: In order of first appearance in event time.
        starts_ms: `(T,)` int64, consecutive bucket starts, epoch ms.
        cells: `(T, G, MEASURE_COUNT)` int64.
    """

    genres: tuple[str, ...]
    starts_ms: NDArray[np.int64]
    cells: NDArray[np.int64]


def recount_topic(
    settings: Settings, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Recount:
    """Count what `clicks` keeps, up to its end as of now; late events and bad records left out.

    Args:
        settings: The deployment whose topic and rules are taken.
        on_progress: Called with offsets read and offsets in all.

    Raises:
        BrokerUnavailableError, BrokerRefusedError: The topic can't be read.
        RecountError: Its events span too many buckets.
    """
    cells: Cells = {}
    watermarks: dict[int, int | None] = {}
    with translated(f"reading topic {settings.topic_clicks}"):
        for partition, span, records in _read(settings, on_progress):
            counted = aggregate_records(
                records,
                partition=partition,
                span=span,
                watermark_ms=watermarks.get(partition),
                settings=settings,
            ).batch
            if counted.watermark_ms is not None:
                watermarks[partition] = counted.watermark_ms
            for key, cell in counted.cells.items():
                cells[key] = cells.get(key, 0) + np.array(cell, np.int64)
    return _on_a_grid(cells, settings.bucket_ms)


def _read(
    settings: Settings, on_progress: Callable[[int, int], None]
) -> Iterator[tuple[int, tuple[int, int], list[Record]]]:
    """Yield (partition, positions before and after, records), each partition in log order."""
    with KafkaConsumer(
        **client_options(settings),
        client_id=f"genrecast-{settings.app}-recount",
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_poll_records=settings.max_poll_records,
        allow_auto_create_topics=False,
    ) as consumer:
        numbers = consumer.partitions_for_topic(settings.topic_clicks)
        if not numbers:
            raise BrokerUnavailableError(f"topic {settings.topic_clicks} is missing")
        partitions = [TopicPartition(settings.topic_clicks, number) for number in numbers]
        consumer.assign(partitions)
        begins = consumer.beginning_offsets(partitions)
        ends = consumer.end_offsets(partitions)
        for tp, begin in begins.items():
            consumer.seek(tp, begin)
        at: dict[TopicPartition, int] = dict(begins)
        total = sum(ends.values()) - sum(begins.values())
        while any(at[tp] < ends[tp] for tp in partitions):
            polled = consumer.poll(timeout_ms=to_ms(READ_TIMEOUT_SECONDS))
            moved = {tp: consumer.position(tp) for tp in partitions}
            if not polled and moved == at:
                raise BrokerUnavailableError("Kafka does not answer")
            for tp, records in polled.items():
                kept = [record for record in records if record.offset < ends[tp]]
                yield tp.partition, (at[tp], moved[tp]), kept
            at = moved
            on_progress(total - sum(max(0, ends[tp] - at[tp]) for tp in partitions), total)


def _on_a_grid(cells: Mapping[tuple[int, str], NDArray[np.int64]], bucket_ms: int) -> Recount:
    if not cells:
        nothing = np.zeros((0, 0, MEASURE_COUNT), np.int64)
        return Recount((), np.zeros(0, np.int64), nothing)
    genres = tuple(dict.fromkeys(genre for _, genre in sorted(cells)))
    column = {genre: i for i, genre in enumerate(genres)}
    first, last = min(cells)[0], max(cells)[0]
    size = ((last - first) // bucket_ms + 1) * len(genres)
    if size > MAX_CELLS:
        raise RecountError(
            f"the events span {size // len(genres):,} buckets of {bucket_ms // 1000} s for "
            f"{len(genres):,} genres, too many: is an event time wrong, or the bucket too short?"
        )
    starts = np.arange(first, last + bucket_ms, bucket_ms, dtype=np.int64)
    grid = np.zeros((len(starts), len(genres), MEASURE_COUNT), np.int64)
    for (start, genre), cell in cells.items():
        grid[(start - first) // bucket_ms, column[genre]] = cell
    return Recount(genres, starts, grid)
