"""Connection options for any kafka-python client, from the settings; imports no client."""

from pathlib import Path
from typing import Any, Final

from contracts.options import ConfigurationError
from contracts.settings import Settings

BOOTSTRAP_TIMEOUT_MS: Final = 5_000
"""How long a client waits for the first broker, ms: a stop signal is seen only after it."""


def read_secret(path: Path, setting: str) -> str:
    """Read a secret from a file, without its final newline.

    Raises:
        ConfigurationError: Naming the setting, when the file can't be read.
    """
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{setting}: cannot read {path}: {reason}") from None


def client_options(settings: Settings) -> dict[str, Any]:
    """Return bootstrap and security options for a kafka-python client."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else None
        if settings.kafka_password_file:
            password = read_secret(settings.kafka_password_file, "GENRECAST_KAFKA_PASSWORD_FILE")
        if not settings.kafka_username or password is None:
            raise ConfigurationError(
                "GENRECAST_KAFKA_SECURITY_PROTOCOL asks for SASL: set GENRECAST_KAFKA_USERNAME and "
                "GENRECAST_KAFKA_PASSWORD (or GENRECAST_KAFKA_PASSWORD_FILE)"
            )
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": password,
        }
    return options | _tls_files(settings)


def _tls_files(settings: Settings) -> dict[str, str]:
    files = {
        "ssl_cafile": ("kafka_ca_file", settings.kafka_ca_file),
        "ssl_certfile": ("kafka_certificate_file", settings.kafka_certificate_file),
        "ssl_keyfile": ("kafka_key_file", settings.kafka_key_file),
    }
    options = {}
    for option, (setting, path) in files.items():
        if path is not None:
            read_secret(
                path, f"GENRECAST_{setting.upper()}"
            )  # the client's own error names no file
            options[option] = str(path)
    return options
