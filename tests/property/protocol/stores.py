"""The stores under test, with what a real one suffers: emptied, or back at an earlier write."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

import redis

from contracts.settings import Settings
from stack.programs import find_redis
from stack.settings import StackSettings
from state.memory_store import MemoryStore, _Deployment
from state.redis_store import RedisStore
from state.store import Progress, Store

T = TypeVar("T")
Write = Callable[[Store], object]

WRITES_PER_SNAPSHOT: Final = 32
"""Writes made again at most, beside those of one snapshot before, when the store goes back."""

_SAVE: Final = """
local saved = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  saved[#saved + 1] = key
  saved[#saved + 1] = redis.call('DUMP', key)
end
return saved"""

_LOAD: Final = """
redis.call('FLUSHDB')
for i = 1, #ARGV, 2 do redis.call('RESTORE', ARGV[i], 0, ARGV[i + 1]) end
return 1"""


class Backend(Protocol):
    """A store and how to take and bring back all that it holds."""

    store: Store

    def save(self) -> object: ...
    def load(self, saved: object) -> None: ...
    def wipe(self) -> None: ...
    def close(self) -> None: ...
    def global_watermark(self) -> int | None: ...


class InMemory:
    """The in-memory twin."""

    def __init__(self, settings: Settings) -> None:
        self._memory = MemoryStore(settings)
        self.store: Store = self._memory

    def save(self) -> object:
        return self._memory.snapshot()

    def load(self, saved: object) -> None:
        self._memory.rollback(cast("_Deployment | None", saved))

    def wipe(self) -> None:
        self._memory.wipe()

    def close(self) -> None:
        return

    def global_watermark(self) -> int | None:
        held = self._memory._held
        return held.global_watermark if held else None


class OnRedis:
    """The scripts, on a Redis that is emptied first."""

    def __init__(self, socket: Path, settings: Settings) -> None:
        self._client = redis.Redis(unix_socket_path=str(socket))
        self._save = self._client.register_script(_SAVE)
        self._load = self._client.register_script(_LOAD)
        self._meta = f"{{genrecast:{settings.app}}}:meta"
        self._real = RedisStore.connect(settings)
        self.store: Store = self._real
        self.wipe()

    def save(self) -> object:
        return self._save()

    def load(self, saved: object) -> None:
        self._load(args=cast("list[bytes]", saved))

    def wipe(self) -> None:
        self._client.flushdb()

    def close(self) -> None:
        self._real.close()
        self._client.close()

    def global_watermark(self) -> int | None:
        held = self._client.hget(self._meta, "global_watermark")
        return int(cast("bytes", held)) if held else None


class Ledger:
    """Makes the writes and can go back by some of them.

    The scripts are functions of their arguments and the keys, so writes made again after a
    snapshot end where they ended before: no copy is needed for each.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._snapshots: list[tuple[object, list[Write]]] = [(backend.save(), [])]
        self._progress: Progress | None = None

    @property
    def store(self) -> Store:
        return self._backend.store

    def close(self) -> None:
        self._backend.close()

    def global_watermark(self) -> int | None:
        return self._backend.global_watermark()

    def read_progress(self) -> Progress:
        """Read where the deployment stands; not again while nothing was written."""
        if self._progress is None:
            self._progress = self.store.read_progress()
        return self._progress

    def write(self, call: Callable[[Store], T]) -> T:
        self._progress = None
        result = call(self.store)
        self._snapshots[-1][1].append(call)
        if len(self._snapshots[-1][1]) == WRITES_PER_SNAPSHOT:
            del self._snapshots[:-1]
            self._snapshots.append((self._backend.save(), []))
        return result

    def go_back(self, writes: int) -> None:
        """Undo the last so many writes, as far as two snapshots reach."""
        self._progress = None
        saved, made = self._snapshots.pop()
        if writes > len(made) and self._snapshots:
            writes -= len(made)
            saved, made = self._snapshots.pop()
        del made[max(0, len(made) - writes) :]
        self._snapshots = [(saved, made)]
        self._backend.load(saved)
        for call in made:
            call(self.store)

    def wipe(self) -> None:
        self._progress = None
        self._backend.wipe()
        self._snapshots = [(self._backend.save(), [])]


@contextlib.contextmanager
def redis_server() -> Iterator[Path]:
    """Start a Redis without files of data, and yield its socket; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="genrecast-protocol-") as directory:
        socket = Path(directory) / "redis"
        process = subprocess.Popen(
            [find_redis(StackSettings()), "--port", "0", "--unixsocket", socket,
             "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _await_ready(socket)
            yield socket
        finally:
            process.terminate()
            process.wait()


def _await_ready(socket: Path) -> None:
    for _ in range(200):
        with (
            contextlib.suppress(redis.ConnectionError),
            redis.Redis(unix_socket_path=str(socket)) as client,
        ):
            client.ping()
            return
        time.sleep(0.05)
    raise TimeoutError("redis-server does not answer")
