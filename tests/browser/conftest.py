"""One browser and one deployment for all tests of the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import chromium, require_chromium
from tests.browser.page import PATIENCE_MS, OpenPage, Watched, load
from tests.browser.site import SETTINGS, Site
from tests.deployment import deployment
from tests.faults.lab import laboratory

expect.set_options(timeout=PATIENCE_MS)


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


class HasPage(Protocol):
    """What `site` is in every file of tests."""

    @property
    def url(self) -> str:
        """The page's address."""


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(browser: Browser, site: HasPage, watched: Watched) -> Iterator[OpenPage]:
    """Opens the page in a context of its own, at an address within it."""
    contexts: list[BrowserContext] = []

    def make(where: str = "", **options: object) -> Page:
        context = browser.new_context(locale="en-US", **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(90_000)
        watched.watch(page, site.url)
        while not load(page, site.url + where):
            pass
        return page

    yield make
    # Shown beside a test that failed.
    print(f"console: {watched.problems}")
    for context in contexts:
        context.close()
