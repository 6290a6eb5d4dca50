"""Which partitions are idle: read to their end and quiet. Their leases in Redis are renewed here.

A partition that is paused, lags, or can't be reached is never idle: it holds the watermark.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from consumer.errors import BrokerUnavailableError
from consumer.ports import Source
from contracts.settings import Settings
from state.store import Progress, Store

IDLE_LEASE_MS: Final = 2_000
"""How long a partition stays idle without renewal, ms: a dead owner must not leave it so."""

IDLE_CHECK_SECONDS: Final = 0.5
"""How often the ends of quiet partitions are asked for, seconds."""

AWAY_CHECK_SECONDS: Final = 2.0
"""The same while they can't be had, seconds: asking takes as long, and the rest goes on."""


@dataclass(slots=True)
class Quiet:
    """Since when a partition has been quiet, monotonic seconds.

    Attributes:
        event_at: The last event, or the last time when none could have been seen.
        reachable_at: Since when its end could be had whenever it was asked for.
        is_away: Whether its end could not be had when last asked for.
    """

    event_at: float
    reachable_at: float | None = None
    is_away: bool = False


@dataclass(slots=True)
class Idleness:
    """The clocks of one member's partitions; used from the loop's thread."""

    settings: Settings
    source: Source
    store: Store
    monotonic: Callable[[], float]
    wall_ms: Callable[[], int]
    _quiet: dict[int, Quiet] = field(default_factory=dict)
    _checked_at: float = 0.0

    @property
    def partitions(self) -> frozenset[int]:
        """Those with a clock."""
        return frozenset(self._quiet)

    def restart(self, partition: int) -> None:
        """Start a partition's clock anew: it was placed, or paused."""
        self._quiet[partition] = Quiet(self.monotonic())

    def note_event(self, partition: int) -> None:
        """Note that an event came."""
        self._quiet[partition].event_at = self.monotonic()

    def forget(self, partition: int) -> None:
        """Drop a partition that is no longer ours."""
        del self._quiet[partition]

    def is_due(self) -> bool:
        """Say whether it is time to look again, and count from now if so."""
        now = self.monotonic()
        if now - self._checked_at < IDLE_CHECK_SECONDS:
            return False
        self._checked_at = now
        return True

    def renew(self, progress: Progress, positions: Mapping[int, int]) -> None:
        """Renew the leases of partitions that are read to their end and quiet for long enough.

        Args:
            progress: Where Redis stands.
            positions: Next offset per placed partition.
        """
        now, timeout = self.monotonic(), self.settings.idle_timeout_seconds
        asked = {
            p
            for p, quiet in self._quiet.items()
            if now - quiet.event_at >= timeout or quiet.is_away or self._is_far_behind(p, progress)
        }
        if not asked:
            return
        checked_ms = self.wall_ms()
        try:
            ends = self.source.end_offsets(asked)
        except BrokerUnavailableError:
            self._start_anew()
            return
        for partition, end in ends.items():
            quiet = self._quiet[partition]
            quiet.is_away = False
            quiet.reachable_at = quiet.reachable_at if quiet.reachable_at is not None else now
            is_silent = now - quiet.event_at >= timeout or now - quiet.reachable_at >= timeout
            at = positions.get(partition)
            if is_silent and at == end and self.source.position(partition) == end:
                self.store.renew_idle(partition, at, checked_ms + IDLE_LEASE_MS)

    def _start_anew(self) -> None:
        """Unreachable is not idle; it is asked again, so that the clocks start when it is back."""
        now = self.monotonic()
        self._checked_at = now + AWAY_CHECK_SECONDS - IDLE_CHECK_SECONDS
        for partition in self._quiet:
            self._quiet[partition] = Quiet(now, is_away=True)

    def _is_far_behind(self, partition: int, progress: Progress) -> bool:
        """Say whether a live partition only gets events that are old, or dead letters."""
        watermark = progress.watermarks.get(partition)
        drift_ms = self.settings.max_partition_drift_buckets * self.settings.bucket_ms
        return progress.is_live and watermark is not None and watermark < self.wall_ms() - drift_ms
