"""Records to Kafka, in order, each acknowledged: whole batches at once where the client lets us."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np
from kafka import TopicPartition
from kafka import errors as kafka_errors
from numpy.typing import NDArray

from contracts import kafka_bulk as bulk
from contracts.clock import wall_clock_ms
from contracts.kafka_batches import build_bodies, record_sizes
from contracts.kafka_keys import KeyPartitions
from contracts.settings import Settings
from producer_sim.connection import (
    BATCH_BYTES,
    MAX_REQUEST_BYTES,
    Patience,
    SendError,
    StoppedError,
    describe,
    find_topic,
    make_producer,
)
from producer_sim.handed import HandedBatch, HandedSingles, Outcome, Rows
from producer_sim.outgoing import Outgoing
from producer_sim.truth import Acknowledged, Truth

__all__ = ["Acknowledgement", "ClickSender", "SendError", "StoppedError"]

logger = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED: Final = 60_000
"""Most records in flight: the client itself bounds nothing."""

MAX_UNACKNOWLEDGED_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of values in flight."""

PATIENCE_SECONDS: Final = 5.0
"""How long acknowledgements may take before it is mentioned."""

SEND_CHUNK: Final = 8_000
"""Records handed over between two looks at acknowledgements."""

FLUSH_PAUSE_SECONDS: Final = 0.01
"""Between two flushes of the client, the first of which ended without effect."""

UNFINISHED: Final = (kafka_errors.KafkaTimeoutError, kafka_errors.UnknownError)
"""What the client's flush raises: time is over, or it had to split a batch meanwhile."""

Integers = NDArray[np.int64]
Acknowledgement = Callable[[int, Outcome, Rows], None]
"""Is told of a partition's records, in offset order, once they are acknowledged."""


