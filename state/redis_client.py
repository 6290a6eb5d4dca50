"""Connections to Redis, and the only import of `redis`: a server, Sentinel's primary, a cluster.

A client is made on first use and thrown away after any trouble: the next call finds out anew who
the primary is. Nothing is repeated here: a repeated write would be harmless (compare-and-set) but
would hide a lost reply, and a client that retries by itself keeps silent about an outage.
"""

import hashlib
import re
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

from contracts.options import ConfigurationError
from contracts.redis_url import RedisAddress, has_password, parse_redis_url
from contracts.refusals import REDIS, SENTINELS, refused_link
from contracts.secret_files import read_secret, secret_of
from contracts.settings import Settings
from contracts.tls import tls_files
from state.store import (
    StoreError,
    StoreLinkRefusedError,
    StoreRefusedError,
    StoreUnavailableError,
)

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

_DENIED: Final = re.compile(r"NOPERM|ACL failure in script|The user executing the script can't")
"""How Redis says inside a script that a right is missing: each release in another way."""

_TLS_OPTIONS: Final = {
    "ca": "ssl_ca_certs", "certificate": "ssl_certfile", "key": "ssl_keyfile",
}  # fmt: skip

Opened = tuple[Any, list[Callable[[], object]]]
"""A client, and what closes it."""


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
        """Check the settings; the first call connects.

        Raises:
            ConfigurationError: Naming the setting: the URL, or a file that is no good.
        """
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._address, open_ = _opener(settings)
        if self._address.topology != "cluster":  # a cluster's client connects at once
            self._opened = open_()

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
                # Files are read anew: a password may have been changed at both ends.
                try:
                    self._address, open_ = _opener(self._settings)
                    self._opened = open_()
                except ConfigurationError as error:
                    raise StoreRefusedError(error.message) from error
            return self._opened[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate the client's errors, and forget whom it was talking to."""
        try:
            yield
        except _UNAVAILABLE as error:
            self.close()
            raise _translate(error, self._address) from error


def _opener(settings: Settings) -> tuple[RedisAddress, Callable[[], Opened]]:
    """Return where Redis is, and what makes a client.

    Raises:
        ConfigurationError: Naming the setting: the URL, or a file that is no good.
    """
    url = secret_of(settings, "redis_url") or ""
    try:
        address = parse_redis_url(url)
    except ValueError as error:
        raise ConfigurationError(f"{_url_setting(settings)}: {error}") from None
    options = _options(settings, address)
    if address.topology == "sentinel":
        return address, lambda: _open_sentinel(address, options, _sentinel_login(settings))
    if address.topology == "cluster":
        return address, lambda: _open_cluster(address, options)
    return address, lambda: _open_server(url, options, _url_setting(settings))


def _url_setting(settings: Settings) -> str:
    return "GENRECAST_REDIS_URL_FILE" if settings.redis_url_file else "GENRECAST_REDIS_URL"


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
        name = "GENRECAST_REDIS_PASSWORD_FILE"
        if has_password(secret_of(settings, "redis_url") or ""):
            raise ConfigurationError(
                f"{_url_setting(settings)} has a password and {name} is set: keep one"
            )
        options["password"] = read_secret(settings.redis_password_file, name)
    if address.is_tls:
        files = tls_files(settings, "redis")
        options |= {_TLS_OPTIONS[part]: path for part, path in files.items()}
    return options


def _open_server(url: str, options: dict[str, Any], setting: str) -> Opened:
    try:
        client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    except ValueError as error:
        raise ConfigurationError(f"{setting}: {error}") from None
    return client, [client.close]


def _sentinel_login(settings: Settings) -> dict[str, str]:
    given = {
        "username": settings.redis_sentinel_username,
        "password": secret_of(settings, "redis_sentinel_password"),
    }
    return {name: value for name, value in given.items() if value}


def _open_sentinel(address: RedisAddress, options: dict[str, Any], login: dict[str, str]) -> Opened:
    common = {k: v for k, v in options.items() if k.startswith(("socket_", "ssl_"))}
    tls: dict[str, Any] = {"ssl": True} if address.is_tls else {}
    asking = common | tls | login | {"retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel(list(address.hosts), sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(  # type: ignore[no-untyped-call]
        address.service,
        db=address.database,
        retry=Retry(NoBackoff(), 0),
        **tls,
        **options,
    )
    return client, [client.close, sentinel.close]


def _open_cluster(address: RedisAddress, options: dict[str, Any]) -> Opened:
    tls: dict[str, Any] = {"ssl": True} if address.is_tls else {}
    client = RedisCluster(
        startup_nodes=[ClusterNode(*host) for host in address.hosts],  # type: ignore[no-untyped-call]
        retry=Retry(NoBackoff(), 0),
        require_full_coverage=False,  # one slot is ours; the others are none of our business
        **tls,
        **options,
    )
    return client, [client.close]


def _translate(error: Exception, address: RedisAddress) -> StoreError:
    reason = _IN_SCRIPT.sub("", str(error))
    if isinstance(error, MasterNotFoundError):
        reason = "; ".join(
            [f"no sentinel names a primary {address.service!r}", *_SENTINEL_SAID.findall(reason)]
        )
        told = refused_link(reason, SENTINELS)
        return StoreLinkRefusedError(told) if told else StoreUnavailableError(f"Redis: {reason}")
    if isinstance(error, redis.exceptions.AskError) and address.topology != "cluster":
        return StoreRefusedError(
            "Redis is a node of a cluster: GENRECAST_REDIS_URL must be redis+cluster://host:port"
        )
    for cause in _causes(error):  # the cluster's client hides a wrong password so
        told = refused_link(str(cause), REDIS)
        if told is not None:
            return StoreLinkRefusedError(told)
        if isinstance(cause, redis.exceptions.NoPermissionError) or _DENIED.search(str(cause)):
            return StoreRefusedError(
                f"Redis denies our user a right ({_IN_SCRIPT.sub('', str(cause))}): give it what "
                "`genrecast rights` lists"
            )
    return StoreUnavailableError(f"Redis: {reason}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
