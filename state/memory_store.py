"""The store's in-memory twin: the same rules in plain Python, for tests and for reading."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from contracts.forecasts import BucketRecord
from contracts.measures import MEASURE_COUNT, OTHER_GENRE
from contracts.settings import Settings
from state.cells import Cell
from state.memory_tastes import MemoryTastes
from state.packing import pack_row, unpack_row
from state.store import (
    LIVE_LAG_MS,
    SPARE_BUCKETS,
    TOTALS,
    ApplyOutcome,
    Batch,
    DeploymentAbsentError,
    DeploymentMismatchError,
    Progress,
    SavedState,
    Sealed,
    WindowRows,
)


@dataclass(slots=True)
class _Deployment:
    """One deployment's state; the fields are the keys in Redis."""

    bucket_ms: int
    offsets: dict[int, int] = field(default_factory=dict)
    watermarks: dict[int, int] = field(default_factory=dict)
    idle: dict[int, int] = field(default_factory=dict)
    restored_cut: dict[int, int] = field(default_factory=dict)
    genres: dict[str, int] = field(default_factory=dict)  # in genre order
    cells: dict[int, dict[str, Cell]] = field(default_factory=dict)
    first: dict[int, dict[int, tuple[int, int | None]]] = field(default_factory=dict)
    event_ids: dict[int, dict[int, bytes]] = field(default_factory=dict)  # partition, bucket
    window: dict[int, bytes] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    states: dict[str, SavedState] = field(default_factory=dict)
    paused: dict[int, tuple[int, str]] = field(default_factory=dict)
    model_version: str | None = None
    sealed: Sealed | None = None
    closed: int | None = None
    published: int | None = None
    front: tuple[int, int] | None = None
    is_live: bool = False
    global_watermark: int | None = None
    forced_watermark: int | None = None

    def add(self, name: str, count: int) -> None:
        if count:
            self.totals[name] = self.totals.get(name, 0) + count

    @property
    def open_buckets(self) -> list[int]:
        sealed = self.sealed.bucket_ms if self.sealed else None
        return sorted(bucket for bucket in self.cells if bucket != sealed)


