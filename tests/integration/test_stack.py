"""`genrecast stack`: real Kafka and Redis on this machine, without Docker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]


def stack(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genrecast", "stack", *map(str, arguments)],
        capture_output=True, text=True, timeout=200, env=os.environ | variables,
    )  # fmt: skip


def serving(directory: Path) -> list[int]:
    """Processes whose command names the directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        is_ours = str(directory) in " ".join(process.info["cmdline"] or ())
        if is_ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.info["pid"])
    return found


def test_up_prints_where_clients_connect_and_data_outlives_a_restart(tmp_path: Path) -> None:
    where = ("--data-dir", tmp_path)
    try:
        up = stack("up", *where, "--kafka-port", 0, "--redis-port", 0, "--json")
        assert up.returncode == 0, up.stderr
        endpoints = json.loads(up.stdout)
        assert endpoints.keys() == {"kafka_bootstrap", "redis_url"}
        with redis.Redis.from_url(endpoints["redis_url"]) as client:
            client.set("kept", "yes")
        assert json.loads(stack("up", *where, "--json").stdout) == endpoints, "up is idempotent"
        assert serving(tmp_path)

        assert stack("down", *where).returncode == 0
        assert not serving(tmp_path)
        assert stack("down", *where).returncode == 0, "down is idempotent"

        again = stack("up", *where, "--json")
        assert json.loads(again.stdout) == endpoints, "the ports stay"
        with redis.Redis.from_url(endpoints["redis_url"]) as client:
            assert client.get("kept") == b"yes"
        status = json.loads(stack("status", *where, "--json").stdout)
        assert status["kafka_bootstrap"] == endpoints["kafka_bootstrap"]
    finally:
        stack("down", *where)


def test_what_cannot_be_had_is_named_with_the_ways_out(tmp_path: Path) -> None:
    up = stack(
        "up", "--data-dir", tmp_path / "data",
        GENRECAST_CACHE_DIR=str(tmp_path / "cache"),
        GENRECAST_MAVEN_REPOSITORY="http://127.0.0.1:1/maven2",
    )  # fmt: skip
    try:
        assert up.returncode not in (0, 120)
        assert "Traceback" not in up.stderr
        assert "127.0.0.1:1" in up.stderr
        assert "Docker" in up.stderr
        assert "GENRECAST_KAFKA_BOOTSTRAP" in up.stderr
    finally:
        stack("down", "--data-dir", tmp_path / "data")


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        up = stack("up", "--data-dir", tmp_path, "--redis-port", port)
    assert up.returncode != 0
    assert str(port) in up.stderr
    assert "Traceback" not in up.stderr
    assert not serving(tmp_path)
