"""What a peer says is told in words that name the setting to change; what may pass is not."""

import pytest
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)

from contracts.refusals import KAFKA, REDIS, denied_right, refused_link

VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (f"{VERIFY}certificate has expired (_ssl.c:1006)", "Kafka has expired: it has to be ren"),
        (f"{VERIFY}certificate is not yet valid (_ssl.c:1)", "the clock here or there is wrong"),
        (
            f"{VERIFY}IP address mismatch, certificate is not valid for '10.0.0.1'. (_ssl.c:1)",
            "is not valid for 10.0.0.1: GENRECAST_KAFKA_BOOTSTRAP must have a name",
        ),
        (
            f"{VERIFY}self-signed certificate in certificate chain (_ssl.c:1006)",
            "not trusted (self-signed certificate in certificate chain): GENRECAST_KAFKA_CA_FILE",
        ),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", "refuses"),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired", "renew"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
        ("[Error 58] SaslAuthenticationFailedError: no", "check GENRECAST_KAFKA_USERNAME"),
        ("[Error 33] UnsupportedSaslMechanismError", "GENRECAST_KAFKA_SASL_MECHANISM"),
    ],
)  # fmt: skip
def test_what_kafka_refuses_names_the_setting(reason: str, told: str) -> None:
    assert told in str(refused_link(reason, KAFKA))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("invalid username-password pair or user is disabled.", "GENRECAST_REDIS_PASSWORD_FILE"),
        ("WRONGPASS invalid username-password pair", "GENRECAST_REDIS_PASSWORD_FILE"),
        ("Authentication required.", "asks for a password"),
        (f"{VERIFY}unable to get local issuer certificate (_ssl.c:1)", "GENRECAST_REDIS_CA_FILE"),
    ],
)  # fmt: skip
def test_what_redis_refuses_names_the_setting(reason: str, told: str) -> None:
    assert told in str(refused_link(reason, REDIS))


@pytest.mark.parametrize(
    "reason",
    [
        "Connection refused", "socket disconnected", "EOF occurred in violation of protocol",
        "Request timed out after 267 ms", "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.", "",
    ],
)  # fmt: skip
def test_what_may_pass_is_no_refusal(reason: str) -> None:
    assert refused_link(reason, KAFKA) is None
    assert refused_link(reason, REDIS) is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TopicAuthorizationFailedError({"b", "a"}), "denies our user Read on topic a, b: grant it"),
        (GroupAuthorizationFailedError("shop"), "denies our user Read on group shop"),
        (TransactionalIdAuthorizationFailedError(), "Write on transactional id genrecast-shop"),
        (TopicAuthorizationFailedError("Request 'Create(" + "x" * 500), "Read on topic genrecast-"),
    ],
)
def test_a_missing_right_is_named_with_what_it_is_on(error: Exception, told: str) -> None:
    assert told in str(denied_right(error, "Read", "genrecast-shop"))


def test_other_errors_are_about_no_right() -> None:
    assert denied_right(KafkaTimeoutError("x"), "Read") is None
