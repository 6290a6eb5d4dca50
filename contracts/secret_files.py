"""Secrets that come in files, as Docker and Kubernetes mount them; read where they are used."""

from pathlib import Path
from typing import Final

from pydantic import SecretStr

from contracts.link_settings import ENVIRONMENT_PREFIX, LinkSettings
from contracts.options import ConfigurationError

MOST_BYTES: Final = 65_536
"""Largest file that is taken for a secret, bytes: a wrong path may name a log, or a device."""


def read_secret(path: Path, setting: str) -> str:
    """Read a secret from a file, without its final newline.

    Raises:
        ConfigurationError: Naming the setting: it can't be read, is empty, or is no secret.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigurationError(f"{setting}: {path} has over {MOST_BYTES} bytes: no secret")
        text = content.decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{setting}: cannot read {path}: {reason}") from None
    if not text:
        raise ConfigurationError(f"{setting}: {path} is empty")
    return text


def secret_of(settings: LinkSettings, name: str) -> str | None:
    """Return a secret, from its setting or from the file that its `*_file` names; None without.

    Raises:
        ConfigurationError: Naming the setting, when the file is no good.
    """
    path: Path | None = getattr(settings, f"{name}_file")
    if path is not None:
        return read_secret(path, f"{ENVIRONMENT_PREFIX}{name.upper()}_FILE")
    given: SecretStr | None = getattr(settings, name)
    return None if given is None else given.get_secret_value()
