"""The clicks topic as the loop sees it: raw records, own offsets, cooperative rebalances."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import IllegalStateError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from consumer.broker.errors import translated
from consumer.broker.reading import choose_reader, joined
from consumer.records import Record
from contracts.clock import to_ms
from contracts.kafka_client import client_options
from contracts.settings import Settings

METADATA_MAX_AGE_MS: Final = 2_000
"""How old the partition list may be when a bucket closes, ms."""

REQUEST_TIMEOUT_MS: Final = 15_000
"""How long one request to Kafka may take, ms."""

MAX_POLL_INTERVAL_MS: Final = 60_000
"""Longest step of the loop, ms; the client waits as long, and 5 s, for a lost answer to a join."""

END_OFFSETS_TIMEOUT_MS: Final = 2_000
"""How long asking for a log's end may take, ms: it decides about idleness, soon asked again."""

MAX_FETCH_BYTES: Final = 4 * 1024 * 1024
"""Most bytes fetched of a partition at once: bounds a consumer's memory."""

Records = Sequence[Record]


class ClickSource(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads `clicks` for one member of the group; used from one thread, the loop's.

    Listeners run on the client's IO thread and only note and seek: a new partition is paused
    until the loop has placed it at the offset stored in Redis.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic_clicks
        self._lock = threading.Lock()
        self._owned: set[int] = set()
        self._unplaced: set[int] = set()
        self._paused: set[int] = set()
        self._revoked_in: int | None = None
        with translated("connecting to Kafka"):
            self._consumer = KafkaConsumer(
                **client_options(settings),
                client_id=f"genrecast-{settings.app}",
                group_id=f"genrecast-{settings.app}",
                group_instance_id=settings.group_instance_id,
                auto_offset_reset="none",
                enable_auto_commit=False,
                isolation_level="read_committed",
                check_crcs=False,  # the broker checks; a flipped bit would be a dead letter
                max_poll_records=settings.max_poll_records,
                max_partition_fetch_bytes=MAX_FETCH_BYTES,
                metadata_max_age_ms=METADATA_MAX_AGE_MS,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
                session_timeout_ms=to_ms(settings.session_timeout_seconds),
                heartbeat_interval_ms=to_ms(settings.session_timeout_seconds / 5),
                reconnect_backoff_max_ms=1_000,
                allow_auto_create_topics=False,
                partition_assignment_strategy=(CooperativeStickyAssignor,),
            )
            self._consumer.subscribe([self._topic], listener=self)
        choose_reader(self._consumer, settings)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note new partitions, paused and at a provisional position."""
        with self._lock:
            for tp in assigned:
                self._consumer.seek(tp, 0)
                self._consumer.pause(tp)
                self._owned.add(tp.partition)
                self._unplaced.add(tp.partition)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget partitions; nothing of theirs is in hand between two polls."""
        with self._lock:
            self._revoked_in = self._consumer._coordinator._generation.generation_id
            for tp in revoked:
                self._owned.discard(tp.partition)
                self._unplaced.discard(tp.partition)
                self._paused.discard(tp.partition)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """As when they are revoked: the stored offsets decide."""
        # The client would claim them in its next join (3.0.12), and they would be nobody's.
        for assignor in self._consumer._coordinator._assignors.values():
            assignor.member_assignment = None
        self.on_partitions_revoked(lost)

    @property
    def owned(self) -> frozenset[int]:
        """Partitions this member has now."""
        with self._lock:
            return frozenset(self._owned)

    @property
    def unplaced(self) -> frozenset[int]:
        """Owned partitions that still wait for `seek`."""
        with self._lock:
            return frozenset(self._unplaced)

    def poll(self, timeout_ms: int) -> dict[int, Records]:
        """Return new records by partition; empty when there are none.

        Raises:
            OffsetGapError: When retention has passed a position, or the log is shorter.
        """
        self._unpark()
        self._go_on_joining()
        try:
            with translated("reading clicks", "Read", self._topic):
                return self._by_partition(self._consumer.poll(timeout_ms=timeout_ms))
        except Exception as error:
            self._drop_what_broke()
            cause = error.__cause__
            if isinstance(cause, OffsetOutOfRangeError):
                raise OffsetGapError(
                    {tp.partition: at for tp, at in cause.args[0].items()}
                ) from error
            raise

    def _unpark(self) -> None:
        """Let the client go on with records that it put aside when their partition was paused.

        It takes them up again only once it has nothing in hand, and takes what it has emptied
        for something in hand (3.0.12): a resumed partition would wait until others have records.
        """
        fetcher = self._consumer._fetcher
        if not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def _drop_what_broke(self) -> None:
        """Have the client fetch anew what it has in hand, from its position.

        Records that it could not read are empty afterwards, not over, and it would go on asking
        them within one poll for ever (3.0.12).
        """
        in_hand = self._consumer._fetcher._next_partition_records
        if in_hand:
            in_hand.drain()

    def _go_on_joining(self) -> None:
        """Keep the client at a join that it began, or that a revocation makes necessary.

        It forgets one that takes longer than one poll (3.0.12), and then waits without partitions
        and without heartbeats for ever. What was revoked is nobody's until the next generation.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining or self._revoked_in == coordinator._generation.generation_id:
            coordinator.request_rejoin()

    def _by_partition(self, polled: Mapping[TopicPartition, list[Any]]) -> dict[int, Records]:
        return {tp.partition: joined(records) for tp, records in polled.items() if records}

    def position(self, partition: int) -> int | None:
        """Return the next offset to fetch, past control records; None when not owned."""
        # The client's own `position()` looks after all partitions at each call, as `poll()` does:
        # asked for each of them, that grows with their square.
        try:
            at = self._consumer._subscription.position(TopicPartition(self._topic, partition))
        except KeyError:
            return None
        return None if at is None else int(at.offset)

    def seek(self, partition: int, offset: int) -> None:
        """Go to an offset, and start or go on reading there."""
        tp = TopicPartition(self._topic, partition)
        with self._lock:
            if partition not in self._owned:
                return
            self._consumer.seek(tp, offset)
            if partition in self._unplaced:
                self._unplaced.discard(partition)
                self._consumer.resume(tp)

    def pause_only(self, partitions: Iterable[int]) -> None:
        """Pause these placed partitions and resume all other ones."""
        with self._lock:
            wanted = set(partitions) & (self._owned - self._unplaced)
            for p in wanted - self._paused:
                self._consumer.pause(TopicPartition(self._topic, p))
            for p in self._paused - wanted:
                self._consumer.resume(TopicPartition(self._topic, p))
            self._paused = wanted

    def last_end(self, partition: int) -> int | None:
        """Return the log's end as the last fetch told it, None before one; nobody is asked."""
        try:
            end: int | None = self._consumer.highwater(TopicPartition(self._topic, partition))
        except IllegalStateError:
            return None
        return end

    def end_offsets(self, partitions: Iterable[int]) -> dict[int, int]:
        """Ask the broker, now, for the end of the partitions' logs."""
        return self._bounds(self._consumer.end_offsets, partitions)

    def begin_offsets(self, partitions: Iterable[int]) -> dict[int, int]:
        """Ask the broker, now, for the first offsets still kept."""
        return self._bounds(self._consumer.beginning_offsets, partitions)

    def _bounds(self, ask: object, partitions: Iterable[int]) -> dict[int, int]:
        tps = [TopicPartition(self._topic, p) for p in partitions]
        with translated("asking for offsets"):
            found = ask(tps, timeout_ms=END_OFFSETS_TIMEOUT_MS)  # type: ignore[operator]
        return {tp.partition: offset for tp, offset in found.items()}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets to Kafka, for lag tools only; nothing waits for it."""
        mine = self.owned
        committed = {
            TopicPartition(self._topic, p): OffsetAndMetadata(offset)
            for p, offset in offsets.items()
            if p in mine
        }
        with translated("committing offsets"):
            self._consumer.commit_async(committed)

    def close(self) -> None:
        """Leave the group; one with a name of its own stays in it for a session timeout."""
        with translated("leaving the group"):
            self._consumer.close(autocommit=False, timeout_ms=5_000)


class OffsetGapError(Exception):
    """Positions that the log does not hold: partition -> offset."""

    def __init__(self, positions: dict[int, int]) -> None:
        super().__init__(f"offsets outside the log: {positions}")
        self.positions = positions
