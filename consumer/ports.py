"""What the loop asks of Kafka; `consumer.broker` has it, tests have twins."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from consumer.aggregate import Elsewhere
from consumer.records import Record


class Source(Protocol):
    """The clicks topic, as `consumer.broker.source.ClickSource` has it."""

    @property
    def owned(self) -> frozenset[int]: ...  # noqa: D102
    @property
    def unplaced(self) -> frozenset[int]: ...  # noqa: D102
    def poll(self, timeout_ms: int) -> Mapping[int, Sequence[Record]]: ...  # noqa: D102
    def position(self, partition: int) -> int | None: ...  # noqa: D102
    def seek(self, partition: int, offset: int) -> None: ...  # noqa: D102
    def pause_only(self, partitions: set[int]) -> None: ...  # noqa: D102
    def end_offsets(self, partitions: set[int]) -> dict[int, int]: ...  # noqa: D102
    def last_end(self, partition: int) -> int | None: ...  # noqa: D102
    def begin_offsets(self, partitions: set[int]) -> dict[int, int]: ...  # noqa: D102
    def commit(self, offsets: Mapping[int, int]) -> None: ...  # noqa: D102


class Side(Protocol):
    """The late and dead-letter topics; what is sent is there for sure after `flush` only."""

    def send(  # noqa: D102
        self, partition: int, late: Sequence[Elsewhere], dead_letters: Sequence[Elsewhere]
    ) -> None: ...
    def flush(self) -> None: ...  # noqa: D102
