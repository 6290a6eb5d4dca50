"""No secret gets out: neither one that is known, nor what looks like one."""

from pathlib import Path

import pytest

from contracts.redaction import Redactor
from contracts.settings import Settings

SECRET = "h/un:t er@2'"


@pytest.mark.parametrize(
    "text",
    [
        "refused: h/un:t er@2'",
        "GET /h%2Fun%3At%20er%402%27",
        "GET /h/un%3At%20er%402%27",
        """{'sasl_plain_password': "h/un:t er@2'"}""",
        r"password is h/un:t er@2'",
    ],
)
def test_a_known_secret_is_hidden_however_it_is_spelled(text: str) -> None:
    hidden = Redactor([SECRET])(text)
    assert "un:t" not in hidden
    assert "un%3At" not in hidden
    assert "***" in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("redis://user:p4ss@host:1/0 away", "redis://***@host:1/0 away"),
        ("redis://:p4ss@host", "redis://***@host"),
        ("'rediss://u:p@4ss@h:1,h:2/x'", "'rediss://***@h:1,h:2/x'"),
        ("https://t0ken@host/v1", "https://***@host/v1"),
        ("sasl_plain_password='p4 ss', x=1", "sasl_plain_password=***, x=1"),
        ('{"ssl_password": "p4ss", "x": 1}', '{"ssl_password": ***, "x": 1}'),
        ("Authorization: Bearer p4ss", "Authorization: Bearer ***"),
        ("api-key=p4ss", "api-key=***"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, hidden: str) -> None:
    assert Redactor()(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "redis://localhost:6379/0 is away",
        "Invalid username or password",
        "GENRECAST_KAFKA_PASSWORD_FILE: cannot read /run/secret",
        "partition 3: Redis stands at offset 12",
        "ops@example.org",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert Redactor(["s3cret"])(text) == text


def test_the_settings_secrets_are_known_wherever_they_are_kept(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("in-a-file\n")
    (tmp_path / "url").write_text("redis://u:of-a-file@h:1/0\n")
    settings = Settings(
        redis_url="redis://u:in%20url@h:1/0",
        kafka_password_file=tmp_path / "kafka",
        redis_password_file=tmp_path / "missing",
        redis_sentinel_password="direct",
        traces_url="https://u:to-traces@h",
    )
    hidden = Redactor.of(settings)("in-a-file, in url, in%20url, direct, to-traces")
    assert hidden == "***, ***, ***, ***, ***"
    assert Redactor.of(Settings(redis_url_file=tmp_path / "url"))("of-a-file") == "***"


@pytest.mark.parametrize(
    "url", ["redis://[u:swordfish@h", "redis://u:sword/fish@h:1", "redis://h?password=swordfish"]
)
def test_the_password_of_a_broken_url_is_known_too(url: str) -> None:
    hidden = Redactor.of(Settings(redis_url=url))("swordfish, sword/fish")
    assert "***" in hidden


def test_a_secret_that_every_word_holds_garbles_nothing() -> None:
    assert Redactor(["a"])("a bucket was closed") == "a bucket was closed"
