"""Runs schedules on either store, and makes failing ones small."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from contracts.settings import Settings
from tests.property.protocol.schedule import Schedule
from tests.property.protocol.stores import Backend, InMemory, OnRedis, redis_server
from tests.property.protocol.world import World

Run = Callable[[Schedule, Callable[[str], None] | None], tuple[list[str], World]]


@contextlib.contextmanager
def runner(store: str) -> Iterator[Run]:
    """Yield what runs a schedule on a store of this name."""
    with contextlib.ExitStack() as stack:
        if store == "redis":
            socket = stack.enter_context(redis_server())
            url = f"unix://{socket}"

            def make(settings: Settings) -> Backend:
                return OnRedis(socket, settings)
        else:
            url, make = "redis://localhost:6379/0", InMemory

        def run(schedule: Schedule, trace: Callable[[str], None] | None) -> tuple[list[str], World]:
            world = World(schedule, make, redis_url=url, trace=trace)
            return world.run(), world

        yield run


def smallest(run: Run, schedule: Schedule) -> Schedule:
    """Leave out faults, one by one, for as long as the rest still fails."""
    at = 0
    while at < len(schedule.faults):
        fewer = (*schedule.faults[:at], *schedule.faults[at + 1 :])
        if run(replace(schedule, faults=fewer), None)[0]:
            schedule = replace(schedule, faults=fewer)
        else:
            at += 1
    return schedule
