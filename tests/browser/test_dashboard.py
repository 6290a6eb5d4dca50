"""What a reader of the page can rely on."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import axe_source
from tests.browser.page import (
    PATIENCE_MS,
    OpenPage,
    Watched,
    bucket_of,
    reload,
    rows,
    wait_for_a_later_bucket,
    wait_for_view,
    wait_until_live,
)
from tests.browser.site import Site, answers
from tests.faults.lab import wait_for

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.timeout(600)]

PHONE = {"viewport": {"width": 390, "height": 844}}

TALL = {"viewport": {"width": 1440, "height": 1800}}
"""All rows can be seen: those that can't are left as they are."""

VIEWS = ("", "#/genre/crime", "#/pipeline")

READ_TABLE = """() => ({
  bucket: document.getElementById("genres-bucket").dateTime,
  rows: [...document.querySelectorAll("#genres tbody tr")].map((row) => [
    row.querySelector("th a").textContent,
    row.querySelector(".c-now").textContent,
    row.querySelector(".median").textContent,
    row.querySelector(".range").textContent,
  ]),
})"""
"""All that the table says, read between two repaints."""


def interval_text(low: float, high: float) -> str:
    return f"{clicks_text(low)}\N{EN DASH}{clicks_text(high)}"


def clicks_text(value: float) -> str:
    """Write clicks as the page does in English."""
    if value >= 10:
        return f"{int(value + 0.5):,}"
    return f"{int(value * 10 + 0.5) / 10:g}"


