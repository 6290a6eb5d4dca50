"""Redis servers of a test's own: one with an AOF, one watched by sentinels, a cluster of six."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts.redis_url import Topology
from contracts.rights import redis_rules
from contracts.settings import Settings
from stack.ports import HOST, claim, is_free, pick_port
from stack.programs import find_redis
from stack.settings import StackSettings
from tests.faults.lab import wait_for

SERVICE: Final = "genrecast"
"""What the sentinels call their primary."""

SLOTS: Final = 16_384
"""Slots of any cluster."""

BUS_DISTANCE: Final = 10_000
"""How far a cluster node's second port is from its first."""

DOWN_MS: Final = 1_000
"""How long a server is silent before the others give it up, ms."""

REPLICATION: Final = ("masteruser", "replica", "masterauth", "replica")
"""Replicas log in as a user of their own, so that replication can be cut and nothing else."""


LEAST: Final = "least"
"""A user with the least rights of a consumer; at the sentinels, of one who asks them."""

PASSWORD: Final = "s3cret-of-the-least"


@dataclass(slots=True)
class RedisServer:
    """A real server that can be killed, frozen and started again on its port and files."""

    directory: Path
    options: Sequence[object] = ()
    is_sentinel: bool = False
    port: int = field(default_factory=pick_port)
    client: Any = field(init=False)
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True)
        self.client = redis.Redis(
            host=HOST, port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def log(self) -> Path:
        return self.directory / "redis.log"

    @property
    def aof(self) -> Path:
        """The file that commands are appended to."""
        several = sorted(self.directory.glob("appendonlydir/*.incr.aof"))
        return several[-1] if several else self.directory / "appendonly.aof"

    def start(self) -> None:
        """Start it and wait until it has loaded its data."""
        command = [find_redis(StackSettings())]
        arguments: list[object] = ["--port", self.port, "--bind", HOST, "--dir", self.directory]
        if self.is_sentinel:
            conf = self.directory / "sentinel.conf"
            if not conf.exists():
                lines = [f"port {self.port}", f"bind {HOST}", f"dir {self.directory}"]
                conf.write_text("\n".join([*lines, *map(str, self.options), ""]))
            arguments = [conf, "--sentinel"]
        else:
            arguments += ["--save", "", *self.options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*map(str, command), *map(str, arguments)], stdout=log, stderr=log
            )
        wait_for(self.answers, f"Redis on {self.port}: {self.log}")

    def answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"Redis has ended:\n{self.log.read_text()}")
        with suppress(redis.RedisError, OSError):
            return bool(self.client.ping())
        return False

    def crash(self) -> None:
        """End it by SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            if number == signal.SIGKILL:
                self._process.send_signal(signal.SIGCONT)
            self._process.wait(timeout=30)
            self._process = None

    def close(self) -> None:
        self.crash()
        self.client.close()

    def is_primary(self) -> bool:
        return bool(self.client.info("replication")["role"] == "master")

    def set_password(self, password: str) -> None:
        """Ask everybody for a password from now on, those connected already too."""
        self.client.config_set("requirepass", password)
        self.client.auth(password)
        self.client.client_kill_filter(_type="normal", skipme=True)

    def cut_replication(self) -> None:
        """Let no replica follow from now on; anyone else goes on."""
        self.client.execute_command("ACL", "SETUSER", "replica", "off")
        self.client.execute_command("CLIENT", "KILL", "USER", "replica")

    def is_followed(self) -> bool:
        """Say whether a replica has everything."""
        replication = self.client.info("replication")
        replica = replication.get("slave0")
        return bool(replica and replica["state"] == "online" and replica["lag"] <= 1)


def _follower_user() -> tuple[object, ...]:
    """Options that make the replicas' user."""
    return ("--user", "replica", "on", ">replica", "+psync", "+replconf", "+ping")


def _least_user(topology: Topology) -> tuple[object, ...]:
    """Options that make the user of all deployments: their names are made up by each test."""
    rules = redis_rules("consumer", Settings(), topology)
    keys = [rule.replace("genrecast:default", "genrecast:*") for rule in rules]
    return ("--user", LEAST, "on", f">{PASSWORD}", *keys)


@contextmanager
def one_server(directory: Path, *options: object) -> Iterator[RedisServer]:
    """A server whose AOF is written at every command and synced every second."""
    server = RedisServer(
        directory / "redis", ("--appendonly", "yes", "--appendfsync", "everysec", *options)
    )
    with _running([server]):
        yield server


@dataclass(slots=True)
class Watched:
    """A primary, its replica and three sentinels."""

    primary: RedisServer
    replica: RedisServer
    sentinels: list[RedisServer]

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{LEAST}:{PASSWORD}@{hosts}/{SERVICE}/0"

    @property
    def options(self) -> dict[str, object]:
        """Settings of a client: Redis and the sentinels have a login each."""
        secret = self.primary.directory / "sentinels-password"
        secret.write_text(PASSWORD)
        return {
            "redis_url": self.url,
            "redis_sentinel_username": LEAST,
            "redis_sentinel_password_file": secret,
        }

    def primary_port(self) -> int:
        """Return whom the sentinels name."""
        return int(self.sentinels[0].client.sentinel_get_master_addr_by_name(SERVICE)[1])


