"""What a probe and a scraper see."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from consumer import health
from consumer.health import Readiness, serve_health


@pytest.fixture
def served() -> Iterator[tuple[Readiness, str]]:
    readiness = Readiness(lambda: 0.0)
    server = serve_health(readiness, 0)
    yield readiness, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_readiness_gives_the_reason_until_the_part_works(served: tuple[Readiness, str]) -> None:
    readiness, url = served
    readiness.fine("start")
    readiness.trouble("reading", "Redis: away")
    status, body = get(f"{url}/readyz")
    assert status == 503
    assert json.loads(body) == {"ready": False, "reasons": {"reading": "Redis: away"}}
    assert get(f"{url}/healthz")[0] == 200, "alive all the same"
    assert 'genrecast_not_ready{part="reading"} 1.0' in get(f"{url}/metrics")[1]

    readiness.fine("reading")
    assert get(f"{url}/readyz")[0] == 200
    assert 'genrecast_not_ready{part="reading"} 0.0' in get(f"{url}/metrics")[1]
    assert get(f"{url}/elsewhere")[0] == 404


PATIENCE_SECONDS = 60.0
"""How long anything awaited may take on a busy machine, seconds."""


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def is_hung_up(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionError:
        return True


def test_more_connections_than_probes_need_are_hung_up_on(
    served: tuple[Readiness, str],
) -> None:
    _, url = served
    idle = [connect(url) for _ in range(health.MOST_CONNECTIONS)]
    try:
        with connect(url) as one_more:
            assert is_hung_up(one_more)
    finally:
        for peer in idle:
            peer.close()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:  # their threads notice one after the other
        try:
            assert get(f"{url}/healthz")[0] == 200
            break
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline


def test_a_request_that_comes_byte_by_byte_is_hung_up_on(
    served: tuple[Readiness, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "CONNECTION_SECONDS", 0.1)
    with connect(served[1]) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert is_hung_up(slow)
