"""What becomes of the page when its parts come late or not at all.

The service is given its buckets by hand: no broker is needed.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.page import (
    PATIENCE_MS,
    OpenPage,
    Watched,
    reload,
    wait_for_view,
)
from tests.served import Served, served
from tests.unit.feed.making import service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(browser: Browser) -> Iterator[Served]:
    """One bucket."""
    del browser  # asked for first: without one nothing is started
    with served(service(0, serve_port=0, serve_requests_per_second=10_000)) as found:
        yield found


def fail_at_first(page: Page, part: str, failures: int) -> list[str]:
    """Have a part of the page not arrive for so many times; return what is asked for, as it is."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= failures:
            route.abort()
        else:
            route.continue_()

    page.route(f"**/assets/{part}", answer)
    return asked


def test_a_part_that_does_not_arrive_is_said_once_and_asked_for_again(open_page: OpenPage) -> None:
    page = open_page()
    asked = fail_at_first(page, "store.js", failures=1_000)
    reload(page)
    expect(page.locator("#notice")).to_contain_text("did not arrive", timeout=PATIENCE_MS)
    expect(page.locator("#connection-text")).to_have_text("Not loaded")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#announcement")).to_be_empty(timeout=PATIENCE_MS)
    expect(page.locator("#notice")).to_contain_text("did not arrive", timeout=PATIENCE_MS)
    assert len(asked) >= 2


def test_a_part_that_arrives_late_makes_the_page_live_without_a_hand(open_page: OpenPage) -> None:
    page = open_page()
    asked = fail_at_first(page, "store.js", failures=2)
    reload(page)
    wait_for_view(page, "")
    expect(page.locator("#notice")).to_be_hidden(timeout=PATIENCE_MS)
    assert len(asked) >= 3
    assert page.evaluate("sessionStorage.length") == 0, "the next failure begins with a short pause"


def test_a_style_that_does_not_arrive_is_fetched_anew_where_it_stands(
    open_page: OpenPage, watched: Watched
) -> None:
    page = open_page()
    asked = fail_at_first(page, "views.css", failures=2)
    reload(page)
    first = page.evaluate("performance.timeOrigin")
    # A sheet that failed is listed too; nobody may look into it.
    has_styles = """() => [...document.styleSheets].some((one) => {
      try { return one.href.endsWith("views.css") && one.cssRules.length > 0; }
      catch { return false; }
    })"""
    page.wait_for_function(has_styles, timeout=PATIENCE_MS)
    wait_for_view(page, "")
    assert len(asked) >= 3
    is_same = page.evaluate("performance.timeOrigin") == first
    assert is_same or watched.network_changes, "the page itself was not loaded again"


def test_a_page_that_may_keep_nothing_waits_long_before_it_loads_itself_again(
    open_page: OpenPage,
) -> None:
    page = open_page()
    page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('no'); } });"
    )
    fail_at_first(page, "store.js", failures=1_000)
    reload(page)
    said = page.locator("#notice-text").text_content() or ""
    assert int(said.removesuffix(" s.").split()[-1]) > 3
