"""What a member sees of Kafka and the store: each call is where something may happen to it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import orjson

from consumer.aggregate import Elsewhere
from consumer.broker.source import OffsetGapError
from consumer.errors import BrokerUnavailableError, FencedError
from consumer.records import Record
from contracts.forecasts import BucketRecord
from state.cells import Cell
from state.store import (
    ApplyOutcome,
    Batch,
    Progress,
    SavedState,
    Sealed,
    Store,
    StoreUnavailableError,
    WindowRows,
)
from tests.property.protocol.broker import Partition, Published

if TYPE_CHECKING:
    from tests.property.protocol.member import Member
    from tests.property.protocol.world import World

T = TypeVar("T")


class StorePort:
    """`state.store.Store` as one member reaches it: calls may fail, replies may be lost."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world: World = member.world

    def _call(self, name: str, call: Callable[[Store], T], *, is_write: bool = True) -> T:
        self._member.reach(name)
        world = self._world
        if world.fails():
            raise StoreUnavailableError(f"{name}: no answer")
        result = world.ledger.write(call) if is_write else call(world.ledger.store)
        if is_write and world.loses_reply(name):
            world.say(f"{self._member.name} {name}: reply lost, it was", result)
            raise StoreUnavailableError(f"{name}: reply lost")
        return result

    def open(self) -> None:
        self._call("open", lambda store: store.open())

    def apply(self, batch: Batch) -> ApplyOutcome:
        outcome = self._call("apply", lambda store: store.apply(batch))
        self._world.say(self._member.name, batch, "->", outcome)
        return outcome

    def renew_idle(self, partition: int, expected_offset: int, until_ms: int) -> bool:
        is_renewed = self._call(
            "renew_idle", lambda store: store.renew_idle(partition, expected_offset, until_ms)
        )
        if is_renewed:
            self._world.oracle.note_idle(partition, until_ms)
        return is_renewed

    def note_pause(self, partition: int, expected_offset: int, reason: str) -> None:
        self._call("note_pause", lambda store: store.note_pause(partition, expected_offset, reason))

    def seal(
        self, *, partition_count: int, now_ms: int, expect_published_ms: int | None
    ) -> Sealed | Literal["wait", "disagrees"]:
        sealed = self._call(
            "seal",
            lambda store: store.seal(
                partition_count=partition_count,
                now_ms=now_ms,
                expect_published_ms=expect_published_ms,
            ),
        )
        self._world.oracle.note_watermark(self._world.ledger.global_watermark(), now_ms)
        if isinstance(sealed, Sealed):
            self._world.say(self._member.name, "seal", sealed.bucket_ms, "cut", sealed.cut)
        return sealed

    def commit(
        self, sealed: Sealed, states: Sequence[SavedState] = (), *, model_version: str = ""
    ) -> bool:
        is_committed = self._call(
            "commit", lambda store: store.commit(sealed, states, model_version=model_version)
        )
        self._world.say(self._member.name, "commit", sealed.bucket_ms, is_committed)
        return is_committed

    def save_states(self, published_ms: int, states: Sequence[SavedState]) -> bool:
        is_saved = self._call("save_states", lambda store: store.save_states(published_ms, states))
        self._world.say(self._member.name, "save states", published_ms, is_saved)
        return is_saved

    def restore(self, record: BucketRecord, rows: Mapping[int, bytes]) -> bool:
        def restore(store: Store) -> bool:
            is_restored = store.restore(record, rows)
            self._world.counts["restored"] += is_restored  # though the reply may be lost
            return is_restored

        is_restored = self._call("restore", restore)
        self._world.say(self._member.name, "restore", record.bucket_start, is_restored)
        return is_restored

    def finish(self) -> int:
        return self._call("finish", lambda store: store.finish())

    def wipe(self) -> None:
        self._call("wipe", lambda store: store.wipe())

    def read_progress(self, partitions: Collection[int] | None = None) -> Progress:
        ledger = self._world.ledger
        progress = self._call("read_progress", lambda _: ledger.read_progress(), is_write=False)
        return progress if partitions is None else progress.of(partitions)

    def read_event_ids(self, partition: int) -> tuple[int, dict[int, bytes]]:
        return self._call(
            "read_event_ids", lambda store: store.read_event_ids(partition), is_write=False
        )

    def read_totals(self) -> dict[str, int]:
        return self._call("read_totals", lambda store: store.read_totals(), is_write=False)

    def read_genres(self) -> dict[str, int]:
        return self._call("read_genres", lambda store: store.read_genres(), is_write=False)

    def read_open(self) -> dict[int, dict[str, Cell]]:
        return self._call("read_open", lambda store: store.read_open(), is_write=False)

    def read_window(self) -> WindowRows:
        return self._call("read_window", lambda store: store.read_window(), is_write=False)

    def read_states(self) -> dict[str, SavedState]:
        return self._call("read_states", lambda store: store.read_states(), is_write=False)


