"""What people are told of a connection that did not come about."""

import logging
from collections.abc import Iterator

import pytest
from kafka.errors import (
    KafkaTimeoutError,
    NodeNotReadyError,
)

from contracts.kafka_log import explain, explain_link_refusal, quiet_kafka_log

FAILED = KafkaTimeoutError("Unable to bootstrap from ['kafka:9092']")
MANAGER = logging.getLogger("kafka.net.manager")


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    logger = logging.getLogger("kafka")
    before = (logger.level, logger.propagate)
    quiet_kafka_log()
    explain(FAILED)  # forgets what other tests left
    yield
    logger.level, logger.propagate = before


def fails(reason: str) -> None:
    MANAGER.warning("Bootstrap connection to %s failed: %s (backoff 0.1 secs)", "node-0", reason)


def test_the_reason_that_the_client_logs_is_told_once() -> None:
    fails("KafkaConnectionError: Handshake failed: certificate has expired")
    assert explain(FAILED).endswith("['kafka:9092']: KafkaConnectionError: Handshake failed: "
                                    "certificate has expired")  # fmt: skip
    assert "expired" not in explain(FAILED)


def test_a_login_that_is_refused_looks_like_one_though_the_last_attempt_timed_out() -> None:
    fails("KafkaConnectionError: socket disconnected")
    fails("[Error 7] RequestTimedOutError: Request timed out after 267 ms")
    assert "socket disconnected (as a broker does that refuses a login" in explain(FAILED)


def test_a_refused_login_is_told_in_the_brokers_words_though_it_then_hung_up() -> None:
    fails("[Error 58] SaslAuthenticationFailedError: Invalid username or password")
    fails("KafkaConnectionError: socket disconnected")
    assert "Invalid username or password" in explain(FAILED)


def test_other_errors_are_told_by_their_name() -> None:
    fails("KafkaConnectionError: socket disconnected")
    assert explain(NodeNotReadyError("1")).startswith("NodeNotReadyError: ")


def test_what_waiting_does_not_mend_is_told_with_what_to_change() -> None:
    fails("KafkaConnectionError: socket disconnected")
    assert explain_link_refusal(FAILED) is None  # a broker that restarts does the same
    fails("[Error 58] SaslAuthenticationFailedError: Authentication failed")
    fails("KafkaConnectionError: ECONNREFUSED")
    assert "GENRECAST_KAFKA_PASSWORD" in str(explain_link_refusal(FAILED))
    assert explain_link_refusal(FAILED) is None


def test_a_topic_is_not_taken_for_a_refusal_by_its_name() -> None:
    assert explain_link_refusal(NodeNotReadyError("NOAUTH")) is None
