"""A topic from one offset to another, once, beside any group: for counting again and checking."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from kafka import KafkaConsumer, TopicPartition

from consumer.broker.errors import translated
from consumer.broker.reading import choose_reader, joined
from consumer.broker.topics import Topics
from consumer.errors import BrokerUnavailableError, TopicMissingError
from consumer.records import Columns
from contracts.clock import to_ms
from contracts.kafka_client import client_options
from contracts.settings import Settings

READ_TIMEOUT_SECONDS: Final = 30.0
"""How long the log may give nothing, seconds."""

OnProgress = Callable[[int, int], None]
"""Called with offsets read and offsets in all."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some records of a partition, in order, with the positions before and after them."""

    partition: int
    begin: int
    end: int
    records: Sequence[Any]


class TopicLog:
    """Committed records of a topic up to its end as of now; a context manager.

    Args:
        settings: The deployment.
        topic: The topic.
        by_batch: Read as the consumers do: the records have no headers, and a batch may unpack to
            any size.

    Attributes:
        begins: First offset that each partition still keeps.
        ends: The offset after the last one of each partition.
    """

    def __init__(self, settings: Settings, topic: str, *, by_batch: bool = False) -> None:
        self._topic = topic
        with translated(f"reading topic {topic}", "Read", topic):
            self._consumer = KafkaConsumer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}-log",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                check_crcs=not by_batch,
                max_poll_records=settings.max_poll_records,
                allow_auto_create_topics=False,
            )
        if by_batch:
            choose_reader(self._consumer, settings)
        try:
            with translated(f"reading topic {topic}", "Read", topic):
                numbers = self._consumer.partitions_for_topic(topic)
                if not numbers:
                    raise _absence(settings, topic)
                self._partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
                self._consumer.assign(self._partitions)
                self.begins = self._bounds(self._consumer.beginning_offsets)
                self.ends = self._bounds(self._consumer.end_offsets)
        except BaseException:
            self.close()
            raise

    def _bounds(self, ask: Callable[[list[TopicPartition]], dict[Any, int]]) -> dict[int, int]:
        return {tp.partition: offset for tp, offset in ask(self._partitions).items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def offsets_at(self, moment_ms: int) -> dict[int, int]:
        """Return per partition the first offset whose record's timestamp is not before a moment."""
        with translated(f"reading topic {self._topic}", "Read", self._topic):
            found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, moment_ms))
        return {
            tp.partition: self.ends[tp.partition] if at is None else at.offset
            for tp, at in found.items()
        }

    def read(
        self,
        begins: Mapping[int, int] | None = None,
        on_progress: OnProgress | None = None,
        ends: Mapping[int, int] | None = None,
    ) -> Iterator[Stretch]:
        """Yield the records from `begins` to `ends` (by default all), each partition in order.

        Raises:
            BrokerUnavailableError, BrokerRefusedError: It can't be read.
        """
        at = {p: max(begin, (begins or {}).get(p, begin)) for p, begin in self.begins.items()}
        ends = {p: min(end, (ends or {}).get(p, end)) for p, end in self.ends.items()}
        total = sum(max(0, ends[p] - at[p]) for p in at)
        with translated(f"reading topic {self._topic}", "Read", self._topic):
            self._consumer.resume(*self._partitions)
            for tp in self._partitions:
                self._consumer.seek(tp, at[tp.partition])
            self._pause_read_up(at, ends)
            while any(at[p] < end for p, end in ends.items()):
                polled = self._consumer.poll(timeout_ms=to_ms(READ_TIMEOUT_SECONDS))
                moved = {tp.partition: self._consumer.position(tp) for tp in self._partitions}
                if not polled and moved == at:
                    raise BrokerUnavailableError(f"topic {self._topic}: Kafka does not answer")
                for tp, records in polled.items():
                    p = tp.partition
                    yield Stretch(p, at[p], min(moved[p], ends[p]), _before(records, ends[p]))
                at = moved
                self._pause_read_up(at, ends)
                if on_progress is not None:
                    left = sum(max(0, end - at[p]) for p, end in ends.items())
                    on_progress(total - left, total)

    def _pause_read_up(self, at: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """Fetch no more of partitions that are read as far as asked."""
        done = [tp for tp in self._partitions if at[tp.partition] >= ends[tp.partition]]
        self._consumer.pause(*done)


def _before(records: list[Any], end: int) -> Sequence[Any]:
    found = joined(records)
    if isinstance(found, Columns):
        return found[: int(np.searchsorted(found.offsets, end))]
    return [record for record in found if record.offset < end]


def _absence(settings: Settings, topic: str) -> TopicMissingError:
    """Return that a topic is missing.

    Raises:
        BrokerRefusedError: Our user may not see it: consumers tell that only of a topic that is
            asked for by its name.
    """
    with closing(Topics(settings)) as topics:
        topics.partition_count(topic, "Read")
    return TopicMissingError(f"topic {topic} is missing")
