"""Readiness: one reason why not, told in the log once a minute and over HTTP; metrics beside it."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consumer import metrics

log = logging.getLogger(__name__)

REPEAT_SECONDS: Final = 60.0
"""How often the same trouble is logged again, seconds."""


MOST_CONNECTIONS: Final = 32
"""Connections at once; probes and scrapers need a few."""

CONNECTION_SECONDS: Final = 10.0
"""How long a connection may last, seconds."""


class Readiness:
    """Whether this process does its work, and if not, why; safe from any thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {"start": "starting"}
        self._logged: dict[str, tuple[str, float]] = {}

    def trouble(self, part: str, reason: str) -> None:
        """Note that a part can't work now."""
        now = self._monotonic()
        metrics.NOT_READY.labels(part).set(1)
        with self._lock:
            self._reasons[part] = reason
            said, at = self._logged.get(part, ("", 0.0))
            if said.split(":")[0] == reason.split(":")[0] and now - at < REPEAT_SECONDS:
                return
            self._logged[part] = (reason, now)
        log.warning("not ready: %s; trying again", reason)

    def fine(self, part: str) -> None:
        """Note that a part works."""
        metrics.NOT_READY.labels(part).set(0)
        with self._lock:
            was = self._reasons.pop(part, None)
            self._reasons.pop("start", None)
            self._logged.pop(part, None)
        if was is not None:
            log.info("%s: ready again", part)

    @property
    def reasons(self) -> dict[str, str]:
        """Why not ready, by part; empty when ready."""
        with self._lock:
            return dict(self._reasons)


class HealthServer(ThreadingHTTPServer):
    """A server of short answers: bounded connections, each bounded in time."""

    daemon_threads = True

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._begun_at: dict[socket.socket, float] = {}
        self._open = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(("", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer on a thread of its own; hang up when there are too many."""
        if not self._open.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._begun_at[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer, then make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._begun_at.pop(request, None)
            self._open.release()

    def service_actions(self) -> None:
        """Hang up on who sends a request, or takes its answer, byte by byte."""
        now = time.monotonic()
        for request, begun_at in list(self._begun_at.items()):
            if now - begun_at > CONNECTION_SECONDS:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Keep what a peer provokes out of the log that people read."""
        log.debug("health: a connection failed", exc_info=True)


def serve_health(readiness: Readiness, port: int) -> HealthServer:
    """Answer GET /healthz (alive), /readyz (200, or 503 with reasons) and /metrics on a port."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            elif self.path in ("/healthz", "/readyz"):
                reasons = readiness.reasons
                body = json.dumps({"ready": not reasons, "reasons": reasons}).encode()
                status = 503 if self.path == "/readyz" and reasons else 200
                self._answer(status, "application/json", body)
            else:
                self.send_error(404)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            log.debug("health: " + format, *args)

    server = HealthServer(port, Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
