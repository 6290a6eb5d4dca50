"""The bearer token, when one is set."""

import hmac
from typing import Final

from contracts.options import ConfigurationError
from contracts.secret_files import secret_of
from feed.serve.settings import ServeSettings, check_token

GUARDED: Final = ("/v1/", "/metrics")
"""Beginnings of the paths that ask for the token."""


def token_of(settings: ServeSettings) -> str | None:
    """Return the token, None when everybody may read.

    Raises:
        ConfigurationError: The file can't be read, or holds no token.
    """
    token = secret_of(settings, "serve_token")
    try:
        return None if token is None else check_token(token)
    except ValueError as error:
        raise ConfigurationError(f"GENRECAST_SERVE_TOKEN_FILE: {error}") from None


def may_read(token: str | None, path: str, authorization: bytes) -> bool:
    """Say whether a request may have its answer; takes as long whatever the token is."""
    if token is None or not path.startswith(GUARDED):
        return True
    scheme, _, given = authorization.partition(b" ")
    return hmac.compare_digest(given.strip(), token.encode()) and scheme.lower() == b"bearer"