class MemoryStore:
    """`state.store.Store` in memory.

    `models_generation` says where the registry beside it is; `tastes` are those beside it.
    """

    def __init__(
        self,
        settings: Settings,
        models_generation: Callable[[], int] = lambda: 0,
        tastes: MemoryTastes | None = None,
    ) -> None:
        self._settings = settings
        self._models_generation = models_generation
        self.tastes = tastes
        self._held: _Deployment | None = None

    def wipe(self) -> None:
        """Lose everything, as a Redis that was emptied."""
        self._held = None

    def snapshot(self) -> "_Deployment | None":
        """Return a copy of everything, as a dump of Redis."""
        return copy.deepcopy(self._held)

    def rollback(self, snapshot: "_Deployment | None") -> None:
        """Go back to a snapshot, as a failover that lost the last writes."""
        self._held = copy.deepcopy(snapshot)

    @property
    def _d(self) -> _Deployment:
        if self._held is None:
            raise DeploymentAbsentError("the store holds no state of this deployment")
        if self._held.bucket_ms != self._settings.bucket_ms:
            raise DeploymentMismatchError(f"the state has bucket_ms {self._held.bucket_ms}")
        return self._held

    def open(self) -> None:
        """See `Store.open`."""
        if self._held is None:
            self._held = _Deployment(self._settings.bucket_ms)
        _ = self._d

    def apply(self, batch: Batch) -> ApplyOutcome:
        """See `Store.apply`."""
        d, p = self._d, batch.partition
        stored = d.offsets.get(p, 0)
        if stored != batch.expected_offset:
            return (
                ApplyOutcome("already")
                if stored == batch.next_offset
                else ApplyOutcome("moved", offset=stored)
            )
        touched = {bucket for bucket, _ in batch.cells} | batch.event_ids.keys()
        closed = [bucket for bucket in touched if d.closed is not None and bucket <= d.closed]
        if closed:
            if d.published is None or max(closed) > d.published:
                return ApplyOutcome("wait")
            return ApplyOutcome(
                "refused", published_ms=d.published, restored_cut=d.restored_cut.get(p, 0)
            )
        self._count(batch)
        held = d.event_ids.setdefault(p, {})
        for bucket, ids in batch.event_ids.items():
            held[bucket] = held.get(bucket, b"") + ids
        d.offsets[p] = batch.next_offset
        d.idle.pop(p, None)
        if batch.watermark_ms is not None:
            d.watermarks[p] = max(d.watermarks.get(p, batch.watermark_ms), batch.watermark_ms)
        if batch.front is not None and (d.front is None or batch.front[0] >= d.front[0]):
            d.front = batch.front
            d.is_live = batch.front[1] - batch.front[0] <= LIVE_LAG_MS
        for name in TOTALS:
            d.add(name, getattr(batch, name))
        return ApplyOutcome("applied")

    def _count(self, batch: Batch) -> None:
        d = self._d
        for (bucket, name), cell in batch.cells.items():
            is_full = len(d.genres) >= self._settings.max_genres
            genre = OTHER_GENRE if name not in d.genres and is_full else name
            d.genres[genre] = min(d.genres.get(genre, bucket), bucket)
            held = d.cells.setdefault(bucket, {})
            before = held.get(genre, (0,) * MEASURE_COUNT)
            held[genre] = tuple(a + b for a, b in zip(before, cell, strict=True))
            d.first.setdefault(bucket, {}).setdefault(
                batch.partition, (batch.expected_offset, batch.watermark_before_ms)
            )

    def renew_idle(self, partition: int, expected_offset: int, until_ms: int) -> bool:
        """See `Store.renew_idle`."""
        if self._d.offsets.get(partition, 0) != expected_offset:
            return False
        self._d.idle[partition] = until_ms
        return True

    def note_pause(self, partition: int, expected_offset: int, reason: str) -> None:
        """See `Store.note_pause`."""
        if self._d.offsets.get(partition, 0) == expected_offset:
            self._d.paused[partition] = expected_offset, reason

    def _watermark(self, partition_count: int, now_ms: int) -> int | None:
        d, settings = self._d, self._settings
        active = [p for p in range(partition_count) if d.idle.get(p, now_ms) <= now_ms]
        # All idle: a replay holds at the lowest of all, a live topic goes on with the clock.
        marks = [d.watermarks.get(p) for p in active or range(partition_count)]
        lowest = None if None in marks else min((m for m in marks if m is not None), default=None)
        if not active and d.is_live and d.front is not None:
            quiet = max(0, now_ms - d.front[1] - settings.idle_timeout_ms)
            gone_on = d.front[0] - settings.max_out_of_orderness_ms + quiet
            lowest = gone_on if lowest is None else max(lowest, gone_on)
        known = [w for w in (lowest, d.forced_watermark, d.global_watermark) if w is not None]
        return max(known, default=None)

    def _next_bucket(self, watermark: int) -> tuple[int | None, bool]:
        d, bucket_ms = self._d, self._settings.bucket_ms
        oldest = min(d.open_buckets, default=None)
        if d.closed is None:
            return oldest, False
        bucket = d.closed + bucket_ms
        newest_due = watermark - watermark % bucket_ms - bucket_ms
        target = newest_due if oldest is None else oldest
        if (target - bucket) // bucket_ms > self._settings.window_buckets:
            return target, True
        return bucket, False

    def seal(
        self, *, partition_count: int, now_ms: int, expect_published_ms: int | None
    ) -> Sealed | Literal["wait", "disagrees"]:
        """See `Store.seal`."""
        d = self._d
        if d.published != expect_published_ms:
            return "disagrees"
        if d.sealed is not None:
            return self._with_cells(d.sealed)
        if any(d.offsets.get(p, 0) < cut for p, cut in d.restored_cut.items()):
            return "wait"
        watermark = self._watermark(partition_count, now_ms)
        if watermark is None:
            return "wait"
        d.global_watermark = watermark
        bucket, is_reset = self._next_bucket(watermark)
        if bucket is None or watermark < bucket + self._settings.bucket_ms:
            return "wait"
        d.cells.setdefault(bucket, {})
        d.sealed = Sealed(
            bucket_ms=bucket,
            genres=(),
            first_bucket_ms=np.zeros(0, np.int64),
            cells=np.zeros((0, MEASURE_COUNT), np.int64),
            cut=dict(d.offsets),
            replay_from={p: self._replay_point(p, bucket) for p in d.offsets},
            is_reset=is_reset,
        )
        d.closed = bucket
        return self._with_cells(d.sealed)

    def _with_cells(self, sealed: Sealed) -> Sealed:
        """Add what the buckets hold: genres first counted since then come as not known."""
        d = self._d
        held, zeros = d.cells[sealed.bucket_ms], (0,) * MEASURE_COUNT
        cells = np.array([held.get(genre, zeros) for genre in d.genres], np.int64)
        return replace(
            sealed,
            genres=tuple(d.genres),
            first_bucket_ms=np.array(list(d.genres.values()), np.int64),
            cells=cells.reshape(-1, MEASURE_COUNT),
            models_generation=self._models_generation(),
        )

    def _replay_point(self, p: int, sealed: int) -> tuple[int, int | None]:
        d = self._d
        points = [first[p] for bucket, first in d.first.items() if p in first and bucket != sealed]
        return min([*points, (d.offsets[p], d.watermarks.get(p))], key=lambda point: point[0])

    def commit(
        self, sealed: Sealed, states: Sequence[SavedState] = (), *, model_version: str = ""
    ) -> bool:
        """See `Store.commit`."""
        d = self._d
        if d.published == sealed.bucket_ms:
            return True
        mine = d.sealed
        if mine is None or mine.bucket_ms != sealed.bucket_ms or mine.cut != sealed.cut:
            return False
        if tuple(d.genres)[: len(sealed.genres)] != sealed.genres:
            return False  # gone back and on since the seal: rows are in another order
        if mine.is_reset:
            d.window.clear()
        d.window[sealed.bucket_ms] = pack_row(sealed.cells)
        kept = self._settings.window_buckets + SPARE_BUCKETS
        oldest = sealed.bucket_ms - kept * self._settings.bucket_ms
        while d.window.pop(oldest, None) is not None:  # more than one: fewer are kept now
            oldest -= self._settings.bucket_ms
        if states:
            d.states = {state.model_version: state for state in states}
        d.model_version = model_version or d.model_version
        d.cells.pop(sealed.bucket_ms, None)
        d.first.pop(sealed.bucket_ms, None)
        for ids in d.event_ids.values():
            ids.pop(sealed.bucket_ms, None)
        d.published, d.sealed = sealed.bucket_ms, None
        d.add("buckets", 1)
        d.add("window_resets", int(mine.is_reset))
        return True

    def save_states(self, published_ms: int, states: Sequence[SavedState]) -> bool:
        """See `Store.save_states`."""
        if self._d.published != published_ms:
            return False
        self._d.states |= {state.model_version: state for state in states}
        return True

    def restore(self, record: BucketRecord, rows: Mapping[int, bytes]) -> bool:
        """See `Store.restore`."""
        held = self._held
        if held and held.published is not None and held.published >= record.bucket_start:
            return False
        points = record.replay_from
        if self.tastes is not None and (held is None or held.published is None):
            begins = {str(p): point.offset for p, point in points.items()}
            self.tastes.begin(begins if self._settings.tastes else {})
        self._held = _Deployment(
            bucket_ms=self._settings.bucket_ms,
            offsets={p: point.offset for p, point in points.items()},
            watermarks={
                p: point.watermark for p, point in points.items() if point.watermark is not None
            },
            restored_cut=dict(record.cut),
            genres={genre: record.genres_first_bucket[genre] for genre in record.counts},
            window=dict(rows),
            totals={"restores": 1},
            closed=record.bucket_start,
            published=record.bucket_start,
            global_watermark=record.bucket_start + self._settings.bucket_ms,
        )
        return True

    def finish(self) -> int:
        """See `Store.finish`."""
        d = self._d
        if d.open_buckets:
            end = max(d.open_buckets) + self._settings.bucket_ms
            d.forced_watermark = max(end, d.forced_watermark or end)
        return len(d.open_buckets)

    def read_progress(self, partitions: Collection[int] | None = None) -> Progress:
        """See `Store.read_progress`."""
        d = self._d
        progress = Progress(
            offsets=dict(d.offsets),
            watermarks=dict(d.watermarks),
            restored_cut=dict(d.restored_cut),
            idle_until=dict(d.idle),
            paused={p: why for p, (at, why) in d.paused.items() if at == d.offsets.get(p, 0)},
            closed_ms=d.closed,
            published_ms=d.published,
            global_watermark_ms=d.global_watermark,
            is_live=d.is_live,
            model_version=d.model_version,
        )
        return progress if partitions is None else progress.of(partitions)

    def read_event_ids(self, partition: int) -> tuple[int, dict[int, bytes]]:
        """See `Store.read_event_ids`."""
        held = self._d.event_ids.get(partition, {})
        return self._d.offsets.get(partition, 0), {b: ids for b, ids in held.items() if ids}

    def read_totals(self) -> dict[str, int]:
        """See `Store.read_totals`."""
        return dict(self._d.totals)

    def read_genres(self) -> dict[str, int]:
        """See `Store.read_genres`."""
        return dict(self._d.genres)

    def read_open(self) -> dict[int, dict[str, Cell]]:
        """See `Store.read_open`."""
        return {bucket: dict(held) for bucket, held in sorted(self._d.cells.items())}

    def read_window(self) -> WindowRows:
        """See `Store.read_window`."""
        d = self._d
        starts = sorted(d.window)
        rows = [unpack_row(d.window[start], len(d.genres)) for start in starts]
        return WindowRows(
            genres=tuple(d.genres),
            first_bucket_ms=np.array(list(d.genres.values()), np.int64),
            starts_ms=np.array(starts, np.int64),
            cells=np.array(rows, np.int64).reshape(len(starts), len(d.genres), MEASURE_COUNT),
        )

    def read_states(self) -> dict[str, SavedState]:
        """See `Store.read_states`."""
        return dict(self._d.states)