def test_the_page_shows_what_is_on_the_topic_and_follows_it(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page(**TALL)
    wait_for_view(page, "")
    first = bucket_of(page)
    wait_for_a_later_bucket(page, than=first)
    shown = page.evaluate(READ_TABLE)
    start = int(datetime.fromisoformat(shown["bucket"]).timestamp() * 1000)
    published = site.newest_forecasts(start)
    assert len(published) >= 10
    assert {row[0]: tuple(row[1:]) for row in shown["rows"]} == {
        genre: (f"{count:,}", clicks_text(median), interval_text(low, high))
        for genre, (count, median, low, high) in published.items()
    }


def test_rows_sort_and_filter(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_view(page, "")
    page.get_by_role("button", name="Genre").click()
    expect(page.locator("th[data-key=genre]")).to_have_attribute("aria-sort", "ascending")
    names = page.locator("#genres tbody th a").all_text_contents()
    assert names == sorted(names)
    page.keyboard.press("/")
    page.keyboard.type("THRILL")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#shown")).to_contain_text("1 of")


@pytest.mark.parametrize("where", VIEWS, ids=["genres", "genre", "pipeline"])
def test_a_view_complains_of_nothing_and_asks_nobody_else(
    open_page: OpenPage, watched: Watched, where: str
) -> None:
    page = open_page(where)
    wait_for_view(page, where)
    first = page.evaluate("performance.now()")
    page.wait_for_function("(since) => performance.now() - since > 3000", arg=first)
    assert watched.problems == []
    assert watched.strangers == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("where", VIEWS, ids=["genres", "genre", "pipeline"])
def test_a_view_is_accessible_in_both_themes(open_page: OpenPage, theme: str, where: str) -> None:
    page = open_page(where, color_scheme=theme)
    wait_for_view(page, where)
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.evaluate(axe_source())
    found: dict[str, Any] = page.evaluate("axe.run(document)")
    assert found["passes"]
    violations = [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
    assert violations == []


def test_a_genre_is_opened_and_left_without_a_mouse(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_view(page, "")
    page.keyboard.press("/")
    page.keyboard.type("crime")
    expect(rows(page)).to_have_count(1)
    crime = page.get_by_role("link", name="crime", exact=True)
    for _ in range(12):
        page.keyboard.press("Tab")
        if crime.evaluate("(link) => link === document.activeElement"):
            break
    expect(crime).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="crime")).to_be_focused()
    expect(page.locator("#genre-charts canvas")).to_have_count(4, timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    expect(crime).to_be_focused()


def test_arrow_keys_go_from_genre_to_genre(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_view(page, "")
    links = page.locator("#genres tbody th a")
    links.nth(0).focus()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(links.nth(0)).to_be_focused()


@pytest.mark.parametrize("where", VIEWS, ids=["genres", "genre", "pipeline"])
def test_a_phone_does_not_scroll_sideways(open_page: OpenPage, where: str) -> None:
    page = open_page(where, **PHONE)
    wait_for_view(page, where)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("document.documentElement.clientWidth")


def test_the_theme_that_was_chosen_stays(open_page: OpenPage) -> None:
    page = open_page(color_scheme="light")
    page.get_by_label("Theme").select_option("dark")
    reload(page)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_a_genre_that_is_not_there_is_said(open_page: OpenPage) -> None:
    page = open_page("#/genre/%3Cb%3Enobody")
    expect(page.locator("#genre-message")).to_contain_text("<b>nobody", timeout=PATIENCE_MS)


def test_events_come_out_the_same_however_the_stream_is_cut(open_page: OpenPage) -> None:
    page = open_page()
    wait_until_live(page)
    parsed = page.evaluate(
        """async () => {
          const { EventParser } = await import("/assets/sse.js");
          const text = ":hello\\r\\nevent: bucket\\r\\nid: 7\\r\\ndata: {\\"a\\":\\r\\n" +
            "data: 1}\\r\\n\\r\\n: beat\\n\\nevent: gap\\ndata:x\\n\\ndata\\n\\nevent: none\\n\\n";
          const seen = new Set();
          for (let size = 1; size <= text.length; size += 1) {
            const events = [];
            const parser = new EventParser((event) => events.push(event));
            for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
            seen.add(JSON.stringify(events));
          }
          return [...seen].map((events) => JSON.parse(events));
        }"""
    )
    assert parsed == [
        [
            {"event": "bucket", "data": '{"a":\n1}', "id": "7"},
            {"event": "gap", "data": "x", "id": "7"},
            {"event": "message", "data": "", "id": "7"},
        ]
    ]


def test_pauses_between_tries_grow_to_a_bound_and_differ(open_page: OpenPage) -> None:
    page = open_page()
    wait_until_live(page)
    pauses = page.evaluate(
        """async () => {
          const { pauseAfter } = await import("/assets/stream.js");
          return [1, 2, 3, 50].map((failures) => [0, 1].map((by) => pauseAfter(failures, by)));
        }"""
    )
    assert pauses == [[250, 500], [500, 1_000], [1_000, 2_000], [7_500, 15_000]]


def test_a_service_that_restarts_is_said_and_found_again(site: Site, open_page: OpenPage) -> None:
    page = open_page()
    wait_for_view(page, "")
    before = bucket_of(page)
    resumed: list[str] = []
    page.on("request", lambda request: resumed.append(request.headers.get("last-event-id", "")))
    site.stop_service()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Disconnected since", timeout=PATIENCE_MS)
    expect(page.locator("#connection-text")).to_have_text("Disconnected")
    expect(page.locator("#announcement")).to_contain_text("Disconnected")
    expect(rows(page).first).to_be_visible()
    site.start_service()
    wait_until_live(page)
    wait_for_a_later_bucket(page, than=before)
    expect(notice).to_be_hidden(timeout=PATIENCE_MS)
    assert any(resumed), "the stream goes on from the last whole bucket"


def test_a_broker_that_is_away_makes_the_page_stale_until_it_is_back(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page()
    wait_for_view(page, "")
    site.lab.stop_kafka()
    try:
        expect(page.locator("#connection-text")).to_have_text("Stale", timeout=PATIENCE_MS)
        expect(page.locator("#notice")).to_contain_text("The newest bucket was published at")
        before = bucket_of(page)
    finally:
        site.lab.start_kafka()
    wait_until_live(page)
    wait_for_a_later_bucket(page, than=before)


def test_a_token_is_asked_for_until_it_is_the_right_one(
    site: Site, open_page: OpenPage, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-enough-length")
    site.stop_service()
    site.start_service(f"--serve-token-file={token}")
    try:
        page = open_page()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible(timeout=PATIENCE_MS)
        page.keyboard.type("another-one-of-some-length")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("refused", timeout=PATIENCE_MS)
        page.keyboard.type("a-token-of-enough-length")
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        wait_until_live(page)
    finally:
        site.stop_service()
        site.start_service()
        wait_for(lambda: answers(f"{site.url}readyz"), "forecasts at the service")
