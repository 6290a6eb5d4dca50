"""The lab with its servers in containers; consumers and simulator are processes as ever."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from stack.ports import pick_port
from stack.runner import Endpoints
from tests.containers import kafka_container, redis_container, wait_until_up
from tests.faults.spawner import Spawner


@dataclass(slots=True)
class Box:
    """One server's container; its files stay while it is down."""

    container: Any

    def kill(self) -> None:
        """End the server as a crash would."""
        self.container.get_wrapped_container().kill()

    def stop(self) -> None:
        """End the server in order."""
        self.container.get_wrapped_container().stop(timeout=30)

    def start(self) -> None:
        """Start it again, on its port and files."""
        self.container.get_wrapped_container().start()

    def pause(self) -> None:
        """Freeze it."""
        self.container.get_wrapped_container().pause()

    def resume(self) -> None:
        """Let it go on."""
        self.container.get_wrapped_container().unpause()


@dataclass(slots=True)
class Servers:
    """Kafka and Redis."""

    endpoints: Endpoints
    kafka: Box
    redis: Box


@dataclass(slots=True)
class ContainerLab:
    """What `Trial` needs of a lab."""

    stack: Servers
    spawner: Spawner = field(default_factory=Spawner)

    def wait(self) -> None:
        """Wait until both servers answer."""
        wait_until_up(self.stack.endpoints)


@contextmanager
def container_laboratory() -> Iterator[ContainerLab]:
    """Start both containers; whatever happens, they are removed."""
    kafka_port, redis_port = pick_port(), pick_port()
    with kafka_container(kafka_port) as kafka, redis_container(redis_port) as redis:
        endpoints = Endpoints(f"127.0.0.1:{kafka_port}", f"redis://127.0.0.1:{redis_port}/0")
        lab = ContainerLab(Servers(endpoints, Box(kafka), Box(redis)))
        lab.wait()
        try:
            yield lab
        finally:
            lab.spawner.end()
