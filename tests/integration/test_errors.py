"""What goes wrong outside is said once, clearly: exit 2 for settings, waiting for services."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stack.runner import Endpoints

NOWHERE = "127.0.0.1:1"

PATIENCE_SECONDS = 240
"""How long anything awaited may take on a busy machine, seconds."""


def genrecast(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "genrecast", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["consume", "--bucket-seconds", "7"], "GENRECAST_BUCKET_SECONDS: must divide a day"),
        (["consume", "--quantiles", "0.9 0.1"], "GENRECAST_QUANTILES: must be ascending"),
        (["consume", "--app", "a b"], "GENRECAST_APP"),
        (["consume", "--topic-late", "clicks"], "the topic_* settings must differ"),
        (["consume", "--alerts", "thresholds"], "alerts = thresholds takes a file"),
        (["consume", "--alerts", "all", "--quantiles", "0.5"], "alerts = all takes two quantiles"),
        (["consume", "--alert-raise-buckets", "9"], "must be at most alert_raise_of"),
        (
            ["consume", "--alerts", "all", "--alert-thresholds", "/nowhere.toml"],
            "GENRECAST_ALERT_THRESHOLDS: cannot read /nowhere.toml",
        ),
        (["consume", "--kafka-bootstrap", "local host:x"], "GENRECAST_KAFKA_BOOTSTRAP: must be"),
        (["feed", "--kafka-bootstrap", "kafka"], "GENRECAST_KAFKA_BOOTSTRAP: must be host:port"),
        (["status", "--redis-url", "http://x"], "GENRECAST_REDIS_URL: must begin with redis://"),
        (["status", "--redis-url", "redis://x:port/0"], "GENRECAST_REDIS_URL"),
        (["consume", "--model-dir", "/nowhere"], "GENRECAST_MODEL_DIR: /nowhere/manifest.json"),
        (["consume", "--horizon", "9999"], "GENRECAST_HORIZON"),
        (["consume", "--traces-url", "grpc://x"], "GENRECAST_TRACES_URL: must be http://"),
        (["feed", "--kafka-security-protocol", "SASL_SSL"], "set GENRECAST_KAFKA_USERNAME"),
        (
            ["feed", "--kafka-security-protocol", "SSL", "--kafka-ca-file", "/nowhere"],
            "GENRECAST_KAFKA_CA_FILE: cannot read /nowhere: No such file",
        ),
        (["train", "--out", "/nowhere/x"], "name one source"),
        (["simulate", "--events", "0"], "--events"),
        (["simulate", "--replay", "/nowhere.csv"], "/nowhere.csv"),
    ],
)
def test_wrong_settings_are_named_with_exit_2(arguments: list[str], named: str) -> None:
    done = genrecast(*arguments)
    assert done.returncode == 2, done.stderr
    assert named in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_password_in_a_refused_url_is_not_shown() -> None:
    done = genrecast("status", "--redis-url", "redis://user:s3cret@host:port/0")
    assert done.returncode == 2
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["status", "--redis-url", f"redis://{NOWHERE}/0"], "Redis: Error 111"),
        (["close", "--redis-url", f"redis://{NOWHERE}/0"], "Redis: Error 111"),
        (
            ["train", "--from-topic", "--kafka-bootstrap", NOWHERE, "--out", "/nowhere/x"],
            "reading topic clicks",
        ),
        (
            ["train", "--from-redis", "--redis-url", f"redis://{NOWHERE}/0", "--out", "/nowhere/x"],
            "Redis: Error 111",
        ),
    ],
)
def test_commands_that_only_look_end_with_1(arguments: list[str], named: str) -> None:
    done = genrecast(*arguments)
    assert done.returncode == 1, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_deployment_that_is_not_there_is_said_to_be(services: Endpoints) -> None:
    done = genrecast("status", "--app", "nobody", "--redis-url", services.redis_url)
    assert done.returncode == 1
    assert "no state of app 'nobody'" in done.stderr


def ended_by_sigterm(log: Path, named: str, *arguments: object) -> str:
    """Start a command that waits for a service, end it when it has said so; return its log."""
    with log.open("wb") as sink:
        waiting = subprocess.Popen(
            [sys.executable, "-m", "genrecast", *map(str, arguments)],
            stdout=sink, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while named not in log.read_text():
            assert waiting.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(timeout=PATIENCE_SECONDS) == 0, log.read_text()
    finally:
        waiting.kill()
        waiting.wait()
    return log.read_text()


@pytest.mark.services
def test_services_that_are_away_are_waited_for(services: Endpoints, tmp_path: Path) -> None:
    kafka, redis = services.kafka_bootstrap, services.redis_url
    for number, (named, arguments) in enumerate(
        [
            ("connecting to Kafka", ["consume", "--kafka-bootstrap", NOWHERE]),
            (
                "Redis: Error 111",
                ["consume", "--kafka-bootstrap", kafka, "--redis-url", f"redis://{NOWHERE}/0",
                 "--topic-clicks", "away", "--create-topics"],
            ),
            (
                "topic not-made is missing",
                ["consume", "--kafka-bootstrap", kafka, "--redis-url", redis, "--app", "away",
                 "--topic-clicks", "not-made"],
            ),
            ("does not answer", ["simulate", "--rate", "5", "--kafka-bootstrap", NOWHERE]),
        ]
    ):  # fmt: skip
        log = ended_by_sigterm(tmp_path / f"{number}.log", named, *arguments)
        assert "Traceback" not in log
        assert log.count(named) == 1, "told once, not at every attempt"
