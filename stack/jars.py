"""Kafka's jars: a pinned list, fetched from a Maven repository, each verified by its sha256."""

import fcntl
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from stack.errors import MissingPartError
from stack.settings import StackSettings

JAR_LIST: Final = Path(__file__).with_name("kafka-jars.txt")
"""The pinned list that the package carries."""

_PARALLEL_FETCHES: Final = 6
"""Fetches at a time: enough to hide latency, few enough to be polite to Maven Central."""

_ATTEMPTS: Final = 3
"""Tries per jar: connections to mirrors break now and then."""

_SILENCE_SECONDS: Final = 30
"""A server that sends nothing for so long is given up."""

_BLOCK_BYTES: Final = 1 << 18
"""Bytes read at a time: the progress bar moves about every 256 KiB."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned file of a Maven repository."""

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """The name in the repository and in the cache."""
        return f"{self.artifact}-{self.version}.jar"

    def url(self, repository: str) -> str:
        """Return where `repository` has the jar."""
        folder = f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}"
        return f"{repository.rstrip('/')}/{folder}/{self.file_name}"


@cache
def pinned_jars() -> tuple[Jar, ...]:
    """Return the pinned list."""
    lines = JAR_LIST.read_text(encoding="utf-8").splitlines()
    return tuple(_parse(line) for line in lines if line and not line.startswith("#"))


def kafka_version() -> str:
    """Return the Kafka version that is pinned, such as "4.2.2"."""
    return next(jar.version for jar in pinned_jars() if jar.artifact == "kafka_2.13")


def ensure_jars(settings: StackSettings, jars: Sequence[Jar] | None = None) -> list[Path]:
    """Return the jars' paths in the cache, after fetching what is missing or not as pinned.

    A cached jar is hashed every time (a quarter of a second for all), so a damaged one never runs.

    Raises:
        MissingPartError: A jar cannot be fetched, or what came is not what was pinned.
    """
    wanted = pinned_jars() if jars is None else jars
    cache_dir = settings.jar_dir
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        if _missing_jars(cache_dir, wanted):
            with _alone(cache_dir):
                # Another process may have fetched them meanwhile.
                if missing := _missing_jars(cache_dir, wanted):
                    _fetch_all(settings.maven_repository, cache_dir, missing)
    except OSError as exc:
        raise _missing(f"the cache {cache_dir} cannot be written: {exc}") from exc
    return [cache_dir / jar.file_name for jar in wanted]


def _parse(line: str) -> Jar:
    coordinates, sha256, size = line.split()
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, sha256, int(size))


def _is_as_pinned(path: Path, jar: Jar) -> bool:
    if not path.is_file() or path.stat().st_size != jar.size_bytes:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == jar.sha256


def _missing_jars(cache_dir: Path, wanted: Sequence[Jar]) -> list[Jar]:
    return [jar for jar in wanted if not _is_as_pinned(cache_dir / jar.file_name, jar)]


@contextmanager
def _alone(cache_dir: Path) -> Iterator[None]:
    """Let one process fetch at a time."""
    with (cache_dir / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_all(repository: str, cache_dir: Path, jars: Sequence[Jar]) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        ThreadPoolExecutor(_PARALLEL_FETCHES) as pool,
    ):
        total_bytes = sum(jar.size_bytes for jar in jars)
        task = progress.add_task(f"Kafka {kafka_version()}", total=total_bytes)

        def advance(count_bytes: int) -> None:
            progress.advance(task, count_bytes)

        fetches = [pool.submit(_fetch, repository, cache_dir, jar, advance) for jar in jars]
        try:
            for fetch in fetches:
                fetch.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _fetch(repository: str, cache_dir: Path, jar: Jar, advance: Callable[[int], None]) -> None:
    """Fetch one jar; it appears under its name only when it is whole and as pinned."""
    url = jar.url(repository)
    for attempt in range(1, _ATTEMPTS + 1):
        received = 0
        descriptor, name = tempfile.mkstemp(dir=cache_dir, prefix=f".{jar.file_name}.")
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for block in _blocks(url):
                    stream.write(block)
                    received += len(block)
                    advance(len(block))
            if not _is_as_pinned(partial, jar):
                raise _missing(f"{url} is not the file that was pinned (its sha256 differs)")
            partial.chmod(0o644)
            partial.replace(cache_dir / jar.file_name)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as exc:
            advance(-received)
            if attempt == _ATTEMPTS or isinstance(exc, urllib.error.HTTPError):
                raise _missing(f"{url}: {exc}") from exc
        else:
            return
        finally:
            partial.unlink(missing_ok=True)


def _blocks(url: str) -> Iterator[bytes]:
    with urllib.request.urlopen(url, timeout=_SILENCE_SECONDS) as reply:  # noqa: S310 (http, https)
        while block := reply.read(_BLOCK_BYTES):
            yield block


def _missing(why: str) -> MissingPartError:
    return MissingPartError(
        f"Kafka {kafka_version()}",
        why,
        "let this machine reach the repository, or name another one: GENRECAST_MAVEN_REPOSITORY",
    )
