"""What a page shows that is too slow for what is sent to it.

The service is given its buckets by hand: no broker is needed.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.page import PATIENCE_MS, OpenPage, Watched, bucket_of, wait_for_view
from tests.faults.lab import wait_for
from tests.faults.proxy import Proxy
from tests.served import Served, served
from tests.unit.feed.making import at, kept, service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

FEW = ("crime", "noir")

MANY = (*FEW, *(f"genre {number:03} {'of a long name ' * 3}".strip() for number in range(400)))
"""So many that a few buckets do not fit into what lies between the service and a slow page."""

SLOW_SECONDS = 2.0
"""What each block of bytes waits on the slow link: less than the page takes for a broken one."""


@dataclass(slots=True)
class FarSite:
    """A service behind a link that can be slow."""

    served: Served
    link: Proxy

    @property
    def url(self) -> str:
        """The page's address, by way of the link."""
        return f"http://127.0.0.1:{self.link.port}/"

    def add_bucket(self, number: int) -> None:
        """Close a bucket, the numbers ascending."""
        bucket = kept(number, MANY)
        self.served.do(lambda: self.served.service.add(bucket))
        # Whoever has room is sent it before this is answered.
        assert self.served.get("/healthz").status == 200


@pytest.fixture(scope="module")
def site(browser: Browser) -> Iterator[FarSite]:
    """One bucket; whoever is more than one behind is sent the newest."""
    del browser  # asked for first: without one nothing is started
    made = service(serve_port=0, serve_max_buckets_behind=1, serve_requests_per_second=10_000)
    made.add(kept(0, FEW))
    with served(made) as found, closing(Proxy(found.port)) as link:
        yield FarSite(found, link)


def test_a_page_that_is_slow_is_told_what_it_missed_and_catches_up(
    site: FarSite, open_page: OpenPage, watched: Watched
) -> None:
    page = open_page()
    wait_for_view(page, "")
    site.link.delay_seconds = SLOW_SECONDS
    newest = add_buckets_until_some_are_left_out(site)
    site.link.heal()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("buckets were left out", timeout=PATIENCE_MS)
    wait_for_bucket(page, newest)
    expect(page.locator("#connection-text")).to_have_text("Live")
    expect(notice).to_be_hidden(timeout=PATIENCE_MS)
    site.add_bucket(newest + 1)
    wait_for_bucket(page, newest + 1)
    assert watched.problems == []


def add_buckets_until_some_are_left_out(site: FarSite) -> int:
    """Return the number of the newest bucket."""
    number = 0

    def one_more() -> bool:
        nonlocal number
        number += 1
        site.add_bucket(number)
        return site.served.service.conflated > 0

    wait_for(one_more, "a reader too far behind", PATIENCE_MS / 1_000)
    return number


def wait_for_bucket(page: Page, number: int) -> None:
    shown = page.evaluate("(ms) => new Date(ms).toISOString()", at(number))
    wait_for(lambda: bucket_of(page) == shown, f"bucket {number}", PATIENCE_MS / 1_000)
