"""TLS files held against what TLS takes, so that an error names the setting and not a socket."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from contracts.link_settings import ENVIRONMENT_PREFIX, LinkSettings
from contracts.options import ConfigurationError

Peer = Literal["kafka", "redis"]
"""Whom a link leads to, as its settings begin."""


def tls_files(settings: LinkSettings, peer: Peer) -> dict[str, str]:
    """Return the files of a link by what they are: `ca`, `certificate`, `key`.

    They are read once here, and again by the client at each connection: renewed ones are taken up.

    Raises:
        ConfigurationError: Naming the setting: a file can't be read, is no PEM, or does not fit.
    """
    paths: dict[str, Path | None] = {
        part: getattr(settings, f"{peer}_{part}_file") for part in ("ca", "certificate", "key")
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca, certificate, key = paths["ca"], paths["certificate"], paths["key"]
    if ca is not None:
        _load(f"{peer}_ca_file", ca, lambda: context.load_verify_locations(ca))
    if certificate is not None:
        _readable(f"{peer}_certificate_file", certificate)
        named = (f"{peer}_key_file", key) if key else (f"{peer}_certificate_file", certificate)
        _load(*named, lambda: context.load_cert_chain(certificate, key, _refuse_to_ask))
    return {part: str(path) for part, path in paths.items() if path is not None}


class _EncryptedError(Exception):
    """A key wants a passphrase."""


def _refuse_to_ask() -> str:
    raise _EncryptedError  # else OpenSSL asks at the terminal, and waits


def _readable(setting: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise _wrong(setting, f"cannot read {path}: {error.strerror}") from None


def _load(setting: str, path: Path, load: Callable[[], None]) -> None:
    _readable(setting, path)
    try:
        load()
    except _EncryptedError:
        raise _wrong(
            setting, f"{path} is encrypted: a key without a passphrase is wanted"
        ) from None
    except OSError as error:
        is_pair = getattr(error, "reason", "") == "KEY_VALUES_MISMATCH"
        told = "is not the key of the certificate" if is_pair else "is not the PEM that is wanted"
        raise _wrong(setting, f"{path} {told}") from None


def _wrong(setting: str, told: str) -> ConfigurationError:
    return ConfigurationError(f"{ENVIRONMENT_PREFIX}{setting.upper()}: {told}")