class ClickSender:
    """Sends records and folds their acknowledgements into the truth.

    Everything happens on the caller's thread: what became of the records is looked at, not called
    back, and per partition they complete in order (an idempotent producer).

    Args:
        settings: Where Kafka is, and the topic.
        truth: Takes the acknowledgements.
        stop: Ends any waiting.
        on_acknowledged: Is told of them too.
        in_bulk: Whole batches at once, where the client can be given them.
    """

    def __init__(
        self,
        settings: Settings,
        truth: Truth,
        stop: threading.Event,
        *,
        on_acknowledged: Acknowledgement | None = None,
        in_bulk: bool = True,
    ) -> None:
        self._settings = settings
        self._truth = truth
        self._on_acknowledged = on_acknowledged
        self._in_bulk = in_bulk
        self._patience = Patience(stop)
        self._pending: dict[int, deque[HandedBatch | HandedSingles]] = {}
        self._unacknowledged_bytes = 0
        self._partitions = KeyPartitions(0)
        self._producer: Any = None
        self.unacknowledged = 0
        self.partition_count = 0
        self.failed = 0

    def connect(self, *, create_partitions: int | None) -> None:
        """Wait for Kafka and the topic; make the topic when asked to.

        Args:
            create_partitions: Make a missing topic with so many partitions; None waits for it.

        Raises:
            SendError: Kafka refuses.
            StoppedError: Asked to stop.
        """
        where = self._settings.kafka_bootstrap
        while not self.partition_count:
            self.partition_count = self._patience.retrying(
                where, lambda: find_topic(self._settings, create_partitions)
            )
            if not self.partition_count:
                self._patience.announce(
                    f"topic {self._settings.topic_clicks} does not exist: make it, or start with "
                    "--create-topics; waiting"
                )
                self._patience.pause(1.0)
        self._partitions = KeyPartitions(self.partition_count)
        self._producer = self._patience.retrying(where, lambda: make_producer(self._settings))
        # Whoever queues batches below `send` has to make the topic known to the client.
        topic = self._settings.topic_clicks
        self._patience.retrying(where, lambda: self._producer.partitions_for(topic))
        self._patience.relax()
        difference = bulk.difference(self._producer) if self._in_bulk else None
        if difference is not None:
            logger.warning("records are sent one by one, slowly: %s", difference)
            self._in_bulk = False

    def partition_for(self, key: bytes) -> int:
        """Return a key's partition, the same that every Kafka client would choose."""
        return self._partitions.of(key)

    def send(self, outgoing: Outgoing) -> None:
        """Hand over records; waits while too many are unacknowledged.

        Raises:
            SendError: Kafka refuses.
            StoppedError: Asked to stop while waiting; what is handed over stays so.
        """
        partitions = np.asarray(outgoing.partitions, np.int64)
        columns = (
            np.asarray(outgoing.event_ms, np.int64),
            np.asarray(outgoing.genre_list, np.int64),
        )
        for begin in range(0, len(outgoing), SEND_CHUNK):
            self._make_room()
            chunk = partitions[begin : begin + SEND_CHUNK]
            order = np.argsort(chunk, kind="stable")
            borders = np.flatnonzero(np.diff(chunk[order])) + 1
            for rows in np.split(order + begin, borders):
                self._hand_over(int(partitions[rows[0]]), outgoing, rows, columns)
            if self._in_bulk:
                bulk.wake(self._producer)
            self.drain()

    def drain(self) -> None:
        """Fold what has been acknowledged, without waiting."""
        for partition, pending in self._pending.items():
            done: list[tuple[Outcome, Rows]] = []
            while pending and (outcome := pending[0].outcome()) is not None:
                rows = pending.popleft().rows
                self.unacknowledged -= len(rows)
                self._unacknowledged_bytes -= rows.size_bytes
                done.append((outcome, rows))
                if outcome.errors:
                    break  # what came before it is folded before it is told
            if done:
                self._fold(partition, done)

    def _fold(self, partition: int, done: list[tuple[Outcome, Rows]]) -> None:
        self._truth.fold(
            partition,
            Acknowledged(
                np.concatenate([outcome.offset for outcome, _ in done]),
                np.concatenate([outcome.timestamp_ms for outcome, _ in done]),
                np.concatenate([rows.event_ms[outcome.is_written] for outcome, rows in done]),
                np.concatenate([rows.genre_list[outcome.is_written] for outcome, rows in done]),
            ),
        )
        if self._on_acknowledged is not None:
            for outcome, rows in done:
                self._on_acknowledged(partition, outcome, rows)
        for error in done[-1][0].errors:
            self._count_failure(error)

    def flush(self, timeout_seconds: float) -> None:
        """Wait until everything is acknowledged, or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        self.drain()
        while self.unacknowledged and time.monotonic() < deadline:
            self._flush_client(min(1.0, timeout_seconds))
            self.drain()
        if self.unacknowledged:
            self._truth.doubt(
                f"{self.unacknowledged} records were not acknowledged within "
                f"{timeout_seconds:g} s: Kafka may hold them or not"
            )

    def close(self) -> None:
        """Let go of the client; what Kafka has not acknowledged by now is in doubt already."""
        if self._producer is not None:
            with suppress(*UNFINISHED):
                self._producer.close(timeout=1)

    def _hand_over(
        self,
        partition: int,
        outgoing: Outgoing,
        order: NDArray[np.intp],
        columns: tuple[Integers, Integers],
    ) -> None:
        """Hand over a partition's records, `order` being their rows."""
        numbers = order.tolist()
        keys = [outgoing.keys[row] for row in numbers]
        values = [outgoing.values[row] for row in numbers]
        sizes = record_sizes(keys, values)
        if sizes.max() > MAX_REQUEST_BYTES:
            # The client takes no such record, so nothing of it is on the topic.
            kept = np.flatnonzero(sizes <= MAX_REQUEST_BYTES)
            self.failed += len(order) - len(kept)
            if kept.size:
                self._hand_over(partition, outgoing, order[kept], columns)
            return
        event_ms, genre_list = (column[order] for column in columns)
        due_s = None if outgoing.due_s is None else outgoing.due_s[order]
        now_ms = wall_clock_ms()

        def rows_of(part: slice) -> Rows:
            size_bytes = int(sizes[part].sum())
            due = None if due_s is None else due_s[part]
            return Rows(event_ms[part], genre_list[part], due, size_bytes, now_ms)

        if not self._in_bulk:
            self._note(partition, self._send_each(partition, keys, values, rows_of(slice(None))))
            return
        topic = self._settings.topic_clicks
        for body in build_bodies(keys, values, BATCH_BYTES):
            rows = rows_of(slice(body.first, body.first + body.count))
            batch = bulk.hand_over(self._producer, TopicPartition(topic, partition), body, now_ms)
            self._note(partition, HandedBatch(rows, batch))

    def _send_each(
        self, partition: int, keys: list[bytes | None], values: list[bytes | None], rows: Rows
    ) -> HandedSingles:
        send, topic = self._producer.send, self._settings.topic_clicks
        try:
            return HandedSingles(
                rows,
                [
                    send(topic, value, key, None, partition)
                    for key, value in zip(keys, values, strict=True)
                ],
            )
        except kafka_errors.KafkaError as error:
            raise SendError(describe(error)) from error

    def _note(self, partition: int, handed: HandedBatch | HandedSingles) -> None:
        self._pending.setdefault(partition, deque()).append(handed)
        self.unacknowledged += len(handed.rows)
        self._unacknowledged_bytes += handed.rows.size_bytes

    def _make_room(self) -> None:
        since = time.monotonic()
        while (
            self.unacknowledged > MAX_UNACKNOWLEDGED - SEND_CHUNK
            or self._unacknowledged_bytes > MAX_UNACKNOWLEDGED_BYTES
        ):
            before = self.unacknowledged
            self.drain()
            if self.unacknowledged < before:
                since = time.monotonic()
                self._patience.relax()
                continue
            if time.monotonic() - since > PATIENCE_SECONDS:
                self._patience.announce(
                    f"Kafka at {self._settings.kafka_bootstrap} acknowledges nothing; "
                    f"{self.unacknowledged} records wait"
                )
            self._patience.pause(0.002)

    def _count_failure(self, error: Exception) -> None:
        if isinstance(error, kafka_errors.MessageSizeTooLargeError):
            # The broker takes no such record, so nothing of it is on the topic.
            self.failed += 1
            return
        raise SendError(describe(error)) from error

    def _flush_client(self, timeout_seconds: float) -> None:
        try:
            self._producer.flush(timeout=timeout_seconds)
        except UNFINISHED:
            self._patience.announce(f"{self.unacknowledged} records are still to be acknowledged")
            time.sleep(FLUSH_PAUSE_SECONDS)
