"""Kafka in memory: logs with gaps, a group, side topics, and one fenced transactional topic."""

from dataclasses import dataclass, field

from contracts.forecasts import BucketRecord


@dataclass(slots=True)
class LogRecord:
    """One offset of a partition's log.

    Attributes:
        kind: `click`; `impression` (counts in no genre); `invalid` (a dead letter); `control` (a
            transaction marker, or compacted).
        is_in_order: Not late by its own partition, and soon after its event time.
    """

    offset: int
    timestamp: int
    kind: str
    value: bytes | None = None
    event_ms: int = 0
    genres: tuple[str, ...] = ()
    event_id: str = ""
    is_in_order: bool = True
    key: bytes | None = None


@dataclass(slots=True)
class Partition:
    """One partition of `clicks`; `begin` is the first offset that is kept."""

    log: list[LogRecord] = field(default_factory=list)
    begin: int = 0
    away_since_ms: int | None = None

    @property
    def end(self) -> int:
        return len(self.log)


@dataclass(frozen=True, slots=True)
class Published:
    """One committed bucket: its journal record, and per genre (observed clicks, mean forecast)."""

    record: BucketRecord
    forecasts: dict[str, tuple[int, float]]


@dataclass(slots=True)
class Broker:
    """The topics, and who owns which partition."""

    partitions: list[Partition]
    owners: dict[int, int] = field(default_factory=dict)
    generation: int = 0
    reassigned: set[int] = field(default_factory=set)
    assigned_count: int = 0
    late: set[tuple[int, int]] = field(default_factory=set)
    dead_letters: set[tuple[int, int]] = field(default_factory=set)
    published: list[Published] = field(default_factory=list)
    epoch: int = 0

    def rebalance(self, members: list[int]) -> None:
        """Deal the partitions that the group knows of to these members."""
        self.generation += 1
        self.reassigned = set()
        self.owners = {}
        if members:
            self.owners = {p: members[p % len(members)] for p in range(self.assigned_count)}

    def reassign(self, partition: int) -> None:
        """Let a partition be lost and given to the same member again."""
        self.generation += 1
        self.reassigned = {partition}

    def expire(self) -> None:
        """Delete what no replay of an open bucket needs (a retention as short as can be)."""
        if self.published:
            for p, point in self.published[-1].record.replay_from.items():
                partition = self.partitions[p]
                partition.begin = max(partition.begin, min(point.offset, partition.end))
