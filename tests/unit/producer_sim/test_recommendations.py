"""Asking the service: in bounded numbers, and a failure is no recommendation."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import click
import pytest

from producer_sim.recommendations import (
    AT_ONCE,
    MOST_BYTES,
    MOST_WAITING,
    Answer,
    RecommendationClient,
    ServiceAddressType,
)
from tests.unit.contracts.test_cards import page

PATIENCE_SECONDS = 60.0
"""How long anything awaited may take, seconds."""


class Service(ThreadingHTTPServer):
    """Answers with `status` and `body` once `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body = 200, page(("crime", "taste", ["s1"])).model_dump_json().encode()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked: list[tuple[str, str | None]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        service: Any = self.server
        service.asked.append((self.path, self.headers["Authorization"]))
        service.may_answer.wait(PATIENCE_SECONDS)
        self.send_response(service.status)
        self.send_header("Content-Length", str(len(service.body)))
        self.end_headers()
        self.wfile.write(service.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        service.may_answer.set()
        service.shutdown()
        thread.join()
        service.server_close()


@contextmanager
def asking(port: int, token: str | None = None, path: str = "") -> Iterator[RecommendationClient]:
    client = RecommendationClient(f"http://127.0.0.1:{port}{path}", token)
    try:
        yield client
    finally:
        client.close()


def collect(client: RecommendationClient, count: int) -> list[Answer]:
    found: list[Answer] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, client.asking
        found += client.collect()
        time.sleep(0.005)
    return found


def test_answers_come_with_the_user_they_were_asked_for() -> None:
    with serving() as service, asking(service.server_port, "secret", "/here") as client:
        client.ask(7, "ü/7")
        (answer,) = collect(client, 1)
        assert answer.user == 7
        assert answer.recommendations is not None
        assert answer.recommendations.genres[0].genre == "crime"
        assert service.asked == [("/here/v1/users/%C3%BC%2F7/recommendations", "Bearer secret")]
        assert (client.asking.asked, client.asking.answered) == (1, 1)


def test_nobody_is_waited_for_and_no_more_wait_than_so_many() -> None:
    with serving() as service, asking(service.server_port) as client:
        service.may_answer.clear()
        for user in range(MOST_WAITING + 3):
            client.ask(user, f"u{user}")
        assert client.collect() == []
        assert client.asking.failed == {"too many at once": 3}
        assert len(service.asked) <= AT_ONCE
        service.may_answer.set()
        assert len(collect(client, MOST_WAITING)) == MOST_WAITING


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, b"{}", "status 503"),
        (429, b"", "status 429"),
        (200, b"{", "no recommendations"),
        (200, b'{"genres": 5}', "no recommendations"),
        (200, b" " * (MOST_BYTES + 2), "too long"),
    ],
)
def test_what_is_no_recommendation_is_counted_by_its_reason(
    status: int, body: bytes, reason: str
) -> None:
    with serving() as service, asking(service.server_port) as client:
        fine = service.body
        service.status, service.body = status, body
        client.ask(1, "u1")
        assert collect(client, 1) == [Answer(1, None)]
        assert client.asking.failed == {reason: 1}
        service.status, service.body = 200, fine
        client.ask(1, "u1")
        assert collect(client, 1)[0].recommendations is not None


def test_a_service_that_is_not_there_is_a_failure() -> None:
    with serving() as service:
        port = service.server_port
    with asking(port) as client:
        client.ask(1, "u1")
        assert collect(client, 1) == [Answer(1, None)]
        assert client.asking.failed == {"ConnectionRefusedError": 1}


@pytest.mark.parametrize(
    "text", ["localhost:8080", "ftp://a", "http://", "http://a:x", "http://a b", "http://a/?q=1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not like"):
        ServiceAddressType().convert(text, None, None)
    assert ServiceAddressType().convert("http://a:1/x/", None, None) == "http://a:1/x"
