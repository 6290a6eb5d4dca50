"""What strikes at once; the world itself arms what strikes at a call."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tests.property.protocol.broker import Partition
from tests.property.protocol.schedule import MAX_PARTITIONS

if TYPE_CHECKING:
    from tests.property.protocol.world import World


def _crash(world: "World", size: int) -> None:
    running = [m for m in world.members if not m.is_stopped]
    if running:
        world.bury(running[size % len(running)], size)


def _stop(world: "World", size: int) -> None:
    running = [m for m in world.members if not m.is_stopped]
    if running:
        world.stop(running[size % len(running)])


def _continue(world: "World", size: int) -> None:
    stopped = [m for m in world.members if m.is_stopped]
    if stopped:
        stopped[size % len(stopped)].is_stopped = False


def _rebalance(world: "World", _size: int) -> None:
    world.rebalance()


def _reassign(world: "World", size: int) -> None:
    world.broker.reassign(size % len(world.broker.partitions))


def _roll_back(world: "World", size: int) -> None:
    world.ledger.go_back(1 + size * size // 40)  # mostly a few writes


def _wipe(world: "World", _size: int) -> None:
    world.ledger.wipe()


def _take_away(world: "World", size: int) -> None:
    partition = world.broker.partitions[size % len(world.broker.partitions)]
    partition.away_since_ms = world.now_ms if partition.away_since_ms is None else None


def _add_partition(world: "World", _size: int) -> None:
    if len(world.broker.partitions) < MAX_PARTITIONS:
        world.broker.partitions.append(Partition())


def _notice_partitions(world: "World", _size: int) -> None:
    world.broker.assigned_count = len(world.broker.partitions)
    world.rebalance()


def _change_rate(world: "World", size: int) -> None:
    world.producers.change_rate(size % len(world.broker.partitions), size)


def _expire(world: "World", _size: int) -> None:
    world.broker.expire()


STRIKES: Final[dict[str, Callable[["World", int], None]]] = {
    "crash": _crash,
    "stop": _stop,
    "continue": _continue,
    "rebalance": _rebalance,
    "reassign": _reassign,
    "rollback": _roll_back,
    "wipe": _wipe,
    "partition away": _take_away,
    "partition added": _add_partition,
    "partitions noticed": _notice_partitions,
    "rate": _change_rate,
    "retention": _expire,
}
"""What each kind of fault does, beside those that wait for a call."""
