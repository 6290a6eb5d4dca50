"""What must hold, from the log and the journal alone: both are the truth, the store is a view."""

import bisect
import collections
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consumer.idleness import IDLE_LEASE_MS
from contracts.buckets import bucket_start, is_late
from contracts.events import IMPRESSION
from tests.property.protocol.broker import LogRecord, Published
from tests.property.protocol.forecaster import link

if TYPE_CHECKING:
    from tests.property.protocol.world import World

LEAST_MS: Final = -(2**62)
"""Below any event time, ms."""

NORMAL_DELAY_MS: Final = 7_000
"""A record that comes so soon after its event is normally delayed, ms."""

STALLED_MS: Final = 100_000
"""A watermark so far behind live traffic stands still, ms."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How the global watermark came where it had never been.

    Attributes:
        is_stale: By a member that was stopped between reading its clock and the script: what it
            takes for idle may have changed since, and nothing in Redis could tell.
    """

    at_ms: int
    is_all_idle: bool
    is_stale: bool


class Oracle:
    """Notes what can only be seen on the way, and checks the rest at the end."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.violations: list[str] = []
        self._marks: list[int] = []
        self._reached: list[Reached] = []

    def violate(self, rule: str, what: str) -> None:
        """Note a violation."""
        self._world.say("VIOLATION", rule, what)
        self.violations.append(f"{rule}: {what}")

    # On the way

    def note_idle(self, partition: int, until_ms: int) -> None:
        """A partition is called idle: it must have been there to be asked."""
        away_since_ms = self._world.broker.partitions[partition].away_since_ms
        if away_since_ms is not None and until_ms - IDLE_LEASE_MS > away_since_ms:
            self.violate("IDLE", f"partition {partition} is away, and is called idle")

    def note_watermark(self, watermark_ms: int | None, asked_ms: int) -> None:
        """Note when the global watermark came where it had never been."""
        world = self._world
        if watermark_ms is not None and (not self._marks or watermark_ms > self._marks[-1]):
            idle_until = world.ledger.read_progress().idle_until
            partitions = range(len(world.broker.partitions))
            is_all_idle = all(idle_until.get(p, 0) > world.now_ms for p in partitions)
            self._marks.append(watermark_ms)
            is_stale = world.now_ms - asked_ms > IDLE_LEASE_MS
            self._reached.append(Reached(world.now_ms, is_all_idle, is_stale))

    # After healing

    def check_pace(self) -> None:
        """While live traffic flows the watermark follows it.

        Not promised where it looks like a replay: all live partitions were away for longer than a
        partition may drift, and one that only has a slow device's events never pauses.
        """
        world = self._world
        has_slow = any(traffic.kind == "slow" for traffic in world.schedule.traffic)
        is_live = world.ledger.read_progress().is_live
        if world.schedule.is_backfill or (has_slow and not is_live):
            return
        has_traffic = any(
            record.kind == "click" and record.timestamp > world.now_ms - 20_000
            for p, partition in enumerate(world.broker.partitions)
            for record in partition.log[-9:]
            if world.producers.traffic[p].kind == "live"
        )
        watermark = world.ledger.global_watermark()
        if has_traffic and (watermark is None or watermark < world.now_ms - STALLED_MS):
            self.violate("LIVENESS", f"the watermark stands at {watermark} while traffic flows")

    def is_drained(self) -> bool:
        """Say whether every record was read, and those of a click or none have arrived."""
        if not self._world.producers.has_sent_all:
            return False
        offsets = self._world.ledger.read_progress().offsets
        return all(
            record.kind == "control"
            for p, partition in enumerate(self._world.broker.partitions)
            for record in partition.log[offsets.get(p, 0) :]
        )

    def is_closed(self, *, by_itself: bool) -> bool:
        """Say whether no bucket is open; a replay may wait to be ended by hand."""
        store, progress = self._world.ledger.store, self._world.ledger.read_progress()
        if progress.closed_ms != progress.published_ms:
            return False
        if by_itself and not progress.is_live:
            return True
        return not any(store.read_open().values())

    # At the end

    def check(self) -> None:
        """Hold everything against the log."""
        self._check_order()
        self._check_counts()
        self._check_forecasts()
        self._check_store()

    def _published(self) -> dict[int, Published]:
        return {p.record.bucket_start: p for p in self._world.broker.published}

    def _check_order(self) -> None:
        bucket_ms = self._world.settings.bucket_ms
        known: set[str] = set()
        for published in self._world.broker.published:
            known |= set(published.record.counts)
            missing = known - set(published.record.counts)
            if missing:
                self.violate("GENRES", f"{missing} not in {published.record.bucket_start}")
        for before, after in itertools.pairwise(p.record for p in self._world.broker.published):
            gap = after.bucket_start - before.bucket_start
            is_fine = gap > bucket_ms if after.is_reset else gap == bucket_ms
            if not is_fine:
                self.violate("ORDER", f"{before.bucket_start} then {after.bucket_start}")

    def _check_counts(self) -> None:
        """Recount from the log: what lies below a bucket's cut and is not late is in it."""
        counted: collections.Counter[tuple[int, str]] = collections.Counter()
        late: set[tuple[int, int]] = set()
        dead_letters: set[tuple[int, int]] = set()
        seen: set[tuple[int, int, str]] = set()
        for p, partition in enumerate(self._world.broker.partitions):
            for record, is_log_late in self._events(partition.log):
                if record.kind == IMPRESSION and not is_log_late:
                    continue  # whatever closed meanwhile: it is in no bucket
                bucket = bucket_start(record.event_ms, self._world.settings.bucket_ms)
                if is_log_late or not self._is_below_cut(p, record.offset, bucket):
                    late.add((p, record.offset))
                    if not is_log_late:
                        self._check_not_false(p, record, bucket)
                    continue
                if self._world.settings.dedup and (p, bucket, record.event_id) in seen:
                    continue
                seen.add((p, bucket, record.event_id))
                counted.update((bucket, genre) for genre in record.genres)
            dead_letters |= {(p, r.offset) for r in partition.log if r.kind == "invalid"}
        self._compare("LATE", self._world.broker.late, late)
        self._compare("DEAD LETTERS", self._world.broker.dead_letters, dead_letters)
        self._compare_counts(counted)

    def _events(self, log: list[LogRecord]) -> list[tuple[LogRecord, bool]]:
        """Return a partition's events, and whether the log before each makes it late."""
        settings, watermark, events = self._world.settings, None, []
        for record in log:
            if record.kind in ("click", IMPRESSION):
                events.append((record, is_late(record.event_ms, watermark, settings.bucket_ms)))
                reached = min(record.event_ms, record.timestamp) - settings.max_out_of_orderness_ms
                watermark = max(LEAST_MS if watermark is None else watermark, reached)
        return events

    def _is_below_cut(self, p: int, offset: int, bucket: int) -> bool:
        published = self._published_at(bucket)
        return published is not None and offset < published.record.cut.get(p, 0)

    def _published_at(self, bucket: int) -> Published | None:
        return self._by_bucket.get(bucket)

    @property
    def _by_bucket(self) -> dict[int, Published]:
        return self._published()

    def _check_not_false(self, p: int, record: LogRecord, bucket: int) -> None:
        """A record that came in order is late only if its partition had truly been idle."""
        end = bucket + self._world.settings.bucket_ms
        at = bisect.bisect_left(self._marks, end)
        if not record.is_in_order or at == len(self._marks) or self._reached[at].is_stale:
            return
        reached_ms, is_all_idle = self._reached[at].at_ms, self._reached[at].is_all_idle
        name = f"partition {p} offset {record.offset}"
        if record.timestamp < reached_ms - IDLE_LEASE_MS - 1000:
            self.violate("FALSE LATE", f"{name} was in the log before its bucket could close")
        elif is_all_idle and self._world.schedule.is_backfill:
            self.violate("FALSE LATE", f"{name}: the wall clock closed a backfill's bucket")
        elif is_all_idle and reached_ms <= record.timestamp <= record.event_ms + NORMAL_DELAY_MS:
            self.violate("FALSE LATE", f"{name}: the wall clock overtook a normal delay")

    def _compare(
        self, topic: str, found: set[tuple[int, int]], expected: set[tuple[int, int]]
    ) -> None:
        if found - expected:
            self.violate(topic, f"{sorted(found - expected)} is there and should not be")
        if expected - found:
            self.violate(topic, f"{sorted(expected - found)} is missing")

    def _compare_counts(self, expected: "collections.Counter[tuple[int, str]]") -> None:
        found: collections.Counter[tuple[int, str]] = collections.Counter()
        for published in self._world.broker.published:
            for genre, cell in published.record.counts.items():
                found[published.record.bucket_start, genre] += cell[0]
        if self._world.schedule.max_genres < 3:  # genres beyond count under another name
            found, expected = _per_bucket(found), _per_bucket(expected)
        for key in sorted(set(found) | set(expected)):
            if found[key] != expected[key]:
                self.violate("COUNTS", f"{key}: {found[key]}, the log has {expected[key]}")

    def _check_forecasts(self) -> None:
        """Forecasts agree with the journal, and their state with all that was published."""
        is_cut_short = self._world.schedule.window_buckets < 100 and self._world.counts["restored"]
        states: dict[str, int] = {}
        for published in self._world.broker.published:
            record = published.record
            if record.is_reset:
                states.clear()
            for genre, cell in record.counts.items():
                states[genre] = link(states.get(genre, 0), cell[0])
            observed = {genre: cell[0] for genre, cell in record.counts.items()}
            if observed != {genre: seen for genre, (seen, _) in published.forecasts.items()}:
                self.violate("FORECASTS", f"{record.bucket_start} differs from the journal")
            means = {genre: round(mean) for genre, (_, mean) in published.forecasts.items()}
            if means != states and not is_cut_short:
                self.violate("STATE", f"{record.bucket_start}: {means}, the counts say {states}")
                return

    def _check_store(self) -> None:
        """The store ends where the journal ends."""
        progress = self._world.ledger.read_progress()
        published = self._world.broker.published
        tail = published[-1].record.bucket_start if published else None
        if progress.published_ms != tail:
            self.violate("STORE", f"published {progress.published_ms}, the journal {tail}")


def _per_bucket(
    counts: "collections.Counter[tuple[int, str]]",
) -> "collections.Counter[tuple[int, str]]":
    sums: collections.Counter[tuple[int, str]] = collections.Counter()
    for (bucket, _), count in counts.items():
        sums[bucket, ""] += count
    return sums
