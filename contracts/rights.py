"""The least rights of each role, in Kafka and in Redis, for the names that the settings say.

Source: https://kafka.apache.org/documentation/#operations_resources_and_protocols and
https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
"""

from dataclasses import dataclass
from typing import Final, Literal

from contracts.redis_url import Topology
from contracts.settings import Settings

Resource = Literal["topic", "group", "transactional-id"]
"""What a right is on, as Kafka's tool names it."""

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create"]
"""What it allows. Read and Write bring Describe with them."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One right in Kafka."""

    resource: Resource
    name: str
    operation: Operation


WRITES: Final = (
    "hset", "hget", "hmget", "hgetall", "hkeys", "hlen", "hincrby", "hscan", "hdel",
    "rpush", "lrange", "lindex", "zadd", "zrange", "zrevrange", "zcard", "zrem",
    "set", "get", "append", "exists", "pexpire", "unlink", "del",
)  # fmt: skip
"""Commands of all scripts: for whoever changes the state."""

READS: Final = (
    "hget", "hmget", "hgetall", "hkeys", "lrange", "lindex", "zrange", "get", "exists",
)  # fmt: skip
"""Commands of the scripts that only look."""

_SCRIPTS: Final = ("evalsha", "eval")
_CLUSTER: Final = ("cluster|slots", "command", "asking")
"""What the client asks a cluster for beside its own work."""

_TOPICS: Final[dict[str, tuple[tuple[str, tuple[Operation, ...]], ...]]] = {
    "consumer": (
        ("clicks", ("Read",)),
        ("forecasts", ("Write",)),
        ("buckets", ("Read", "Write")),
        ("late", ("Write",)),
        ("dead_letter", ("Write",)),
    ),
    "feed": (("forecasts", ("Read",)), ("buckets", ("Read",))),
    "serve": (
        ("forecasts", ("Read",)),
        ("buckets", ("Read",)),
        ("clicks", ("Read",)),
        ("dead_letter", ("Read",)),
        ("alerts", ("Read",)),
        ("recommendations", ("Write",)),
    ),
    "simulator": (("clicks", ("Write",)),),
    "tools": (
        ("clicks", ("Read", "Write", "DescribeConfigs")),
        ("forecasts", ("Read",)),
        ("buckets", ("Read",)),
        ("late", ("Read",)),
        ("dead_letter", ("Read",)),
        ("replayed", ("Read", "Write")),
        ("recommendations", ("Read",)),
    ),
    "setup": tuple(
        (name, ("Create", "Describe"))
        for name in (
            "clicks", "forecasts", "buckets", "late", "dead_letter", "alerts", "replayed",
            "recommendations",
        )
    ),
}  # fmt: skip

ROLES: Final = tuple(_TOPICS)
"""`consumer`: consume. `feed`: feed, ForecastFeed. `serve`: serve, status, explain. `simulator`:
simulate, loadtest. `tools`: verify, rebuild, close, models, train, retrain, dead-letters,
loop-report, forget. `setup`: setup."""

_REDIS: Final = {"consumer": WRITES, "tools": WRITES, "serve": READS}
"""Commands by role; the others do not go to Redis."""


def kafka_rights(role: str, settings: Settings) -> list[Right]:
    """Return what a role needs in Kafka, ascending."""
    found = [
        Right("topic", getattr(settings, f"topic_{name}"), operation)
        for name, operations in _TOPICS[role]
        for operation in operations
    ]
    ours = f"genrecast-{settings.app}"
    if role == "consumer":
        found += [Right("group", ours, "Read"), Right("transactional-id", ours, "Write")]
        if settings.alerts != "off":
            found.append(Right("topic", settings.topic_alerts, "Write"))
    if role == "tools":
        found.append(Right("transactional-id", f"{ours}/replay", "Write"))
    return sorted(found)


def redis_rules(role: str, settings: Settings, topology: Topology) -> list[str]:
    """Return what follows the password in a role's `ACL SETUSER`; empty where it needs no Redis."""
    commands = _REDIS.get(role)
    if commands is None:
        return []
    also = _CLUSTER if topology == "cluster" else ("select",)
    allowed = [f"+{command}" for command in (*_SCRIPTS, *commands, *also)]
    return ["resetkeys", f"~{{genrecast:{settings.app}}}:*", "resetchannels", "-@all", *allowed]
