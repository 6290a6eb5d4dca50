"""Real Kafka and Redis in containers: whether an engine answers, and how they are started."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from stack.ports import pick_port
from stack.probe import kafka_answers, redis_answers
from stack.runner import Endpoints

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE: Final = os.environ.get("GENRECAST_TEST_KAFKA_IMAGE", "apache/kafka:4.1.0")
REDIS_IMAGE: Final = os.environ.get("GENRECAST_TEST_REDIS_IMAGE", "redis:8.2-bookworm")
OWN_IMAGE: Final = "genrecast:test"
START_SECONDS: Final = 90.0


def missing_engine() -> str | None:
    """Return in one line why no Docker engine can be used, None when one answers."""
    import docker

    try:
        client = docker.from_env()
        try:
            client.ping()
        finally:
            client.close()
    except docker.errors.DockerException as error:
        return f"no Docker engine answers: {str(error).splitlines()[0][:120]}"
    return None


def require_engine() -> None:
    """Skip a test where there is no engine; fail it in CI, which has one."""
    reason = missing_engine()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def app_image() -> str:
    """Return genrecast's image: the one that is named, else one built of this checkout."""
    named = os.environ.get("GENRECAST_TEST_APP_IMAGE")
    if named:
        return named
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", OWN_IMAGE, "."],
        cwd=Path(__file__).parents[1], check=True, capture_output=True,
    )  # fmt: skip
    return OWN_IMAGE


def kafka_container(port: int) -> "DockerContainer":
    """A broker that clients reach on a port of this machine; not started."""
    from testcontainers.core.container import DockerContainer

    kafka = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    variables = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        # The broker talks to itself too, to end transactions: inside, the mapped port is not there.
        "KAFKA_LISTENERS": "INSIDE://:29092,OUTSIDE://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"INSIDE://localhost:29092,OUTSIDE://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
            "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data/logs",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
    for name, value in variables.items():
        kafka = kafka.with_env(name, value)
    return kafka


def redis_container(port: int) -> "DockerContainer":
    """A Redis with an AOF, on a port of this machine; not started."""
    from testcontainers.core.container import DockerContainer

    command = "redis-server --protected-mode no --appendonly yes --maxmemory-policy noeviction"
    return DockerContainer(REDIS_IMAGE).with_bind_ports(6379, port).with_command(command)


@contextmanager
def containers() -> Iterator[Endpoints]:
    """Run Kafka and Redis in containers, on free ports of this machine."""
    kafka_port, redis_port = pick_port(), pick_port()
    with kafka_container(kafka_port), redis_container(redis_port):
        endpoints = Endpoints(f"127.0.0.1:{kafka_port}", f"redis://127.0.0.1:{redis_port}/0")
        wait_until_up(endpoints)
        yield endpoints


def wait_until_up(endpoints: Endpoints) -> None:
    """Wait until both answer.

    Raises:
        AssertionError: They do not.
    """
    deadline = time.monotonic() + START_SECONDS
    while not (kafka_answers(endpoints.kafka_bootstrap) and redis_answers(endpoints.redis_url)):
        assert time.monotonic() < deadline, f"containers do not answer: {endpoints}"
        time.sleep(0.2)
