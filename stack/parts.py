"""The two parts of the stack: a Kafka broker and a Redis server, each with its own directory."""

import base64
import os
import signal
import subprocess
import uuid
from pathlib import Path
from typing import Final, Protocol

from stack.errors import StackError, StartError
from stack.jars import ensure_jars
from stack.ports import HOST, pick_port
from stack.probe import kafka_answers, redis_answers, wait_until
from stack.process import ServiceProcess
from stack.programs import find_java, find_redis
from stack.settings import StackSettings

_STOP_SECONDS: Final = 20.0
"""How long a part may take to end by itself: Kafka flushes its logs, Redis its file."""

_FORMAT_SECONDS: Final = 60
"""How long formatting Kafka's storage may take, done once per data directory."""

# The session timeout is what a restart after a crash waits for (9 s by default): the controller
# lets nobody register under a broker's id before it. Timed-out transactions are looked for every
# second (10 s by default): so long may a dead forecaster's hold subscribers up past its timeout.
_KAFKA_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{also_listens}
advertised.listeners=PLAINTEXT://{host}:{port}{also_advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BEHIND:PLAINTEXT
log.dirs={log_dir}
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable=false
delete.topic.enable=true
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""

_LOG4J_PROPERTIES: Final = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=[%d] %p %m (%c)%n
appender.file.policies.type=SizeBasedTriggeringPolicy
appender.file.policies.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
"""

_REDIS_CONFIG: Final = """\
bind {host}
port {port}
dir "{directory}"
logfile "{log}"
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class Part(Protocol):
    """What the stack does with Kafka and Redis alike."""

    name: str
    port: int
    process: ServiceProcess

    def start(self, *, dies_with_parent: bool = False) -> None:
        """Start on `port` with the data there is; return when it answers."""

    def stop(self) -> None:
        """End it cleanly. Idempotent."""


class _Service:
    """A part's directory, process and signals; what Kafka and Redis have in common."""

    name = ""

    def __init__(self, data_dir: Path, settings: StackSettings) -> None:
        self.port = 0
        self._settings = settings
        self._directory = data_dir / self.name
        self._log = self._directory / f"{self.name}.log"
        self.process = ServiceProcess(
            self.name, data_dir / f"{self.name}.pid", self._directory / "console.log"
        )

    def is_running(self) -> bool:
        """Return whether the process is alive."""
        return self.process.is_running()

    def stop(self) -> None:
        """End it cleanly (SIGTERM; SIGKILL when that takes too long). Idempotent."""
        self.process.terminate(_STOP_SECONDS)

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL). Idempotent."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): it holds its connections and does not answer."""
        self.process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on (SIGCONT)."""
        self.process.send(signal.SIGCONT)


class KafkaBroker(_Service):
    """A single Kafka broker in KRaft mode, bound to the loopback address.

    Attributes:
        behind: (port, advertised port) of a second listener, for clients that come by a proxy.
    """

    name = "kafka"

    def __init__(self, data_dir: Path, settings: StackSettings) -> None:
        super().__init__(data_dir, settings)
        self.behind: tuple[int, int] | None = None

    @property
    def bootstrap(self) -> str:
        """Host and port for clients."""
        return f"{HOST}:{self.port}"

    def start(self, *, dies_with_parent: bool = False) -> None:
        """Start on `port` with the data there is; return when it answers metadata requests.

        Raises:
            MissingPartError: No Java, or the jars cannot be had.
            StartError: It ended, or did not answer in time.
        """
        if self.is_running():
            return
        java = str(find_java(self._settings))
        class_path = os.pathsep.join(str(jar) for jar in ensure_jars(self._settings))
        properties = self._write_config()
        command = [java, *self._options(), "-cp", class_path]
        if not (self._log_dir / "meta.properties").exists():
            self._format([*command, "kafka.tools.StorageTool"], properties)
        self.process.spawn(
            [*command, "kafka.Kafka", str(properties)], dies_with_parent=dies_with_parent
        )
        wait_until(
            lambda: kafka_answers(self.bootstrap),
            self.process,
            log=self._log,
            timeout_seconds=self._settings.stack_start_seconds,
        )

    @property
    def _log_dir(self) -> Path:
        return self._directory / "log"

    def _options(self) -> list[str]:
        return [
            f"-Xmx{self._settings.kafka_heap_megabytes}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            f"-XX:ErrorFile={self._directory}/java-error-%p.log",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self._directory}/log4j2.properties",
        ]

    def _write_config(self) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        properties = self._directory / "server.properties"
        also = [f",BEHIND://{HOST}:{port}" for port in self.behind or ()] or ["", ""]
        text = _KAFKA_PROPERTIES.format(
            host=HOST,
            port=self.port,
            controller_port=pick_port(),
            log_dir=self._log_dir,
            also_listens=also[0],
            also_advertised=also[1],
        )
        properties.write_text(text, encoding="utf-8")
        log4j = self._directory / "log4j2.properties"
        log4j.write_text(_LOG4J_PROPERTIES.format(log=self._log), encoding="utf-8")
        return properties

    def _format(self, command: list[str], properties: Path) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One argument: an id may begin with a dash.
        arguments = ["format", f"--cluster-id={cluster_id}", "--config", str(properties)]
        try:
            subprocess.run(  # noqa: S603 (our own command)
                [*command, *arguments],
                capture_output=True,
                text=True,
                timeout=_FORMAT_SECONDS,
                check=True,
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise StartError(f"cannot format Kafka's storage: {exc}") from exc
        except subprocess.CalledProcessError as exc:
            told = (exc.stderr or exc.stdout).strip()
            raise StartError(f"cannot format Kafka's storage in {self._log_dir}: {told}") from exc


class RedisServer(_Service):
    """A single Redis with an append-only file, bound to the loopback address."""

    name = "redis"

    @property
    def url(self) -> str:
        """Where clients connect, database 0."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self, *, dies_with_parent: bool = False) -> None:
        """Start on `port` with the data there is; return when it answers.

        Raises:
            MissingPartError: There is no redis-server.
            StartError: It ended, or did not answer in time.
        """
        if self.is_running():
            return
        server = str(find_redis(self._settings))
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "redis.conf"
        text = _REDIS_CONFIG.format(
            host=HOST, port=self.port, directory=self._directory, log=self._log
        )
        config.write_text(text, encoding="utf-8")
        self.process.spawn([server, str(config)], dies_with_parent=dies_with_parent)
        wait_until(
            lambda: redis_answers(self.url),
            self.process,
            log=self._log,
            timeout_seconds=self._settings.stack_start_seconds,
        )


def require_plain_path(path: Path) -> Path:
    """Return `path` absolute; refuse what Kafka's and Redis's settings files cannot hold.

    Raises:
        StackError: The path has a comma, a quote, a backslash or a line break.
    """
    absolute = path.expanduser().absolute()
    if set(str(absolute)) & set(',"\\\n\r:'):
        raise StackError(f"data directory {absolute}: no comma, colon, quote or backslash please")
    return absolute
