"""Connections to Redis, and the only import of `redis`: a server, Sentinel's primary, a cluster.

A client is made on first use and thrown away after any trouble: the next call finds out anew who
the primary is. Nothing is repeated here: a repeated write would be harmless (compare-and-set) but
would hide a lost reply, and a client that retries by itself keeps silent about an outage.
"""

import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from contracts.kafka_client import read_secret
from contracts.options import ConfigurationError
from contracts.redis_url import RedisAddress, parse_redis_url
from contracts.settings import Settings
from state.store import StoreError, StoreRefusedError, StoreUnavailableError

CONNECT_TIMEOUT_SECONDS: Final = 3.0
"""How long a connection to Redis may take, seconds."""

SOCKET_TIMEOUT_SECONDS: Final = 5.0
"""How long a reply from Redis may take, seconds; a lost one shows as a failed compare."""

_IN_SCRIPT: Final = re.compile(r"^Error running script.*@user_script: ?\d+: -?", re.DOTALL)
"""What Redis before 7 puts before the error of a command inside a script."""

_SENTINEL_SAID: Final = re.compile(r"> - (.*?)(?=, <|$)")
"""Each sentinel's trouble, in the client's message that no primary is known."""

_UNAVAILABLE: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ResponseError,  # READONLY, LOADING, MASTERDOWN, CLUSTERDOWN, OOM pass as an outage does
    redis.InvalidResponse,
    redis.exceptions.ClusterError,
    redis.exceptions.RedisClusterException,
    OSError,
)

_REFUSED: Final = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
    ssl.SSLError,
)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name that Redis gives it."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> "Script":
        """Name a script."""
        # Redis names scripts by SHA-1; nothing is protected by it.
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisClient:
    """Runs scripts, wherever their keys are; safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        url = settings.redis_url.get_secret_value()
        self._address = parse_redis_url(url)
        self._open = _opener(url, self._address, _options(settings, self._address))
        self._lock = threading.Lock()
        self._opened: tuple[Any, list[Callable[[], object]]] | None = None
        if self._address.topology != "cluster":  # a cluster's client connects at once
            try:
                self._client()
            except ValueError as error:
                raise ConfigurationError(f"GENRECAST_REDIS_URL: {error}") from None

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        """Run a script, atomically.

        Raises:
            StoreUnavailableError, StoreRefusedError: Redis is not there, or refuses us.
        """
        with self._translated():
            client, reply = self._client(), None
            try:
                reply = client.evalsha(script.sha, len(keys), *keys, *arguments)
            except redis.exceptions.NoScriptError:
                # EVAL goes where the keys are and loads it; SCRIPT LOAD asks every primary.
                reply = client.eval(script.text, len(keys), *keys, *arguments)
        replies: list[Any] = reply
        return replies

    def close(self) -> None:
        """Close the connections; a later call opens them anew."""
        with self._lock:
            opened, self._opened = self._opened, None
        for close in opened[1] if opened else ():
            close()

    def _client(self) -> Any:  # noqa: ANN401 (a client of one of two classes)
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate the client's errors, and forget whom it was talking to."""
        try:
            yield
        except _UNAVAILABLE as error:
            self.close()
            raise _translate(error, self._address) from error


def _options(settings: Settings, address: RedisAddress) -> dict[str, Any]:
    """Return what every connection to Redis itself is made with."""
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
    }
    if address.username:
        options["username"] = address.username
    if address.password:
        options["password"] = address.password
    if settings.redis_password_file:
        options["password"] = read_secret(
            settings.redis_password_file, "GENRECAST_REDIS_PASSWORD_FILE"
        )
    if settings.redis_ca_file and address.is_tls:
        options["ssl_ca_certs"] = str(settings.redis_ca_file)
    return options


def _opener(
    url: str, address: RedisAddress, options: dict[str, Any]
) -> Callable[[], tuple[Any, list[Callable[[], object]]]]:
    """Return what makes a client, with what closes it."""
    tls: dict[str, Any] = {"ssl": True} if address.is_tls else {}

    def open_server() -> tuple[Any, list[Callable[[], object]]]:
        client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
        return client, [client.close]

    def open_sentinel() -> tuple[Any, list[Callable[[], object]]]:
        asking = {k: v for k, v in options.items() if k.startswith(("socket_", "ssl_"))} | tls
        asking["retry"] = Retry(NoBackoff(), 0)
        sentinel = Sentinel(list(address.hosts), sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        client = sentinel.master_for(  # type: ignore[no-untyped-call]
            address.service,
            db=address.database,
            retry=Retry(NoBackoff(), 0),
            **tls,
            **options,
        )
        return client, [client.close, sentinel.close]

    def open_cluster() -> tuple[Any, list[Callable[[], object]]]:
        client = RedisCluster(
            startup_nodes=[ClusterNode(*host) for host in address.hosts],  # type: ignore[no-untyped-call]
            retry=Retry(NoBackoff(), 0),
            require_full_coverage=False,  # one slot is ours; the others are none of our business
            **tls,
            **options,
        )
        return client, [client.close]

    return {"server": open_server, "sentinel": open_sentinel, "cluster": open_cluster}[
        address.topology
    ]


def _translate(error: Exception, address: RedisAddress) -> StoreError:
    reason = _IN_SCRIPT.sub("", str(error))
    if isinstance(error, MasterNotFoundError):
        reason = "; ".join(
            [f"no sentinel names a primary {address.service!r}", *_SENTINEL_SAID.findall(reason)]
        )
    if isinstance(error, redis.exceptions.AskError) and address.topology != "cluster":
        return StoreRefusedError(
            "Redis is a node of a cluster: GENRECAST_REDIS_URL must be redis+cluster://host:port"
        )
    if reason.startswith("NOPERM") or any(isinstance(e, _REFUSED) for e in _causes(error)):
        return StoreRefusedError(f"Redis refuses us: {reason}")
    return StoreUnavailableError(f"Redis: {reason}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those it came from: the cluster's client hides a wrong password so."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