@contextmanager
def watched_pair(directory: Path) -> Iterator[Watched]:
    """A primary and a replica under three sentinels, all agreed on each other."""
    common = (
        *_dashed(REPLICATION), "--repl-diskless-sync-delay", 0, *_follower_user(),
        *_least_user("sentinel"),
    )  # fmt: skip
    primary = RedisServer(directory / "primary", common)
    replica = RedisServer(directory / "replica", (*common, "--replicaof", HOST, primary.port))
    watch = (
        f"sentinel monitor {SERVICE} {HOST} {primary.port} 2",
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}",
        f"sentinel failover-timeout {SERVICE} 5000",
        f"user {LEAST} on >{PASSWORD} -@all +ping +sentinel|masters",
    )
    sentinels = [
        RedisServer(directory / f"sentinel-{n}", watch, is_sentinel=True) for n in range(3)
    ]
    with _running([primary, replica, *sentinels]):
        wait_for(primary.is_followed, "the replica")
        wait_for(lambda: all(map(_sees_all, sentinels)), "the sentinels' agreement")
        yield Watched(primary, replica, sentinels)


def _sees_all(sentinel: RedisServer) -> bool:
    told = sentinel.client.sentinel_master(SERVICE)
    return bool(told["num-other-sentinels"] == 2 and told["num-slaves"] == 1)


@dataclass(slots=True)
class Cluster:
    """Three primaries, then their three replicas in the same order."""

    nodes: list[RedisServer]

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"redis+cluster://{LEAST}:{PASSWORD}@{hosts}"

    def owner_of(self, key: str) -> RedisServer:
        """Return the primary that a key belongs to."""
        slot: int = self.nodes[0].client.cluster("KEYSLOT", key)
        return self.nodes[slot * 3 // SLOTS]

    def replica_of(self, primary: RedisServer) -> RedisServer:
        return self.nodes[self.nodes.index(primary) + 3]

    @contextmanager
    def moving(self, key: str, target: RedisServer) -> Iterator[int]:
        """Begin to move a key's slot; at the end it belongs to `target`."""
        slot = self.nodes[0].client.cluster("KEYSLOT", key)
        source = self.owner_of(key)
        names = [node.client.cluster("MYID").decode() for node in (source, target)]
        target.client.cluster("SETSLOT", slot, "IMPORTING", names[0])
        source.client.cluster("SETSLOT", slot, "MIGRATING", names[1])
        yield slot
        for node in (target, source, *self.nodes[:3]):
            node.client.cluster("SETSLOT", slot, "NODE", names[1])


@contextmanager
def cluster_of_six(directory: Path) -> Iterator[Cluster]:
    """A cluster with all slots covered and every replica up to date."""
    options = (
        "--cluster-enabled", "yes", "--cluster-node-timeout", DOWN_MS,
        "--cluster-replica-validity-factor", 0, *_dashed(REPLICATION),
        "--repl-diskless-sync-delay", 0, *_follower_user(), *_least_user("cluster"),
    )  # fmt: skip
    nodes = [RedisServer(directory / f"node-{n}", options, port=_port_with_bus()) for n in range(6)]
    with _running(nodes):
        for number, node in enumerate(nodes[:3]):
            first, end = -(-SLOTS * number // 3), -(-SLOTS * (number + 1) // 3)
            node.client.cluster("ADDSLOTS", *range(first, end))
            node.client.cluster("SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            node.client.cluster("MEET", HOST, nodes[0].port)
        wait_for(lambda: all(_knows(node, 6) for node in nodes), "the nodes' acquaintance")
        for primary, replica in zip(nodes[:3], nodes[3:], strict=True):
            name = primary.client.cluster("MYID").decode()
            wait_for(lambda r=replica, n=name: _follows(r, n), "a replica")  # type: ignore[misc]
        wait_for(lambda: all(_is_whole(node) for node in nodes), "a whole cluster")
        wait_for(lambda: all(node.is_followed() for node in nodes[:3]), "replicas up to date")
        yield Cluster(nodes)


def _port_with_bus() -> int:
    port = pick_port()
    while not (is_free(port + BUS_DISTANCE) and claim(port + BUS_DISTANCE)):
        port = pick_port()
    return port


def _knows(node: RedisServer, count: int) -> bool:
    return bool(int(node.client.cluster("INFO")["cluster_known_nodes"]) == count)


def _is_whole(node: RedisServer) -> bool:
    return bool(node.client.cluster("INFO")["cluster_state"] == "ok")


def _follows(replica: RedisServer, primary_name: str) -> bool:
    """Make a node a replica; False while it does not know that primary's name yet."""
    try:
        replica.client.cluster("REPLICATE", primary_name)
    except redis.ResponseError:
        return False
    return True


def _dashed(pairs: Sequence[str]) -> Iterator[str]:
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        yield from (f"--{name}", value)


@contextmanager
def _running(servers: Sequence[RedisServer]) -> Iterator[None]:
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.close()


def migrate_key(source: RedisServer, target: RedisServer, key: bytes | str) -> None:
    """Move one key of a slot that is moving."""
    source.client.migrate(HOST, target.port, key, 0, 5_000)


def keep_copy(server: RedisServer, aside: Path) -> None:
    """Copy a server's files as they are now."""
    shutil.copytree(server.directory, aside, dirs_exist_ok=True)


def put_back(server: RedisServer, aside: Path) -> None:
    """Give a stopped server the files of a copy."""
    shutil.rmtree(server.directory)
    shutil.copytree(aside, server.directory)


def hold(seconds: float, is_still: Callable[[], bool]) -> None:
    """See that something stays true for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert is_still()
        time.sleep(0.1)