class SourcePort:
    """`consumer.loop.Source`: a member's reader, which learns of a rebalance at any call."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world: World = member.world
        self._generation = -1
        self._owned: set[int] = set()
        self._unplaced: set[int] = set()
        self._paused: set[int] = set()
        self._positions: dict[int, int] = {}

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(self._owned)

    @property
    def unplaced(self) -> frozenset[int]:
        return frozenset(self._unplaced)

    def _reach(self, name: str, *, learns_at_once: bool = False) -> None:
        self._member.reach(name)
        broker = self._world.broker
        if broker.generation != self._generation and (
            learns_at_once or self._world.noise.random() < 0.2
        ):
            self._generation = broker.generation
            mine = {p for p, owner in broker.owners.items() if owner == self._member.number}
            for p in (mine - self._owned) | (mine & broker.reassigned):
                self._positions[p] = 0
                self._unplaced.add(p)
            self._owned = mine
            self._unplaced &= mine
            self._paused &= mine - self._unplaced
            self._world.say(self._member.name, "owns", sorted(mine))

    def poll(self, timeout_ms: int) -> Mapping[int, Sequence[Record]]:
        self._reach("poll", learns_at_once=True)
        if self._world.fails():
            raise BrokerUnavailableError("poll: no answer")
        if not self._has_more():
            self._member.nap(timeout_ms / 1000)
        polled, gaps = {}, {}
        for p in sorted(self._owned - self._unplaced - self._paused):
            partition, at = self._world.broker.partitions[p], self._positions[p]
            if partition.away_since_ms is not None:
                continue
            if not partition.begin <= at <= partition.end:
                gaps[p] = at
                continue
            taken = partition.log[at : at + self._world.noise.choice((1, 1, 2, 5, 20))]
            self._positions[p] += len(taken)
            records = [record for record in taken if record.kind != "control"]
            if records:
                polled[p] = records
        if gaps:
            raise OffsetGapError(gaps)
        return polled

    def _has_more(self) -> bool:
        partitions = self._world.broker.partitions
        return any(
            partitions[p].away_since_ms is None and self._positions[p] != partitions[p].end
            for p in self._owned - self._unplaced - self._paused
        )

    def position(self, partition: int) -> int | None:
        self._reach("position")
        return self._positions[partition] if partition in self._owned else None

    def seek(self, partition: int, offset: int) -> None:
        self._reach("seek")
        if partition in self._owned:
            self._positions[partition] = offset
            self._unplaced.discard(partition)

    def pause_only(self, partitions: set[int]) -> None:
        self._reach("pause")
        self._paused = set(partitions) & (self._owned - self._unplaced)

    def last_end(self, partition: int) -> int | None:
        return self._available(partition).end

    def end_offsets(self, partitions: set[int]) -> dict[int, int]:
        self._reach("ends")
        return {p: self._available(p).end for p in partitions}

    def begin_offsets(self, partitions: set[int]) -> dict[int, int]:
        self._reach("begins")
        return {p: self._available(p).begin for p in partitions}

    def _available(self, p: int) -> Partition:
        partition = self._world.broker.partitions[p]
        if partition.away_since_ms is not None or self._world.fails():
            raise BrokerUnavailableError(f"partition {p} is away")
        return partition

    def commit(self, offsets: Mapping[int, int]) -> None:
        """For lag tools only: nothing here reads it."""


class SidePort:
    """`consumer.loop.Side`: acknowledged one by one."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world: World = member.world

    def send(
        self, partition: int, late: Sequence[Elsewhere], dead_letters: Sequence[Elsewhere]
    ) -> None:
        broker = self._world.broker
        for kind, some, topic in (
            ("late", late, broker.late),
            ("dead letter", dead_letters, broker.dead_letters),
        ):
            for elsewhere in some:
                self._member.reach("side")
                if self._world.fails():
                    raise BrokerUnavailableError("side topics: no answer")
                topic.add((partition, elsewhere.record.offset))
                self._world.say(self._member.name, kind, partition, elsewhere.record.offset)
                if self._world.loses_reply("side"):
                    raise BrokerUnavailableError("side topics: reply lost")

    def flush(self) -> None:
        self._member.reach("side flush")


