"""The protocol with one rule left out: the oracle must find each, or it would find nothing."""

from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, Literal
from unittest.mock import patch

from consumer import closing
from consumer.aggregate import Elsewhere
from consumer.closing import Closer
from consumer.loop import Loop
from consumer.service import PartitionCount
from contracts.forecasts import BucketRecord
from state.store import ApplyOutcome, Batch, Progress, Sealed
from tests.property.protocol.broker import Partition
from tests.property.protocol.ports import PublisherPort, SidePort, SourcePort, StorePort

Without = Callable[[], AbstractContextManager[object]]

NEVER_MS: Final = 10**15
"""A time that no run reaches, epoch ms."""

_apply, _seal, _renew = StorePort.apply, StorePort.seal, StorePort.renew_idle
_read_event_ids = StorePort.read_event_ids
_place, _send = Loop._place, SidePort.send


def _apply_anywhere(self: StorePort, batch: Batch) -> ApplyOutcome:
    stored = self.read_progress().offsets.get(batch.partition, 0)
    return _apply(self, replace(batch, expected_offset=stored))


def _late_at_once(self: StorePort, batch: Batch) -> ApplyOutcome:
    outcome = _apply(self, batch)
    closed_ms = self.read_progress().closed_ms if outcome.kind == "wait" else None
    if closed_ms is None:
        return outcome
    return ApplyOutcome("refused", published_ms=closed_ms)


def _nothing_skipped(self: StorePort, batch: Batch) -> ApplyOutcome:
    return replace(_apply(self, batch), restored_cut=0)


def _idle_for_ever(self: StorePort, partition: int, expected_offset: int, until_ms: int) -> bool:
    return _renew(self, partition, expected_offset, until_ms + NEVER_MS)


def _no_event_ids(self: StorePort, partition: int) -> tuple[int, dict[int, bytes]]:
    return _read_event_ids(self, partition)[0], {}


def _seal_with(
    change: Callable[[Sealed], Sealed],
) -> Callable[..., Sealed | Literal["wait", "disagrees"]]:
    def seal(
        self: StorePort, *, partition_count: int, now_ms: int, expect_published_ms: int | None
    ) -> Sealed | Literal["wait", "disagrees"]:
        sealed = _seal(
            self,
            partition_count=partition_count,
            now_ms=now_ms,
            expect_published_ms=expect_published_ms,
        )
        return change(sealed) if isinstance(sealed, Sealed) else sealed

    return seal


def _replay_without_watermark(sealed: Sealed) -> Sealed:
    points = {p: (offset, None) for p, (offset, _) in sealed.replay_from.items()}
    return replace(sealed, replay_from=dict(points))


def _replay_from_cut(sealed: Sealed) -> Sealed:
    points = {p: (sealed.cut[p], watermark) for p, (_, watermark) in sealed.replay_from.items()}
    return replace(sealed, replay_from=points)


def _first_count(self: PartitionCount) -> int:
    self.value = self.value or self.topics.partition_count(self.topic)
    return self.value


def _trust_redis(self: Closer) -> int | None:
    return self._store.read_progress().published_ms


def _same_bucket(sealed: Sealed, record: BucketRecord) -> bool:
    return sealed.bucket_ms == record.bucket_start


def _same_cut(sealed: Sealed, record: BucketRecord) -> bool:
    return _same_bucket(sealed, record) and sealed.cut == record.cut


def _trust_positions(self: Loop, owned: Set[int], progress: Progress) -> set[int]:
    return _place(self, owned, replace(progress, offsets={**progress.offsets, **self.positions}))


def _available_for_ever(self: SourcePort, p: int) -> Partition:
    return self._world.broker.partitions[p]


_Some = Sequence[Elsewhere]


def _acknowledged_later(self: SidePort, partition: int, late: _Some, dead_letters: _Some) -> None:
    held = self._member.__dict__.setdefault("held", [])
    if held:
        _send(self, *held.pop(0))
    held.append((partition, late, dead_letters))


def _do_nothing(*_: object) -> None:
    return


RULES: Final[dict[str, Without]] = {
    "apply compares offsets": lambda: patch.object(StorePort, "apply", _apply_anywhere),
    "late only when published": lambda: patch.object(StorePort, "apply", _late_at_once),
    "skipped below the restored cut": lambda: patch.object(StorePort, "apply", _nothing_skipped),
    "idle is a lease": lambda: patch.object(StorePort, "renew_idle", _idle_for_ever),
    "replay knows its watermark": lambda: patch.object(
        StorePort, "seal", _seal_with(_replay_without_watermark)
    ),
    "replay begins at the first open event": lambda: patch.object(
        StorePort, "seal", _seal_with(_replay_from_cut)
    ),
    "partitions are counted anew": lambda: patch.object(PartitionCount, "__call__", _first_count),
    "older forecasters are fenced": lambda: patch.object(
        PublisherPort, "_check_epoch", _do_nothing
    ),
    "the journal is read on taking over": lambda: patch.object(Closer, "_reconcile", _trust_redis),
    "a published bucket has its cut": lambda: patch.object(
        closing, "is_published_as", _same_bucket
    ),
    "a published bucket has its counts": lambda: patch.object(
        closing, "is_published_as", _same_cut
    ),
    "control records move the offset": lambda: patch.object(
        Loop, "_skip_control_records", _do_nothing
    ),
    "owned offsets are compared": lambda: patch.object(Loop, "_place", _trust_positions),
    "records in hand are read again": lambda: patch.object(Loop, "step", Loop._step),
    "side topics acknowledge first": lambda: patch.object(SidePort, "send", _acknowledged_later),
    "event ids are stored with the counts": lambda: patch.object(
        StorePort, "read_event_ids", _no_event_ids
    ),
    "away is not idle": lambda: patch.object(SourcePort, "_available", _available_for_ever),
}
"""What each rule is called, and how to run without it."""
