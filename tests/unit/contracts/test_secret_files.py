"""Secrets in files, and the files of TLS: what is wrong with one is said by its setting."""

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import trustme
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from contracts.kafka_client import client_options
from contracts.options import ConfigurationError, load_settings
from contracts.settings import Settings
from genrecast.cli import COMMANDS, cli
from state.redis_client import RedisClient

SECRET = "s3cret-of-the-shop"

SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_username": "shop"}


def settings_of(**options: object) -> Settings:
    return Settings.model_validate(options)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


def test_a_file_holds_the_secret_and_its_last_newline_is_none_of_it(secret: Path) -> None:
    options = client_options(settings_of(**SASL, kafka_password_file=secret))
    assert options["sasl_plain_password"] == SECRET


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda file: file.unlink(), "cannot read .*: No such file or directory"),
        (lambda file: file.write_text("\n"), "is empty"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "not UTF-8 text"),
        (lambda file: file.write_bytes(b"x" * 70_000), "no secret"),
    ],
)
@pytest.mark.parametrize(
    ("setting", "use"),
    [
        ("kafka_password_file", client_options),
        ("redis_url_file", RedisClient),
        ("redis_password_file", RedisClient),
    ],
)
def test_a_file_that_is_no_good_is_named_with_its_setting(
    secret: Path,
    make: Callable[[Path], object],
    told: str,
    setting: str,
    use: Callable[[Settings], object],
) -> None:
    make(secret)
    with pytest.raises(ConfigurationError, match=f"GENRECAST_{setting.upper()}: .*{told}"):
        use(settings_of(**SASL, **{setting: secret}))


@pytest.mark.parametrize("name", ["kafka_password", "redis_sentinel_password", "traces_url"])
def test_a_secret_that_is_given_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, secret: Path, name: str
) -> None:
    monkeypatch.setenv(f"GENRECAST_{name.upper()}", "http://u:s3cret@h")
    with pytest.raises(ConfigurationError, match="are both set: keep one") as caught:
        load_settings(Settings, **{f"{name}_file": secret})
    assert "s3cret@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["redis://u:s3cret@h:1", "redis://h:1?password=s3cret", "redis+cluster://:s3cret@h:1"],
)
def test_a_password_beside_one_in_the_url_is_refused(secret: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="keep one") as caught:
        RedisClient(settings_of(redis_url=url, redis_password_file=secret))
    assert "s3cret" not in str(caught.value)


def test_a_url_in_a_file_is_refused_without_being_shown(secret: Path) -> None:
    with pytest.raises(ConfigurationError, match="GENRECAST_REDIS_URL_FILE: must begin") as caught:
        RedisClient(settings_of(redis_url_file=secret))
    assert SECRET not in str(caught.value)


def test_a_password_that_changes_in_its_file_is_taken_up(secret: Path) -> None:
    client = RedisClient(settings_of(redis_url="redis://h:1", redis_password_file=secret))
    secret.write_text("another")
    client.close()
    assert client._client().connection_pool.connection_kwargs["password"] == "another"
    client.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
    issued = authority.issue_cert("client.example")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    return certificate, key


@pytest.mark.parametrize("link", ["kafka", "redis"])
def test_tls_files_are_held_against_each_other_before_anybody_connects(
    authority: trustme.CA, pair: tuple[Path, Path], tmp_path: Path, link: str
) -> None:
    certificate, key = pair
    other, locked = tmp_path / "other.pem", tmp_path / "locked.pem"
    authority.issue_cert("other.example").private_key_pem.write_to_path(str(other))
    private = load_pem_private_key(key.read_bytes(), None)
    lock = BestAvailableEncryption(b"s3cret")
    locked.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    for changes, told in (
        ({"ca": tmp_path / "none"}, "CA_FILE: cannot read .*none: No such file"),
        ({"ca": key}, "CA_FILE: .* is not the PEM that is wanted"),
        ({"certificate": certificate}, "CERTIFICATE_FILE: .* is not the PEM that is wanted"),
        ({"certificate": certificate, "key": tmp_path / "none"}, "KEY_FILE: cannot read"),
        ({"certificate": certificate, "key": other}, "KEY_FILE: .* is not the key of the cert"),
        ({"certificate": certificate, "key": locked}, "KEY_FILE: .* is encrypted"),
    ):
        files = {f"{link}_{part}_file": path for part, path in changes.items()}
        settings = settings_of(redis_url="rediss://h:1", **files)
        use = client_options if link == "kafka" else RedisClient
        with pytest.raises(ConfigurationError, match=f"GENRECAST_{link.upper()}_{told}"):
            use(settings)


def test_a_key_without_its_certificate_is_refused(secret: Path) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_KEY_FILE is of no use without"):
        load_settings(Settings, redis_key_file=secret)


def test_no_help_and_no_repr_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("KAFKA_PASSWORD", SECRET),
        ("REDIS_URL", f"redis://u:{SECRET}@h:1/0"),
        ("REDIS_SENTINEL_PASSWORD", SECRET),
        ("TRACES_URL", f"http://u:{SECRET}@h"),
        ("SERVE_TOKEN", SECRET),
    ):
        monkeypatch.setenv(f"GENRECAST_{name}", value)
    settings = Settings()
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert SECRET not in shown
    names = [name for name in COMMANDS if name not in {"demo", "stack"}]  # links of their own
    for name in names:
        assert SECRET not in CliRunner().invoke(cli, [name, "--help"]).output
    assert not _secret_options(names)


def _secret_options(names: list[str]) -> list[str]:
    """Options by which a bare secret could be given, where others on the machine can read it."""
    found = []
    for name in names:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        taken = {parameter.name or "" for parameter in command.params}
        found += [f"{name}: {n}" for n in taken if re.search(r"(password|token)$", n)]
    return found
