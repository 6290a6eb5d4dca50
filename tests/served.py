"""The HTTP service in this process, on a real socket, with buckets given by hand."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from feed.serve.server import Server, listen
from feed.serve.service import Service
from feed.serve.settings import ServeSettings

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""How long anything awaited may take, seconds."""


@dataclass(slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever was answered)
        return json.loads(self.body)


@dataclass(slots=True)
class Served:
    """A service that listens."""

    service: Service
    loop: asyncio.AbstractEventLoop
    host: str
    port: int

    def do(self, call: Callable[[], T]) -> T:
        """Call on the event loop's thread: the service is its own."""

        async def called() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(PATIENCE_SECONDS)

    def connect(self, receive_buffer_bytes: int | None = None) -> socket.socket:
        peer = socket.socket()
        peer.settimeout(PATIENCE_SECONDS)
        if receive_buffer_bytes is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        peer.connect((self.host, self.port))
        return peer

    def get(self, path: str, method: str = "GET", **headers: str) -> Reply:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()


@contextmanager
def served(service: Service) -> Iterator[Served]:
    """Serve inside the block."""
    listener = listen(service.settings)
    host, port = listener.getsockname()[:2]
    loop = asyncio.new_event_loop()
    server = Server(service)
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listener]),))
    thread.start()
    try:
        yield Served(service, loop, host, port)
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(PATIENCE_SECONDS)
        service.answers.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def serve_settings(**options: object) -> ServeSettings:
    """Settings of a service on any free port."""
    return ServeSettings(serve_port=0, **options)  # type: ignore[arg-type]
