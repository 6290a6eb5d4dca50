"""The stack: one Kafka and one Redis over one data directory, up and down together."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from stack.errors import AlreadyRunningError, BusyError, StackError
from stack.parts import KafkaBroker, RedisServer, require_plain_path
from stack.ports import choose_port
from stack.settings import StackSettings

KAFKA_PORT: Final = 9092
"""Taken when free: the port that clients expect by default."""

REDIS_PORT: Final = 6379
"""Taken when free: the port that clients expect by default."""

_LOCK_SECONDS: Final = 180.0
"""How long to wait for another process's `up` or `down`; a first `up` fetches Kafka."""

PartState = Literal["running", "stopped"]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where clients connect."""

    kafka_bootstrap: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """What runs, and where it can be reached; empty strings when it was never up."""

    kafka: PartState
    redis: PartState
    kafka_bootstrap: str
    redis_url: str

    @property
    def is_up(self) -> bool:
        """Whether both parts run."""
        return self.kafka == self.redis == "running"


class Stack:
    """Real Kafka and real Redis in a data directory.

    Another `Stack` over the same directory, in this process or a later one, sees and stops the
    same servers. As a context manager it is up inside the block and down after it.

    Args:
        data_dir: Holds all data, logs and pidfiles; `StackSettings().data_dir` when None.
        kafka_port: A port to insist on; 0 takes any free one; None prefers the last one or 9092.
        redis_port: The same for Redis and 6379.
        settings: Where programs and jars come from; from the environment when None.
        dies_with_parent: Have the kernel kill both servers when the thread that started them
            ends, whatever way: for demos and tests.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        kafka_port: int | None = None,
        *,
        redis_port: int | None = None,
        settings: StackSettings | None = None,
        dies_with_parent: bool = False,
    ) -> None:
        settings = settings or StackSettings()
        self.data_dir = require_plain_path(data_dir or settings.data_dir)
        self.kafka = KafkaBroker(self.data_dir, settings)
        self.redis = RedisServer(self.data_dir, settings)
        self._asked = {"kafka": kafka_port, "redis": redis_port}
        self._dies_with_parent = dies_with_parent
        self._read_ports()

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    @property
    def endpoints(self) -> Endpoints:
        """Where clients connect, once it has been up."""
        return Endpoints(self.kafka.bootstrap, self.redis.url)

    def up(self) -> Endpoints:
        """Start what does not run and return when both answer. Idempotent.

        Raises:
            StackError: A part cannot be had, a port is taken, a server does not start.
        """
        with self._locked():
            self._read_ports()
            self._choose(self.kafka, KAFKA_PORT)
            self._choose(self.redis, REDIS_PORT)
            self._write_ports()
            # Redis first: it starts in milliseconds and shows early that it cannot.
            self.start_redis()
            self.start_kafka()
        return self.endpoints

    def start_kafka(self) -> None:
        """Start the broker on its port, with its data; return when it answers."""
        self.kafka.start(dies_with_parent=self._dies_with_parent)

    def start_redis(self) -> None:
        """Start Redis on its port, with its data; return when it answers."""
        self.redis.start(dies_with_parent=self._dies_with_parent)

    def down(self) -> None:
        """End both servers; the data stays. Idempotent."""
        if not self.data_dir.exists():
            return
        with self._locked():
            self.kafka.stop()
            self.redis.stop()

    def status(self) -> StackStatus:
        """Return what runs."""
        self._read_ports()
        return StackStatus(
            kafka="running" if self.kafka.is_running() else "stopped",
            redis="running" if self.redis.is_running() else "stopped",
            kafka_bootstrap=self.kafka.bootstrap if self.kafka.port else "",
            redis_url=self.redis.url if self.redis.port else "",
        )

    @property
    def _state_file(self) -> Path:
        return self.data_dir / "stack.json"

    def _choose(self, part: KafkaBroker | RedisServer, default_port: int) -> None:
        asked = self._asked[part.name]
        if part.is_running():
            if asked and asked != part.port:
                raise AlreadyRunningError(
                    f"{part.name} of {self.data_dir} runs already, on port {part.port}, not "
                    f"{asked}; stop it first: genrecast stack down"
                )
            return
        part.port = choose_port(asked, part.port or default_port, what=f"for {part.name}")

    def _read_ports(self) -> None:
        try:
            known = json.loads(self._state_file.read_text(encoding="utf-8"))
            self.kafka.port, self.redis.port = int(known["kafka_port"]), int(known["redis_port"])
        except (OSError, ValueError, KeyError, TypeError):
            return

    def _write_ports(self) -> None:
        known = {"kafka_port": self.kafka.port, "redis_port": self.redis.port}
        partial = self._state_file.with_suffix(".new")
        text = json.dumps(asdict(self.endpoints) | known)
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._state_file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep two processes from starting or stopping the same stack at a time."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock = (self.data_dir / "lock").open("w", encoding="ascii")
        except OSError as exc:
            raise StackError(f"data directory {self.data_dir}: {exc}") from exc
        with lock:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as exc:
                    if time.monotonic() >= deadline:
                        raise BusyError(
                            f"another process is starting or stopping {self.data_dir}"
                        ) from exc
                    time.sleep(0.1)
            yield
