"""Panels of what not every deployment has: explanations and alerts.

The service is given its buckets and alerts by hand: no broker is needed.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from feed.serve.explaining import Explanations
from tests.browser.chromium import axe_source
from tests.browser.page import PATIENCE_MS, OpenPage, Watched, wait_for_view
from tests.served import Served, served
from tests.unit.feed.making import alert, service

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

GENRE = "#/genre/crime"

ALERTS = "#/pipeline"

MOVED = {
    "bucket_start": 1_767_571_200_000, "last_step": 12, "ordinary": 10.0, "forecast": 16.0,
    "causes": [
        {"name": "same_time", "label": "same time", "clicks": 8.0, "details": [
            {"label": "1 day ago", "clicks": 5.0}, {"label": "7 days ago", "clicks": 3.0},
        ]},
        {"name": "recent", "label": "recent level", "clicks": -2.0, "details": []},
    ],
    "buckets": [], "reproduction": {"note": ""},
}  # fmt: skip
"""What the page reads of an explanation."""


@pytest.fixture(scope="module")
def site(browser: Browser) -> Iterator[Served]:
    """Explanations are on; the process that makes them is never asked."""
    del browser  # asked for first: without one nothing is started
    made = service(*range(30), serve_explanations=True, serve_requests_per_second=10_000)
    with served(made) as found:
        yield found


@pytest.fixture
def without_explanations(site: Served) -> Iterator[None]:
    """The service as it is when the setting is left alone."""
    were = site.service.explanations

    def have(explanations: Explanations | None) -> None:
        site.service.explanations = explanations

    site.do(lambda: have(None))
    yield
    site.do(lambda: have(were))


def assert_accessible(page: Page, part: str) -> None:
    page.evaluate(axe_source())
    found = page.evaluate("(part) => axe.run(part)", part)
    assert found["passes"]
    assert found["violations"] == []


def test_what_moved_a_forecast_is_told_on_a_click(open_page: OpenPage) -> None:
    page = open_page(GENRE)
    wait_for_view(page, GENRE)
    page.route("**/v1/explanation?genre=crime", lambda route: route.fulfill(json=MOVED))
    page.get_by_role("button", name="Explain").click()
    said = page.locator(".explanation-said")
    expect(said).to_contain_text("16 clicks per bucket are expected over 12 buckets")
    expect(said).to_contain_text("after an ordinary bucket it would be 10")
    lines = page.locator(".explanation tbody tr").all_inner_texts()
    assert [line.split("\t")[:2] for line in lines] == [
        ["same time", "+8"], ["1 day ago", "+5"], ["7 days ago", "+3"],
        ["recent level", "-2"], ["together", "+6"],
    ]  # fmt: skip
    assert_accessible(page, ".explanation")


def test_a_forecast_that_can_not_be_explained_is_said(open_page: OpenPage) -> None:
    page = open_page(GENRE)
    wait_for_view(page, GENRE)
    problem = {"detail": "too many explanations are asked for at once"}
    page.route(
        "**/v1/explanation?genre=crime", lambda route: route.fulfill(status=503, json=problem)
    )
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".explanation-said")).to_contain_text("too many explanations")


@pytest.mark.usefixtures("without_explanations")
def test_what_is_off_is_not_offered_and_its_setting_is_named(
    open_page: OpenPage, watched: Watched
) -> None:
    page = open_page(GENRE)
    wait_for_view(page, GENRE)
    said = page.locator(".explanation-said")
    expect(said).to_contain_text("GENRECAST_SERVE_EXPLANATIONS=true", timeout=PATIENCE_MS)
    button = page.get_by_role("button", name="Explain")
    expect(button).to_be_disabled()
    assert "GENRECAST_SERVE_EXPLANATIONS=true" in (button.get_attribute("title") or "")
    assert_accessible(page, ".explanation")
    assert watched.problems == []


def test_open_alerts_are_listed_with_why_until_they_are_cleared(
    site: Served, open_page: OpenPage, watched: Watched
) -> None:
    page = open_page(ALERTS)
    wait_for_view(page, ALERTS)
    panel = page.locator(".panel", has=page.get_by_role("heading", name="Alerts", exact=True))
    expect(panel).to_contain_text("None open.", timeout=PATIENCE_MS)

    one, other = alert(27, "raised"), alert(28, "raised", genre="noir", kind="threshold")
    site.do(lambda: site.service.add_alerts([one, other]))
    lines = panel.locator("tbody tr")
    expect(lines).to_have_count(2, timeout=PATIENCE_MS)
    told = [line.split("\t") for line in lines.all_inner_texts()]
    assert [[genre, why] for genre, _, why in told] == [
        ["noir", other.reason], ["crime", one.reason],
    ]  # fmt: skip
    assert_accessible(page, "#pipeline-panels")

    cleared = [alert(29, "cleared"), alert(29, "cleared", genre="noir", kind="threshold")]
    site.do(lambda: site.service.add_alerts(cleared))
    expect(panel).to_contain_text("None open.", timeout=PATIENCE_MS)
    expect(lines).to_have_count(0)
    assert watched.problems == []
