"""Where Redis is: one server, the primary that Sentinel names, or a cluster; imports no client."""

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

Topology = Literal["server", "sentinel", "cluster"]

_SCHEME: Final = re.compile(r"(?P<scheme>rediss?|unix|rediss?\+(?:sentinel|cluster))://")

_SEVERAL: Final = re.compile(
    r"rediss?\+(?:sentinel|cluster)://"
    r"(?:(?P<username>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^@/?#]+)"
    r"(?:/(?P<service>[^/?#]*)(?:/(?P<database>[0-9]{1,4}))?)?"
)

_PASSWORD: Final = re.compile(r"://[^/?#]*:[^/?#]*@|[?&]password=")

_HOST: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):(?P<port>[0-9]{1,5})")

SCHEMES_ALLOWED: Final = (
    "must begin with redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis+cluster:// "
    "(with TLS rediss+sentinel://, rediss+cluster://)"
)
"""What a wrong scheme is answered with."""

_SHAPES: Final = {
    "sentinel": "must be redis+sentinel://[user:password@]host:port[,host:port]/SERVICE[/db], "
    "the hosts being the sentinels",
    "cluster": "must be redis+cluster://[user:password@]host:port[,host:port], without a database",
}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed `redis_url`.

    Attributes:
        topology: `server`: the client's own URL form, the other fields but `is_tls` are empty.
        is_tls: Whether connections are encrypted.
        hosts: (host, port) of the sentinels, or of some nodes of the cluster.
        service: Name that the sentinels have for the primary.
        database: Number of the database; 0 in a cluster.
        username: ACL user of Redis; None for the default user.
        password: Password of Redis, None without.
    """

    topology: Topology
    is_tls: bool
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = None


def parse_redis_url(url: str) -> RedisAddress:
    """Parse and check a `redis_url`; the form of one server is left to the client to check.

    Raises:
        ValueError: Saying what is allowed; it does not repeat the URL, which may hold a password.
    """
    found = _SCHEME.match(url)
    if found is None:
        raise ValueError(SCHEMES_ALLOWED)
    scheme, _, topology = found["scheme"].partition("+")
    is_tls = scheme == "rediss"
    if topology == "sentinel":
        return _parse_several(url, "sentinel", is_tls=is_tls)
    if topology == "cluster":
        return _parse_several(url, "cluster", is_tls=is_tls)
    return RedisAddress("server", is_tls)


def has_password(url: str) -> bool:
    """Say whether a `redis_url` has a password in it, whatever its form."""
    return _PASSWORD.search(url) is not None


def _parse_several(
    url: str, topology: Literal["sentinel", "cluster"], *, is_tls: bool
) -> RedisAddress:
    shape = ValueError(_SHAPES[topology])
    found = _SEVERAL.fullmatch(url)
    if found is None:
        raise shape
    service, database = unquote(found["service"] or ""), found["database"]
    if bool(service) != (topology == "sentinel") or (database and topology == "cluster"):
        raise shape
    hosts = []
    for text in found["hosts"].split(","):
        host = _HOST.fullmatch(text)
        if host is None or not 0 < int(host["port"]) < 65_536:
            raise shape
        hosts.append((host["host"].strip("[]"), int(host["port"])))
    return RedisAddress(
        topology=topology,
        is_tls=is_tls,
        hosts=tuple(hosts),
        service=service,
        database=int(database or 0),
        username=unquote(found["username"] or "") or None,
        password=unquote(found["password"] or "") or None,
    )
