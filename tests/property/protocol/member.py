"""One process: the consumer's own turns of reading and closing, each a fiber that can be cut off.

Fibers are greenlets: a switch costs a fifth of a microsecond and the order is the world's alone
(threads that hand on a baton take a hundred times as long, and longer on a busy machine).
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from greenlet import GreenletExit, greenlet

from consumer.broker.topics import Topics
from consumer.closing import Closer
from consumer.health import Readiness
from consumer.lineup import Lineup
from consumer.loop import Loop
from consumer.service import CLOSE_WAIT_SECONDS, Backoff, PartitionCount, Service
from contracts.settings import Settings
from model.forecaster import Forecaster
from tests.property.protocol.forecaster import Chain
from tests.property.protocol.ports import (
    JournalPort,
    PublisherPort,
    SidePort,
    SourcePort,
    StorePort,
    TopicsPort,
)

if TYPE_CHECKING:
    from tests.property.protocol.world import World


class Fiber:
    """A thread of a member, run by the world alone."""

    def __init__(self, member: "Member", run: Callable[[], None], hub: greenlet) -> None:
        self.member = member
        self.wakes_ms = 0
        self.waits_for: threading.Event | None = None
        self._run = run
        self._greenlet = greenlet(self._guard, parent=hub)

    def _guard(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 (whatever ends a process is a finding)
            self.member.world.stopped_by(self.member, error)

    def is_ready(self, now_ms: int) -> bool:
        if self.member.is_stopped or self._greenlet.dead:
            return False
        is_called = self.waits_for is not None and self.waits_for.is_set()
        return is_called or now_ms >= self.wakes_ms

    def resume(self) -> None:
        self.waits_for = None
        self._greenlet.switch()

    def kill(self) -> None:
        self._greenlet.throw()


class Nap(threading.Event):
    """A process' `stop`: waiting for it is a nap."""

    def __init__(self, member: "Member") -> None:
        super().__init__()
        self._member = member

    def wait(self, timeout: float | None = None) -> bool:
        self._member.nap(timeout or 0.0)
        return False


class Member:
    """One consumer process. It owns nothing that outlives it."""

    def __init__(self, world: "World", number: int, hub: greenlet) -> None:
        self.world = world
        self.number = number
        self.name = f"member {number}"
        self.is_stopped = False
        self.is_dead = False
        self._hub = hub
        self._service = Service(world.settings, Readiness(world.monotonic), Nap(self))
        self._changed = self._service._changed
        self._source, self._store = SourcePort(self), StorePort(self)
        self._loop = Loop(
            world.settings,
            self._source,
            self._store,
            SidePort(self),
            self._changed,
            monotonic=world.monotonic,
            wall_ms=world.wall_ms,
            sleep=self.nap,
        )
        self._closer = Closer(
            store=self._store,
            journal=JournalPort(self),
            open_publisher=lambda: PublisherPort(self),
            partition_count=PartitionCount(
                cast("Topics", TopicsPort(self)),
                world.settings.topic_clicks,
                monotonic=world.monotonic,
            ),
            lineup=Lineup(settings=world.settings, load_built_in=_load_chain),
            wall_ms=world.wall_ms,
        )
        self.fibers = [Fiber(self, self._read, hub), Fiber(self, self._close, hub)]

    def _read(self) -> None:
        backoff = Backoff(self._service.stop)
        while True:
            self._service._take_turn(self._loop, self._source, self._store, backoff)

    def _close(self) -> None:
        backoff = Backoff(self._service.stop)
        while True:
            self._changed.clear()
            if not self._service._close_next(self._closer, backoff):
                self.nap(CLOSE_WAIT_SECONDS, self._changed)

    def reach(self, call: str) -> None:
        """Come to a call on a port: the world may let others go on, or end us here."""
        if self.is_dead:
            raise GreenletExit
        if self.world.strikes(self, call) or self.world.is_turn_over():
            self._hub.switch()

    def nap(self, seconds: float, until: threading.Event | None = None) -> None:
        """Let time pass."""
        if self.is_dead:
            raise GreenletExit
        fiber = self.world.running
        fiber.wakes_ms = self.world.now_ms + max(1, round(seconds * 1000))
        fiber.waits_for = until
        self._hub.switch()

    def die(self) -> None:
        """End both fibers where they are; what they hold is lost."""
        self.is_dead = True
        for fiber in self.fibers:
            fiber.kill()


def _load_chain(_settings: Settings) -> tuple[Forecaster, str | None]:
    chain: Any = Chain()
    return chain, None
