"""One deployment under fault: its topics, its processes, its end."""

import hashlib
import json
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final

import orjson
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from contracts.settings import Settings
from stack.ports import HOST
from state.redis_store import RedisStore
from state.store import Progress, StoreError
from tests.deployment import Deployment
from tests.faults.lab import CALM_SECONDS, Lab, wait_for
from tests.faults.oracle import Outcome, assert_exact, read_outcome
from tests.faults.spawner import Member

CONSUMER_PEAK_BYTES: Final = 320_000_000
"""Most memory of a consumer without TensorFlow."""

DRAIN_SECONDS: Final = 180.0
"""How long it may take on a busy machine to publish all that has piled up, seconds."""

STACKS_SECONDS: Final = 0.5
"""How long processes may take to write where their threads are, seconds."""

OPTIONS: Final[dict[str, object]] = {
    "bucket_seconds": 30,  # the shipped model knows no such buckets: the baseline, at no cost
    "horizon": 3,
    "window_buckets": 500,
    "max_poll_records": 500,
    "session_timeout_seconds": 3,
    "transaction_timeout_seconds": 3,
    "idle_timeout_seconds": 600,  # nothing is idle but where a test wants it
}
"""Settings of a deployment under fault: short time-outs, small batches."""

PARTITIONS: Final = {
    "clicks": 4, "forecasts": 2, "buckets": 1, "late": 1, "dead_letter": 1, "replayed": 1,
}  # fmt: skip
"""Partitions of its topics, by what follows `topic_` in their setting."""

TRAFFIC: Final = (
    "--start", "2026-03-02T18:00", "--speed", 100, "--disorder-seconds", 5,
    "--late", 0.01, "--malformed", 0.005,
)  # fmt: skip
"""The simulator's traffic: about three buckets a second, something of everything."""


def click(time_ms: int, genre: str = "crime", **fields: object) -> dict[str, object]:
    """Return a click as a producer would write it."""
    who = {"event_id": uuid.uuid4().hex, "user_id": "u1", "show_id": "s1"}
    return {**who, "event_time": time_ms, "genres": [genre], **fields}


