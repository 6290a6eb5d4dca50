"""Whether Kafka and Redis truly answer: a request of their own protocol, not an open port."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stack.errors import StartError
from stack.process import ServiceProcess

_POLL_SECONDS: Final = 0.1
"""How often a part that is starting is asked."""

_LOG_LINES: Final = 8
"""Last lines of a part's log that an error shows."""


def kafka_answers(bootstrap: str) -> bool:
    """Return whether the broker at `bootstrap` is registered and answers metadata requests."""
    import socket

    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    host, _, port = bootstrap.rpartition(":")
    try:
        # The client logs a warning for each refused connection: ask only an open port.
        with socket.create_connection((host, int(port)), timeout=1):
            pass
    except OSError:
        return False
    logger = logging.getLogger("kafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap, bootstrap_timeout_ms=3000, request_timeout_ms=3000
        )
        try:
            return bool(admin.describe_cluster()["brokers"])
        finally:
            admin.close()
    except (KafkaError, OSError):
        return False
    finally:
        logger.setLevel(level)


def redis_answers(url: str) -> bool:
    """Return whether the Redis at `url` answers PING, its data loaded."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis.from_url(
        url, socket_connect_timeout=1, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def wait_until(
    answers: Callable[[], bool], process: ServiceProcess, *, log: Path, timeout_seconds: float
) -> None:
    """Return when `answers()` is true.

    Raises:
        StartError: The process ended, or it did not answer in time; with its last log lines.
    """
    deadline = time.monotonic() + timeout_seconds
    while not answers():
        if not process.is_running():
            raise StartError(f"{process.name} ended while starting{_tail(log, process)}")
        if time.monotonic() >= deadline:
            raise StartError(
                f"{process.name} does not answer after {timeout_seconds:g} s{_tail(log, process)}"
            )
        time.sleep(_POLL_SECONDS)


def _tail(log: Path, process: ServiceProcess) -> str:
    for path in (log, process.console_log):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        if lines:
            return "\n".join([f"; the end of {path}:", *lines[-_LOG_LINES:]])
    return ""
