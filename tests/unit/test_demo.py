"""The demo's board, screens and reckoning, on made-up forecasts."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from contracts.buckets import DAY_MS
from contracts.forecasts import GenreForecast
from genrecast.demo_board import Board
from genrecast.demo_page import address_in, open_page
from genrecast.demo_screen import PlainScreen, render
from genrecast.demo_summary import print_summary, summarise

HOUR_MS = 3_600_000


def forecast(bucket: int, clicks: int, median: float = 10, genre: str = "crime") -> GenreForecast:
    start = bucket * HOUR_MS
    return GenreForecast.model_validate(
        {
            "genre": genre, "bucket_start": start, "bucket_seconds": 3600, "kind": "lstm",
            "observed_clicks": clicks, "model_version": "m", "emitted_at": 1,
            "horizon": [{
                "step": 1, "start": start + HOUR_MS, "mean": median,
                "quantiles": {"0.1": median - 2, "0.5": median, "0.9": median + 2},
            }],
        }
    )  # fmt: skip


def test_a_count_is_judged_by_the_forecast_made_before_it() -> None:
    board = Board(HOUR_MS)
    board.add(forecast(0, clicks=7, median=10))
    assert board.coverage is None
    board.add(forecast(1, clicks=11))
    board.add(forecast(2, clicks=13))
    line = board.genres["crime"]
    assert line.outcome is not None
    assert (line.outcome.forecast.median, line.outcome.is_inside) == (10, False)
    assert board.coverage == 0.5


def test_skill_compares_with_yesterday_at_the_same_time() -> None:
    board = Board(HOUR_MS)
    for hour in range(24):
        board.add(forecast(hour, clicks=0))
        assert board.genres["crime"].skill is None
    assert DAY_MS == 24 * HOUR_MS
    board.add(forecast(24, clicks=8))  # forecast 10, yesterday 0: errors 2 and 8
    assert board.genres["crime"].skill == 0.75


def test_screens_show_every_genre_and_the_last_interval() -> None:
    board = Board(HOUR_MS)
    for hour in range(3):
        board.add(forecast(hour, clicks=9))
        board.add(forecast(hour, clicks=4, genre="noir"))
    console = Console(file=io.StringIO(), width=140)
    console.print(render(board, "http://127.0.0.1:1/", seconds=1))
    PlainScreen(console).show(board, seconds=0)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "crime" in text
    assert "the page: http://127.0.0.1:1/" in text
    assert "noir" in text
    assert "10 (8-12)" in text
    assert "crime: 9, next 10 (8-12)" in text


TRUTH = {
    "sent": 12, "counted": 9, "late": 2, "malformed": 1, "doubts": [],
    "counted_per_genre": {"crime": 9, "noir": 0},
}  # fmt: skip
TOTALS = {"counted": 9, "late": 2, "dead_letters": 1}


def test_books_that_agree_are_exact() -> None:
    summary = summarise(TRUTH, [forecast(0, 4), forecast(1, 5)], TOTALS)
    assert summary.is_exact


@pytest.mark.parametrize(
    ("truth", "counts", "totals"),
    [
        ({}, [4, 4], {}),
        ({}, [4, 5], {"late": 3}),
        ({}, [4, 5], {"dead_letters": 0}),
        ({"sent": 13}, [4, 5], {}),
        ({"doubts": ["others wrote to it"]}, [4, 5], {}),
    ],
)
def test_books_that_differ_are_not(
    truth: dict[str, object], counts: list[int], totals: dict[str, int]
) -> None:
    made = [forecast(bucket, clicks) for bucket, clicks in enumerate(counts)]
    summary = summarise(TRUTH | truth, made, TOTALS | totals)
    assert not summary.is_exact
    console = Console(file=io.StringIO(), width=100)
    print_summary(summary, console)
    assert isinstance(console.file, io.StringIO)
    assert "NOT exact" in console.file.getvalue()


def test_the_page_is_where_the_service_says(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    assert address_in(log) is None
    log.write_text("INFO starting\n")
    assert address_in(log) is None
    log.write_text("INFO starting\ngenrecast serve: http://127.0.0.1:4711\nINFO more\n")
    assert address_in(log) == "http://127.0.0.1:4711/"


@pytest.mark.parametrize(("display", "opened"), [("", []), (":0", ["http://127.0.0.1:4711/"])])
def test_a_browser_is_opened_only_where_it_would_be_seen(
    monkeypatch: pytest.MonkeyPatch, display: str, opened: list[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("webbrowser.open", seen.append)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    thread = open_page("http://127.0.0.1:4711/")
    if thread is not None:
        thread.join()
    assert seen == opened
