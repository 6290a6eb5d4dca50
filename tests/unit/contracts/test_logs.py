"""What the log of a long-running command looks like, to people and to machines."""

import json
import logging
import math
import os
import subprocess
import sys
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from contracts.kafka_log import explain, quiet_kafka_log
from contracts.logs import ConsoleFormatter, JsonFormatter
from contracts.redaction import Redactor

REDACT = Redactor(["hunter22"])


def record(
    message: str,
    *arguments: object,
    extra: dict[str, object] | None = None,
    error: BaseException | None = None,
) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.getLogger("genrecast.test").makeRecord(
        "genrecast.test", logging.INFO, "here.py", 1, message, arguments, exc_info, extra=extra
    )


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter(REDACT).format(made)
    assert "\n" not in text
    told: dict[str, Any] = json.loads(text)
    return told


def failure() -> RuntimeError:
    try:
        try:
            raise OSError("redis://u:hunter22@h is away\nsecond line")
        except OSError as error:
            raise RuntimeError("gave up, password=swordfish") from error
    except RuntimeError as error:
        return error


def test_json_has_time_level_logger_message_and_what_is_told_besides() -> None:
    made = record("bucket %d published", 60_000, extra={"bucket": 60_000, "model": "lstm-1"})
    made.created = 1_767_225_600.25
    assert as_json(made) == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "info",
        "logger": "genrecast.test",
        "message": "bucket 60000 published",
        "bucket": 60_000,
        "model": "lstm-1",
    }


def test_console_has_the_same_in_one_line() -> None:
    made = record("bucket %d published", 60_000, extra={"bucket": 60_000, "model": "lstm-1"})
    line = ConsoleFormatter(REDACT).format(made)
    assert line.endswith(" INFO genrecast.test: bucket 60000 published bucket=60000 model=lstm-1")


def test_an_exception_of_many_lines_is_one_json_object_without_secrets() -> None:
    told = as_json(record("failed", error=failure()))
    assert told["message"] == "failed"
    assert told["exception"].count("\n") > 5
    assert "second line" in told["exception"]
    assert "hunter22" not in str(told)
    assert "swordfish" not in str(told)


def test_console_shows_the_traceback_without_secrets() -> None:
    text = ConsoleFormatter(REDACT).format(record("failed", error=failure()))
    assert "Traceback" in text
    assert "hunter22" not in text
    assert "swordfish" not in text


@pytest.mark.parametrize("formatter", [ConsoleFormatter(REDACT), JsonFormatter(REDACT)])
def test_a_secret_is_hidden_in_message_arguments_and_what_is_told(
    formatter: logging.Formatter,
) -> None:
    extra: dict[str, object] = {"url": "redis://u:hunter22@h", "why": ValueError("hunter22")}
    text = formatter.format(record("no login with %s", "hunter22", extra=extra))
    assert "hunter22" not in text
    assert text.count("***") == 3


def test_what_kafka_python_says_of_a_connection_passes_without_secrets() -> None:
    quiet_kafka_log()
    logging.getLogger("kafka.net.manager").warning(
        "Bootstrap connection to %s failed: %s (backoff 0.1 secs)", "node-0",
        "SaslAuthenticationFailedError: sasl_plain_password='swordfish' or hunter22 is wrong",
    )  # fmt: skip
    reason = explain(KafkaTimeoutError("Unable to bootstrap from ['kafka:9092']"))
    assert "swordfish" in reason
    message = as_json(record("not ready: %s", reason))["message"]
    assert "SaslAuthenticationFailedError: sasl_plain_password=*** or *** is wrong" in message


def test_a_hostile_text_cannot_look_like_another_line() -> None:
    hostile = "crime\n2026-01-01 00:00:00 INFO consumer: all is well"
    line = ConsoleFormatter(REDACT).format(record("genre %s", hostile))
    assert "\n" not in line
    assert r"crime\n2026" in line


def test_json_takes_whatever_is_told() -> None:
    extra: dict[str, object] = {"big": 2**70, "path": "\udc80", "nan": math.nan, "none": None}
    told = as_json(record("odd", extra=extra))
    assert told["big"] == str(2**70)
    assert told["path"] == r"\udc80"
    assert told["nan"] is told["none"] is None


SCRIPT = """
import logging, threading, warnings
from contracts.logs import set_up_logging
from contracts.settings import Settings
set_up_logging(Settings({settings}))
{code}
"""


def run(code: str, settings: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(settings=settings, code=code)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_elsewhere_than_on_a_terminal_it_is_json_also_for_what_nobody_caught() -> None:
    status, text = run(
        "warnings.warn('old')\n"
        "t = threading.Thread(target=lambda: 1 / 0, name='closing'); t.start(); t.join()\n"
        "raise RuntimeError('redis://u:hunter22@h')"
    )
    assert status == 1
    warning, in_thread, at_the_end = map(json.loads, text.splitlines())
    assert warning["level"] == "warning"
    assert in_thread["message"] == "thread closing ended by an error: division by zero"
    assert "ZeroDivisionError" in in_thread["exception"]
    assert at_the_end["message"] == "ended by an error: redis://***@h"
    assert "hunter22" not in text


def test_on_a_terminal_it_is_lines_for_people() -> None:
    ours, terminal = os.openpty()
    code = SCRIPT.format(settings="", code="logging.getLogger('x').warning('loud')")
    try:
        subprocess.run([sys.executable, "-c", code], stderr=terminal, timeout=60, check=True)
        text = os.read(ours, 4_096).decode()
    finally:
        os.close(ours)
        os.close(terminal)
    assert text.endswith(" WARNING x: loud\r\n")


def test_lines_for_people_and_the_least_level_can_be_asked_for() -> None:
    log = "logging.getLogger('x').info('quiet'); logging.getLogger('x').warning('loud')"
    _, text = run(log, "log_format='console', log_level='warning'")
    assert text.endswith(" WARNING x: loud\n")
    assert "quiet" not in text