class Trial:
    """One deployment under fault: its topics, its processes, its end.

    Args:
        lab: Where it runs.
        logs: Where its processes' output goes.
        database: Redis database, of its own where several deployments share the server.
        partitions: Partitions of the clicks topic.
        options: Settings besides `OPTIONS`; a topic that is named is there already.
    """

    def __init__(
        self,
        lab: Lab,
        logs: Path,
        *,
        database: int = 0,
        partitions: int = PARTITIONS["clicks"],
        **options: object,
    ) -> None:
        self.lab = lab
        self.logs = logs
        endpoints = lab.stack.endpoints
        self.redis_url = endpoints.redis_url.removesuffix("/0") + f"/{database}"
        self._deployment = Deployment(
            endpoints.kafka_bootstrap, self.redis_url, logs, {**OPTIONS, **options}
        )
        self.settings: Settings = self._deployment.settings
        self.store = RedisStore.connect(self.settings)
        self.consumers: list[Member] = []
        self.simulators: list[Member] = []
        self.memory_limit_bytes = CONSUMER_PEAK_BYTES
        self.report_file = logs / f"truth-{uuid.uuid4().hex[:8]}.json"
        logs.mkdir(parents=True, exist_ok=True)
        own = PARTITIONS | {"clicks": partitions}
        self.make_topics({n: count for n, count in own.items() if f"topic_{n}" not in options})

    @property
    def own_options(self) -> dict[str, object]:
        """Settings of the deployment, by name."""
        return dict(self._deployment.options)

    def option(self, name: str, value: object) -> None:
        """Change a setting for processes that start from here on."""
        self._deployment.options = {**self._deployment.options, name: value}

    def make_topics(self, partitions: dict[str, int]) -> None:
        """Make topics of the deployment, by the rest of their setting's name."""
        configs = {
            "clicks": {"message.timestamp.type": "LogAppendTime"},
            "dead_letter": {"max.message.bytes": str(16 * 1024 * 1024)},
        }
        self.with_admin(
            lambda admin: admin.create_topics(
                {
                    getattr(self.settings, f"topic_{name}"): {
                        "num_partitions": count,
                        "configs": configs.get(name, {}),
                    }
                    for name, count in partitions.items()
                },
                wait_for_metadata=True,
            )
        )

    def with_admin(self, do: Callable[[Any], Any]) -> Any:  # noqa: ANN401 (the client's answer)
        """Do something with an admin client."""
        admin = KafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        try:
            return do(admin)
        finally:
            admin.close()

    def delete_topics(self) -> None:
        """Delete all topics."""
        names = [getattr(self.settings, f"topic_{name}") for name in PARTITIONS]
        self.with_admin(lambda admin: admin.delete_topics(names))

    def run(self, name: str, *arguments: object) -> str:
        """Run a command of the deployment to its end; return what it prints."""
        return self._deployment.run(name, *arguments)

    def consume(self, *, seam: tuple[object, ...] = (), by_proxy: bool = False) -> Member:
        """Start a consumer.

        Args:
            seam: Options of `tests.faults.seam`.
            by_proxy: Whether it reaches Kafka and Redis through the lab's proxies.
        """
        links: list[str] = []
        if by_proxy:
            database = self.redis_url.rpartition("/")[2]
            links = [
                f"--kafka-bootstrap={HOST}:{self.lab.kafka_link.port}",
                f"--redis-url=redis://{HOST}:{self.lab.redis_link.port}/{database}",
            ]
        member = self._start("consume", *links, seam=seam)
        self.consumers.append(member)
        return member

    def simulate(self, *arguments: object) -> Member:
        """Start the simulator; the last one's report is the truth."""
        member = self._start("simulate", *arguments, "--report", self.report_file)
        self.simulators.append(member)
        return member

    def _start(self, name: str, *arguments: object, seam: tuple[object, ...] = ()) -> Member:
        command = self._deployment.command(name, *arguments)[3:]
        log = self.logs / f"{len(self.consumers) + len(self.simulators)}-{name}.log"
        return self.lab.spawner.start([*seam, "--", *command], log)

    def write(self, *records: tuple[int, object]) -> None:
        """Write records by hand, in order: each a partition and `click(...)` or raw bytes."""
        producer = KafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap)
        try:
            for partition, value in records:
                raw = value if isinstance(value, bytes) else orjson.dumps(value)
                producer.send(self.settings.topic_clicks, raw, partition=partition).get(timeout=30)
        finally:
            producer.close(timeout=5)

    def progress(self) -> Progress | None:
        """Return where the deployment stands; None while Redis or its state is away."""
        try:
            return self.store.read_progress()
        except StoreError:
            return None

    def published(self) -> int:
        """Return how many buckets were committed as published, 0 while Redis is away."""
        try:
            return self.store.read_totals().get("buckets", 0)
        except StoreError:
            return 0

    def wait_for_buckets(self, count: int) -> None:
        """Wait until so many buckets are published."""
        self.wait_for(lambda: self.published() >= count, f"{count} published buckets")

    def wait_for(
        self, is_true: Callable[[], bool], what: str, seconds: float = CALM_SECONDS
    ) -> None:
        """As `wait_for`, telling the deployment's state and logs when it is in vain."""
        try:
            wait_for(is_true, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None

    def running(self) -> list[Member]:
        """Return the consumers that have not ended."""
        return [member for member in self.consumers if member.poll() is None]

    def log_text(self) -> str:
        """Return everything that the consumers have said."""
        paths = sorted(self.logs.glob("*-consume.log"))
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)

    def wait_for_log(self, text: str) -> None:
        """Wait until a consumer has said something."""
        self.wait_for(lambda: text in self.log_text(), f"{text!r} in the log")

    def describe(self) -> str:
        """Return state and last log lines of every process."""
        parts = [
            f"progress: {self.progress()}",
            f"log ends: {self.log_ends()}",
            f"group: {self._group()}",
        ]
        for member in self.running():
            parts.append(f"{member.log.name} runs, stopped: {member.is_stopped()}")
            member.send(signal.SIGUSR1)  # its threads' stacks, into its log
        time.sleep(STACKS_SECONDS)
        for path in sorted(self.logs.glob("*.log")):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            parts.append("\n  ".join([f"--- {path}", *lines[-15:]]))
        return "\n".join(parts)

    def _group(self) -> object:
        name = f"genrecast-{self.settings.app}"
        try:
            return self.with_admin(lambda admin: admin.describe_groups([name]))
        except (KafkaError, OSError) as error:
            return error

    def log_ends(self) -> dict[int, int]:
        """Return the end of each clicks partition; empty where the broker tells none."""
        try:
            consumer = KafkaConsumer(
                bootstrap_servers=self.settings.kafka_bootstrap, bootstrap_timeout_ms=2_000
            )
        except (KafkaError, OSError):
            return {}
        try:
            numbers = consumer.partitions_for_topic(self.settings.topic_clicks) or ()
            tps = [TopicPartition(self.settings.topic_clicks, number) for number in numbers]
            return {tp.partition: end for tp, end in consumer.end_offsets(tps).items()}
        finally:
            consumer.close()

    def is_settled(self, partitions: list[TopicPartition]) -> bool:
        """Say whether no transaction is open on partitions."""
        ends = []
        for level in ("read_committed", "read_uncommitted"):
            consumer = KafkaConsumer(
                bootstrap_servers=self.settings.kafka_bootstrap, isolation_level=level
            )
            try:
                ends.append(consumer.end_offsets(partitions))
            finally:
                consumer.close()
        return bool(ends[0] == ends[1])

    def script_sha(self, name: str) -> str:
        """Return what Redis calls a script."""
        text = (resources.files("state") / "scripts" / f"{name}.lua").read_bytes()
        return hashlib.sha1(text).hexdigest()

    def finish_simulators(self, seconds: float = CALM_SECONDS) -> None:
        """Wait until every simulator has ended well."""
        for simulator in self.simulators:
            self.wait_for(lambda s=simulator: s.poll() is not None, "the simulator", seconds)  # type: ignore[misc]
            assert simulator.exit_code == 0, simulator.log.read_text(encoding="utf-8")

    def settle(self) -> None:
        """Have everything read, closed and published, and end all consumers."""
        self.finish_simulators()
        ends: dict[int, int] = {}

        def is_drained() -> bool:
            # The broker is asked until it tells: without ends everything would seem to be read.
            ends.update(ends or self.log_ends())
            return bool(ends) and self._is_drained(ends)

        self.wait_for(is_drained, "everything read, closed and published", DRAIN_SECONDS)
        self.stop_consumers()

    def drain(self) -> Outcome:
        """Settle, and return what is left."""
        self.settle()
        progress = self.store.read_progress()
        outcome = read_outcome(self.settings, progress)
        if outcome.journal and outcome.journal[-1].bucket_start != progress.published_ms:
            raise AssertionError(f"journal and Redis differ at the end\n{self.describe()}")
        return outcome

    def _is_drained(self, ends: dict[int, int]) -> bool:
        for member in self.running():
            if member.is_stopped():  # a seam may still be armed, to stop or to kill
                member.send(signal.SIGCONT)
        if not self.running():
            self.consume()
        with suppress(StoreError):
            progress = self.store.read_progress()
            if {p: progress.offsets.get(p, 0) for p in ends} == ends:
                if self.store.read_open():
                    self.store.finish()
                    return False
                return progress.closed_ms == progress.published_ms
        return False

    def stop_consumers(self) -> None:
        """End consumers by SIGTERM; each must end well, in seconds."""
        running = self.running()
        for member in running:
            member.send(signal.SIGTERM)
        for member in running:
            self.wait_for(lambda m=member: m.poll() is not None, "an end by SIGTERM", 30)  # type: ignore[misc]
            assert member.exit_code == 0, self.describe()

    def assert_exact(self, *, was_idle: bool = False, may_doubt: bool = False) -> Outcome:
        """Drain and hold the outcome against the truth.

        Args:
            was_idle: See `oracle.assert_exact`.
            may_doubt: Whether the log alone is the truth where the simulator ended while the
                broker was away, and can't know what is on it.
        """
        outcome = self.drain()
        report = json.loads(self.report_file.read_bytes()) if len(self.simulators) == 1 else None
        if report and may_doubt and not report["is_exact"]:
            report = None
        try:
            assert_exact(outcome, report, was_idle=was_idle)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None
        peak = max((member.peak_rss_bytes for member in self.consumers), default=0)
        assert peak < self.memory_limit_bytes, f"a consumer took {peak / 1e6:.0f} MB"
        return outcome

    def end(self) -> None:
        """Kill what runs, and let go of the clients and the state."""
        for member in (*self.consumers, *self.simulators):
            member.kill()
        with suppress(StoreError, redis.RedisError):
            self.forget_state()
        self.store.close()

    def forget_state(self) -> None:
        """Empty the deployment's Redis database, all at once."""
        with redis.Redis.from_url(self.redis_url, socket_timeout=2) as client:
            client.flushdb()