class PublisherPort:
    """`consumer.closing.PublisherPort`: making one fences the older ones."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world: World = member.world
        member.reach("init")
        if self._world.fails():
            raise BrokerUnavailableError("init_transactions: no answer")
        self._world.broker.epoch += 1
        self._epoch = self._world.broker.epoch
        if self._world.loses_reply("init"):
            raise BrokerUnavailableError("init_transactions: reply lost")
        self._world.say(member.name, "is the forecaster, epoch", self._epoch)

    def publish(
        self,
        bucket_ms: int,
        forecasts: Iterator[tuple[str, bytes]],
        journal: bytes,
        alerts: Sequence[tuple[str, bytes]],
    ) -> None:
        self._member.reach("begin")
        self._check_epoch()
        parsed = {genre: orjson.loads(value) for genre, value in forecasts}
        published = Published(
            BucketRecord.model_validate_json(journal),
            {g: (f["observed_clicks"], f["horizon"][0]["mean"]) for g, f in parsed.items()},
        )
        self._member.reach("transaction")
        self._check_epoch()
        outcome = self._world.transaction_outcome()
        if outcome == "aborted":
            raise FencedError("the transaction's outcome is unknown (it is aborted)")
        self._world.broker.published.append(published)
        self._world.say(self._member.name, "PUBLISHED", bucket_ms, published.forecasts)
        if outcome == "unknown":
            raise FencedError("the transaction's outcome is unknown (it is committed)")

    def _check_epoch(self) -> None:
        if self._epoch != self._world.broker.epoch:
            self._world.say(self._member.name, "is fenced")
            raise FencedError("another forecaster took over")

    def close(self) -> None:
        """Leave; what was not committed never shows."""


class JournalPort:
    """`consumer.closing.JournalPort`: committed records only."""

    def __init__(self, member: "Member") -> None:
        self._member = member
        self._world: World = member.world

    def read_tail(self) -> BucketRecord | None:
        self._reach()
        published = self._world.broker.published
        return published[-1].record if published else None

    def read_back(self, buckets: int) -> list[BucketRecord]:
        self._reach()
        return [published.record for published in self._world.broker.published[-buckets:]]

    def _reach(self) -> None:
        self._member.reach("journal")
        if self._world.fails():
            raise BrokerUnavailableError("journal: no answer")


class TopicsPort:
    """What `consumer.service.PartitionCount` asks."""

    def __init__(self, member: "Member") -> None:
        self._member = member

    def partition_count(self, topic: str) -> int:
        self._member.reach("partition count")
        if self._member.world.fails():
            raise BrokerUnavailableError(f"{topic}: no answer")
        return len(self._member.world.broker.partitions)
