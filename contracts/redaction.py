"""Secrets taken out of texts: those of the settings, and whatever looks like one."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, quote, unquote

from pydantic import SecretStr

from contracts.settings import Settings

HIDDEN: Final = "***"
"""What stands where a secret was."""

LEAST_SECRET: Final = 4
"""Shortest secret that is looked for by its value, characters: a shorter one is in every word."""

_USER_INFO: Final = re.compile(r"(?<=://)[^\s/?#]+(?=@)")
"""User and password of a URL; a password may hold an @."""

_NAMED: Final = re.compile(
    r"""([\w-]*(?:password|passwd|secret|token|api[_-]?key|authorization)['"]?\s*[=:]\s*)"""
    r"""((?:basic|bearer)\s+)?(?:"[^"]*"|'[^']*'|[^\s"',;&)}\]]+)""",
    re.IGNORECASE,
)
"""A value beside a secret's name, as clients print their options."""

_SECRET_FILE: Final = re.compile(r"(password|token|url)_file$")
"""Settings that name a file with a secret in it."""


class Redactor:
    """Takes secrets out of texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= LEAST_SECRET}
        spelled = {way for secret in known for way in _spellings(secret)}
        longest_first = sorted(spelled, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return one that knows the secrets of the settings, those in files too."""
        return cls(_secrets(settings))

    def __call__(self, text: str) -> str:
        """Return a text without secrets."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _NAMED.sub(rf"\1\2{HIDDEN}", _USER_INFO.sub(HIDDEN, text))


def _spellings(secret: str) -> set[str]:
    """Return a secret as it is, as in a URL, and as Python shows it."""
    return {secret, unquote(secret), quote(secret, safe=""), quote(secret), repr(secret)[1:-1]}


def _secrets(settings: Settings) -> Iterator[str]:
    for name, value in settings:
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
        elif isinstance(value, Path) and _SECRET_FILE.search(name):
            text = _text_of(value)
        else:
            continue
        yield from _passwords_of(text) if "://" in text else (text,)


def _passwords_of(url: str) -> Iterator[str]:
    # Not by a URL parser: this is wanted for one that is broken too.
    rest = url.partition("://")[2]
    yield rest.rpartition("@")[0].partition(":")[2]
    yield from parse_qs(rest.partition("?")[2]).get("password", ())


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return ""  # whoever needs it will say so
