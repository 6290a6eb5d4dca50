"""The fault lab: servers, links and processes that a test may hit, and a way back to calm."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stack.ports import pick_port
from stack.runner import Stack
from tests.faults.proxy import Proxy
from tests.faults.spawner import Spawner

CALM_SECONDS: Final = 90.0
"""How long anything awaited may take on a busy machine, seconds."""

LOOK_SECONDS: Final = 0.05
"""How often it is looked for, seconds."""


def wait_for(is_true: Callable[[], bool], what: str, seconds: float = CALM_SECONDS) -> None:
    """Look until it is true.

    Raises:
        AssertionError: It took too long.
    """
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(LOOK_SECONDS)


@dataclass(slots=True)
class Lab:
    """One broker and one Redis, each also behind a proxy, and a server of processes."""

    directory: Path
    stack: Stack = field(init=False)
    kafka_link: Proxy = field(init=False)
    redis_link: Proxy = field(init=False)
    spawner: Spawner = field(default_factory=Spawner)
    # The kernel ends the servers with the thread that started them: one that lives as long.
    _keeper: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __post_init__(self) -> None:
        self.stack = Stack(self.directory / "stack", 0, redis_port=0, dies_with_parent=True)
        behind = pick_port()
        self.kafka_link = Proxy(behind, pick_port())
        self.stack.kafka.behind = (behind, self.kafka_link.port)
        self._keeper.submit(self.stack.up).result()
        self.redis_link = Proxy(self.stack.redis.port, pick_port())

    def heal(self) -> None:
        """Let everything run and answer again."""
        self.kafka_link.heal()
        self.redis_link.heal()
        self.stack.kafka.resume()
        self.stack.redis.resume()
        self.start_redis()
        self.start_kafka()

    def start_kafka(self) -> None:
        """Start the broker if it does not run; return when it answers."""
        self._keeper.submit(self.stack.start_kafka).result()

    def start_redis(self) -> None:
        """Start Redis if it does not run; return when it answers."""
        self._keeper.submit(self.stack.start_redis).result()

    def restart_kafka(self, *, is_crash: bool = True) -> None:
        """End the broker and start it again on its ports and data."""
        self.stop_kafka(is_crash=is_crash)
        self.start_kafka()

    def stop_kafka(self, *, is_crash: bool = True) -> None:
        """End the broker."""
        if is_crash:
            self.stack.kafka.kill()
        else:
            self.stack.kafka.stop()

    def restart_redis(self) -> None:
        """Kill Redis and start it again on its port and data."""
        self.stack.redis.kill()
        self.start_redis()

    def end(self) -> None:
        """End everything."""
        self.spawner.end()
        self.kafka_link.close()
        self.redis_link.close()
        self.stack.down()
        self._keeper.shutdown()


@contextmanager
def laboratory(directory: Path | None = None) -> Iterator[Lab]:
    """A lab in a directory of its own; one that is named stays."""
    path = directory or Path(tempfile.mkdtemp(prefix="genrecast-faults-"))
    lab = Lab(path)
    try:
        yield lab
    finally:
        lab.end()
        if directory is None:
            shutil.rmtree(path, ignore_errors=True)
