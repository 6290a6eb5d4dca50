"""The HTTP service under test: in this process with buckets given by hand, or as its own."""

import asyncio
import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import uvloop

from feed.serve.server import Server, listen
from feed.serve.service import Service
from feed.serve.settings import ServeSettings
from tests.deployment import Deployment

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long anything awaited may take, seconds."""


def wait_for(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass(slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever was answered)
        return json.loads(self.body)


class Event(NamedTuple):
    """A server-sent event."""

    name: str
    id: str | None
    data: bytes


@dataclass(slots=True)
class Site:
    """Where a service listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def connect(self, receive_buffer_bytes: int | None = None, source: str = "") -> socket.socket:
        peer = socket.socket()
        if source:
            peer.bind((source, 0))
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

    def events(self, query: str = "", last_event_id: int | None = None) -> Iterator[Event]:
        """Yield the stream's events until it ends."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)
        try:
            headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
            connection.request("GET", f"/v1/stream{query}", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            fields: dict[str, bytes] = {}
            while line := answer.readline():
                name, _, value = line.rstrip(b"\n").partition(b": ")
                if name:
                    fields[name.decode()] = value
                elif "event" in fields:
                    event_id = fields["id"].decode() if "id" in fields else None
                    yield Event(fields["event"].decode(), event_id, fields["data"])
                    fields = {}
        finally:
            connection.close()


@dataclass(slots=True)
class Served(Site):
    """A service in this process."""

    service: Service
    loop: asyncio.AbstractEventLoop

    def do(self, call: Callable[[], T]) -> T:
        """Call on the event loop's thread: the service is its own."""

        async def called() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(PATIENCE_SECONDS)


@contextmanager
def served(service: Service) -> Iterator[Served]:
    """Serve inside the block."""
    listener = listen(service.settings)
    host, port = listener.getsockname()[:2]
    loop = uvloop.new_event_loop()
    server = Server(service)

    def run() -> None:
        loop.run_until_complete(server.serve([listener]))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Served(host, port, service, loop)
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(PATIENCE_SECONDS)
        service.answers.close()


def serve_settings(**options: object) -> ServeSettings:
    """Settings of a service on any free port."""
    return ServeSettings(serve_port=0, **options)  # type: ignore[arg-type]


@dataclass(slots=True)
class ServeProcess(Site):
    """`genrecast serve` as a process of its own."""

    process: subprocess.Popen[bytes]

    def end(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


def start_serve(deployment: Deployment, *arguments: object) -> ServeProcess:
    """Start it on any free port; return when it is ready."""
    process = deployment.start("serve", "--serve-port=0", *arguments)
    log = deployment.logs / f"{len(deployment.running) - 1}-serve.log"

    def address() -> re.Match[str] | None:
        text = log.read_text()
        assert process.poll() is None, text[-2_000:]
        return re.search(r"genrecast serve: http://([\d.]+):(\d+)", text)

    wait_for(lambda: address() is not None, "genrecast serve listens")
    found = address()
    assert found is not None
    site = ServeProcess(found[1], int(found[2]), process)
    wait_for(lambda: site.get("/readyz").status == 200, "genrecast serve is ready")
    return site
