"""One browser and one deployment for all tests of the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.browser.chromium import chromium, require_chromium
from tests.browser.site import SETTINGS, Site
from tests.deployment import deployment
from tests.faults.lab import laboratory


# Per file, not longer: while Playwright runs, nothing else in its thread can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(require_chromium()) as started:
        yield started


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Asks for the browser first: without one nothing is started."""
    logs: Path = tmp_path_factory.mktemp("browser-logs")
    with laboratory() as lab:
        endpoints = lab.stack.endpoints
        with deployment(
            endpoints.kafka_bootstrap, endpoints.redis_url, logs, **SETTINGS
        ) as deployed:
            started = Site(lab, deployed)
            started.start()
            yield started


@dataclass
class Watched:
    """What a page must not do: complain, or ask somebody else."""

    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self, page: Page, home: str) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

        def on_request(request: Request) -> None:
            if not request.url.startswith((home, "data:", "blob:")):
                self.strangers.append(request.url)

        page.on("request", on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(browser: Browser, site: Site, watched: Watched) -> Iterator[Callable[..., Page]]:
    """Opens the page in a context of its own, at an address within it."""
    contexts: list[BrowserContext] = []

    def make(where: str = "", **options: object) -> Page:
        context = browser.new_context(locale="en-US", **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(90_000)
        watched.watch(page, site.url)
        page.goto(site.url + where)
        return page

    yield make
    # Shown beside a test that failed.
    print(f"console: {watched.problems}")
    for context in contexts:
        context.close()
