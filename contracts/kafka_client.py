"""Connection options for any kafka-python client, from the settings."""

from typing import Any, Final

from contracts.kafka_last_words import hear_last_words
from contracts.kafka_unpacking import bound_unpacking
from contracts.options import ConfigurationError
from contracts.secret_files import secret_of
from contracts.settings import Settings
from contracts.tls import tls_files

BOOTSTRAP_TIMEOUT_MS: Final = 5_000
"""How long a client waits for the first broker, ms: a stop signal is seen only after it."""

_TLS_OPTIONS: Final = {
    "ca": "ssl_cafile", "certificate": "ssl_certfile", "key": "ssl_keyfile",
}  # fmt: skip


def client_options(settings: Settings) -> dict[str, Any]:
    """Return bootstrap and security options for a kafka-python client.

    Raises:
        ConfigurationError: Naming the setting: a file is no good, or user or password are missing.
    """
    bound_unpacking()
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security_protocol,
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        password = secret_of(settings, "kafka_password")
        if not settings.kafka_username or password is None:
            raise ConfigurationError(
                "GENRECAST_KAFKA_SECURITY_PROTOCOL asks for SASL: set GENRECAST_KAFKA_USERNAME and "
                "GENRECAST_KAFKA_PASSWORD (or GENRECAST_KAFKA_PASSWORD_FILE)"
            )
        hear_last_words()
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": password,
        }
    files = tls_files(settings, "kafka")
    return options | {_TLS_OPTIONS[part]: path for part, path in files.items()}
