"""The page in a browser: opened, watched, waited for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request, expect

from tests.faults.lab import wait_for

OpenPage = Callable[..., Page]
"""Opens the page in a context of its own, at an address within it."""

PATIENCE_MS: Final = 120_000
"""How long anything awaited may take on a busy machine, ms."""

NETWORK_CHANGED: Final = "net::ERR_NETWORK_CHANGED"
"""Chromium gives up what it is loading when the machine's networks change, as containers that come
and go change them. That is nothing that the page did, and what it lacks then it fetches by itself:
what needs all of it waits until it is live."""


@dataclass
class Watched:
    """What a page must not do: complain, or ask somebody else."""

    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    network_changes: int = 0

    def watch(self, page: Page, home: str) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

        def on_request(request: Request) -> None:
            if not request.url.startswith((home, "data:", "blob:")):
                self.strangers.append(request.url)

        page.on("request", on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.text == f"Failed to load resource: {NETWORK_CHANGED}":
            self.network_changes += 1
        elif message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")


def load(page: Page, url: str | None = None) -> bool:
    """Load an address, or anew the one that is there; False when the networks changed meanwhile."""
    try:
        if url is None:
            page.reload()
        else:
            page.goto(url)
    except Error as error:
        if NETWORK_CHANGED in str(error):
            return False
        raise
    return True


def reload(page: Page) -> None:
    """Load a page anew."""
    while not load(page):
        pass


def rows(page: Page) -> Locator:
    return page.locator("#genres tbody tr")


def wait_until_live(page: Page) -> None:
    expect(page.locator("#connection-text")).to_have_text("Live", timeout=PATIENCE_MS)


def wait_for_view(page: Page, where: str) -> None:
    """Wait until a view has all that it shows."""
    wait_until_live(page)
    if where == "":
        expect(rows(page).first).to_be_visible(timeout=PATIENCE_MS)
    elif where == "#/pipeline":
        expect(page.locator("#pipeline-body")).to_be_visible(timeout=PATIENCE_MS)
    else:
        expect(page.locator("#genre-charts canvas")).to_have_count(4, timeout=PATIENCE_MS)


def bucket_of(page: Page) -> str:
    value = page.locator("#genres-bucket").get_attribute("datetime")
    return value or ""


def wait_for_a_later_bucket(page: Page, than: str) -> None:
    wait_for(lambda: bucket_of(page) > than, "a later bucket on the page", PATIENCE_MS / 1000)
