"""Raw bytes into the two HTTP servers; whatever they get, they answer the next one."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from consumer.health import Readiness, serve_health
from tests.fuzz.mutating import mutated
from tests.fuzz.targets import Target
from tests.served import serve_settings, served
from tests.unit.feed.making import service

ANSWER_SECONDS: Final = 60.0
"""How long an answer may take on a busy machine, seconds."""

_PATHS: Final = (
    "/v1/forecasts?genre=crime", "/v1/history?genre=crime&buckets=3&ahead=2", "/v1/trending",
    "/v1/users/u1/recommendations", "/v1/inventory?genre=crime&from=1&to=2", "/v1/alerts?limit=1",
    "/readyz", "/metrics", "/assets/main.js", "/",
)  # fmt: skip

_REQUESTS: Final = tuple(
    f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n".encode()
    for path in _PATHS
)


def ask(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes, say that there are no more, return all that comes."""
    answer = b""
    with socket.create_connection(address, timeout=ANSWER_SECONDS) as peer:
        with suppress(OSError):  # it may hang up in the middle
            peer.sendall(request)
            peer.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while some := peer.recv(65_536):
                answer += some
    return answer


def target(address: tuple[str, int]) -> Target:
    """Return the target that a server is."""

    def check(request: bytes) -> None:
        assert b"HTTP/1.1 500" not in ask(address, request)
        sound = ask(address, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert sound.split(b" ")[1:2] == [b"200"], sound[:200]

    return Target(mutated(_REQUESTS), check)


@contextmanager
def http_targets() -> Iterator[Mapping[str, Target]]:
    """Serve a feed and a consumer's health inside the block."""
    options = {"serve_requests_per_second": 100_000.0, "serve_port": serve_settings().serve_port}
    health = serve_health(Readiness(lambda: 0.0), 0)
    try:
        with served(service(*range(5), **options)) as site:
            yield {
                "requests to the feed": target((site.host, site.port)),
                "requests to a consumer": target(("127.0.0.1", int(health.server_address[1]))),
            }
    finally:
        health.shutdown()
        health.server_close()
