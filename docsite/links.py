"""Links that lead out of the site: each is asked for once, where there is network."""

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Final, Literal

from docsite.pages import Page, prose_of

TIMEOUT_SECONDS: Final = 20.0
"""How long a server may take to answer."""

AT_ONCE: Final = 8
"""Links asked for at once."""

GONE: Final = frozenset({404, 410})
"""Statuses that say that a page is not there; others may only mean that robots are not wanted."""

Answer = Literal["there", "gone", "unknown"]

_URL: Final = re.compile(r"\](?:\(|: )(https?://[^)\s#]+)")
_LOCAL: Final = re.compile(r"https?://(localhost|127\.0\.0\.1)[:/]")


def outward(pages: Mapping[PurePosixPath, Page]) -> dict[str, list[str]]:
    """Return every link that leads out of the site, with the documents that have it."""
    found: dict[str, list[str]] = {}
    for page in pages.values():
        for url in _URL.findall(prose_of(page.text or "")):
            if not _LOCAL.match(url):
                found.setdefault(url, []).append(str(page.source))
    return found


def ask(url: str) -> Answer:
    """Ask for a page and say whether it is there; unknown when nobody answers."""
    request = urllib.request.Request(url, headers={"User-Agent": "genrecast-docs"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310 (http only)
            return "there"
    except urllib.error.HTTPError as error:
        return "gone" if error.code in GONE else "unknown"
    except OSError:
        return "unknown"


def ask_all(urls: list[str]) -> dict[str, Answer]:
    """Ask for many pages, some at once."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(urls, threads.map(ask, urls), strict=True))
