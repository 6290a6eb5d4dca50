"""Alerts as the service keeps and serves them."""

import json
from collections.abc import Iterator
from functools import partial

import pytest

from feed.serve.alerts import MOST_RECENT, AlertBoard, parse_alert
from feed.serve.stream import Reader
from tests.served import Served, serve_settings, served
from tests.unit.feed.making import alert, at, service


def board_of(*alerts: tuple[int, str, str]) -> AlertBoard:
    board = AlertBoard()
    for number, genre, state in alerts:
        board.add(alert(number, state, genre=genre))  # type: ignore[arg-type]
    return board


def test_what_was_raised_is_open_until_it_is_cleared() -> None:
    board = board_of((0, "crime", "raised"), (1, "noir", "raised"), (2, "crime", "cleared"))
    are_open, recent = board.all()
    assert [one.genre for one in are_open] == ["noir"]
    assert len(recent) == 3


def test_a_clear_whose_raise_was_compacted_away_opens_nothing() -> None:
    assert board_of((0, "crime", "cleared")).all()[0] == []


def test_a_genre_can_have_one_open_alert_of_each_kind() -> None:
    board = AlertBoard()
    board.add(alert(0, "raised"))
    board.add(alert(1, "raised", kind="threshold"))
    board.add(alert(2, "cleared"))
    assert [one.kind for one in board.all()[0]] == ["threshold"]


def test_messages_that_are_kept_are_bounded_and_open_ones_stay() -> None:
    board = board_of((0, "noir", "raised"))
    for number in range(MOST_RECENT):
        board.add(alert(number, "raised" if number % 2 else "cleared"))
    are_open, recent = board.all()
    assert len(recent) == MOST_RECENT
    assert "noir" in [one.genre for one in are_open]


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"[1]", b'{"kind": "storm"}'])
def test_what_is_no_alert_is_skipped(value: bytes | None) -> None:
    assert parse_alert(value) is None


def test_an_alert_is_read_as_it_was_written() -> None:
    written = alert(3, "raised")
    assert parse_alert(written.model_dump_json().encode()) == written


def test_a_stream_tells_what_came_since_it_began() -> None:
    shown = service(0)
    shown.add_alerts([alert(0, "raised")])
    reader, of_noir = Reader(shown, None, None), Reader(shown, {"noir"}, None)
    assert reader.alerts() is None, "what is open is at /v1/alerts"
    shown.add_alerts([alert(1, "cleared")])
    told = reader.alerts() or b""
    assert told.startswith(b"event: alert\ndata: ")
    assert json.loads(told.split(b"data: ")[1])["state"] == "cleared"
    assert reader.alerts() is None
    assert of_noir.alerts() is None


def test_what_the_topic_kept_is_no_news() -> None:
    shown = service(0)
    reader = Reader(shown, None, None)
    shown.add_alerts([alert(0, "raised")])
    assert reader.alerts() is None


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    """Crime's alert was raised and cleared, noir's is open, and so is a threshold's of crime."""
    settings = {"serve_requests_per_second": 10_000, "serve_port": serve_settings().serve_port}
    shown = service(*range(30), **settings)
    shown.add_alerts(
        [
            alert(0, "raised"), alert(1, "raised", genre="noir"), alert(2, "cleared"),
            alert(3, "raised", kind="threshold"),
        ]
    )  # fmt: skip
    with served(shown) as found:
        yield found


def test_open_alerts_and_the_latest_messages_come_the_newest_first(site: Served) -> None:
    answer = site.get("/v1/alerts").json
    assert [(one["genre"], one["kind"]) for one in answer["open"]] == [
        ("crime", "threshold"), ("noir", "outside-interval"),
    ]  # fmt: skip
    assert answer["open_count"] == 2
    assert [one["bucket_start"] for one in answer["recent"]] == [at(n) for n in (3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("query", "are_open", "recent"),
    [
        ("genre=%20NOIR", 1, 1),
        ("genre=noir&genre=crime", 2, 4),
        ("genre=unheard-of", 0, 0),
        ("kind=threshold", 1, 1),
        ("state=cleared", 2, 1),
        ("kind=outside-interval&state=raised", 1, 2),
        ("limit=1", 1, 1),
    ],
)
def test_alerts_are_chosen(site: Served, query: str, are_open: int, recent: int) -> None:
    answer = site.get(f"/v1/alerts?{query}").json
    assert (len(answer["open"]), len(answer["recent"])) == (are_open, recent)


def test_new_alerts_are_in_the_next_answer(site: Served) -> None:
    before = site.get("/v1/alerts?genre=war").json["open_count"]
    site.do(partial(site.service.add_alerts, [alert(4, "raised", genre="war")]))
    assert site.get("/v1/alerts?genre=war").json["open_count"] == before + 1
    site.do(partial(site.service.add_alerts, [alert(5, "cleared", genre="war")]))


def test_the_span_of_the_horizon_is_answered(site: Served) -> None:
    answer = site.get(f"/v1/inventory?genre=%20CRIME&from={at(28)}&to={at(33)}").json
    # two buckets of 10 clicks each, then 10, 20 and 30 expected
    assert (answer["observed"], answer["expected"], answer["mean"]) == (20, 60, 80)
    assert list(answer["quantiles"]) == ["0.1", "0.5", "0.9"]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        (f"/v1/inventory?genre=crime&from={at(30)}&to={at(34)}", 422, "the forecast reaches"),
        (f"/v1/inventory?genre=crime&from={at(30)}&to={at(30)}", 422, "must be before"),
        (f"/v1/inventory?genre=crime&from=0&to={at(30)}", 404, "counts are kept from"),
        (f"/v1/inventory?genre=nothing&from={at(1)}&to={at(2)}", 404, "is not known"),
        ("/v1/inventory?genre=crime", 422, "from: Field required"),
        ("/v1/inventory?genre=crime&from=-1&to=5", 422, "from"),
        ("/v1/inventory?genre=crime&from=yesterday&to=today", 422, "from"),
        (f"/v1/inventory?genre=crime&from={at(1)}&to={'9' * 30}", 422, "to"),
        ("/v1/alerts?kind=storm", 422, "kind"),
        ("/v1/alerts?state=maybe", 422, "state"),
        ("/v1/alerts?limit=0", 422, "limit"),
        ("/v1/alerts?limit=1001", 422, "limit"),
        ("/v1/alerts?genre=" + "x" * 65, 422, "genre"),
        ("/v1/alerts?" + "genre=x&" * 101, 422, "genre"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    site: Served, path: str, status: int, told: str
) -> None:
    reply = site.get(path)
    assert reply.status == status
    assert told in reply.json["detail"]
