"""The guard of each connection: how many there are, how long a request and a reader may take.

uvicorn has no limit on how long a request takes to arrive, nor on how long a peer may leave lying
what was written to it: a few hundred connections that do nothing would hold everything up.
"""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from feed.serve import metrics
from feed.serve.addresses import Networks, address_key
from feed.serve.settings import ServeSettings

log = logging.getLogger(__name__)

MOST_HEAD_BYTES: Final = 16 * 1024
"""Longest request line and headers together, bytes."""

_REFUSAL: Final = (
    b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n"
    b"Cache-Control: no-store\r\n\r\n%s"
)


@dataclass(slots=True)
class Admission:
    """Counts the connections, overall and by address."""

    settings: ServeSettings
    proxies: Networks
    total: int = 0
    of_address: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str) -> str | None:
        """Count a connection; return why it is refused, None when it is not."""
        if self.total >= self.settings.serve_max_connections:
            return "connections"
        most = self.settings.serve_max_connections_per_address
        if self.of_address[address] >= most and not self.proxies.holds(address):
            return "address"
        self.total += 1
        self.of_address[address] += 1
        metrics.CONNECTIONS.set(self.total)
        return None

    def leave(self, address: str) -> None:
        """Count a connection out."""
        self.total -= 1
        self.of_address[address] -= 1
        if not self.of_address[address]:
            del self.of_address[address]
        metrics.CONNECTIONS.set(self.total)


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol behind limits; one object per connection. See `guarded`."""

    admission: ClassVar[Admission]

    def __init__(self, *parts: Any, **named: Any) -> None:  # noqa: ANN401 (uvicorn's)
        super().__init__(*parts, **named)
        self._address: str | None = None
        self._head_bytes = 0
        self._arriving: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit a connection, or refuse it at once."""
        peer = transport.get_extra_info("peername")
        address = address_key(peer[0] if peer else "")
        why = self.admission.enter(address)
        if why is not None:
            self.transport = transport
            self._refuse(why, b"503 Service Unavailable", b"too many connections")
            return
        self._address = address
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection out."""
        for timer in (self._arriving, self._taking):
            if timer is not None:
                timer.cancel()
        self._arriving = self._taking = None
        if self._address is not None:
            self.admission.leave(self._address)
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take up bytes, as long as a request's head is not too long."""
        if self._address is None:
            return
        before = self.cycle
        if not self._is_answering:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse("headers", b"431 Request Header Fields Too Large", b"headers too long")
                return
            self._expect_request()
        super().data_received(data)
        if self.cycle is not before:
            self._head_bytes = 0
            if self._arriving is not None:
                self._arriving.cancel()
                self._arriving = None

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_request(self) -> None:
        """Give a request so long to arrive, from its first byte or the connection's beginning."""
        if self._arriving is None:
            seconds = self.admission.settings.serve_header_seconds
            self._arriving = self.loop.call_later(seconds, self._never_arrived)

    def _never_arrived(self) -> None:
        self._arriving = None
        if not self._head_bytes:
            # A browser's spare connection: an answer to nothing would be read as the next one's.
            self.transport.close()
            return
        self._refuse("slow", b"408 Request Timeout", b"the request did not arrive in time")

    def pause_writing(self) -> None:
        """Begin to wait for a reader that does not take what lies ready."""
        super().pause_writing()
        if self._taking is None:
            seconds = self.admission.settings.serve_write_seconds
            self._taking = self.loop.call_later(seconds, self._never_taken)

    def resume_writing(self) -> None:
        """Go on: the reader takes."""
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        super().resume_writing()

    def _never_taken(self) -> None:
        """Let go of a reader, and of what lies ready for it."""
        self._taking = None
        metrics.SLOW_READERS.inc()
        self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has not been used for some seconds, whatever lies ready."""
        self.transport.abort()

    def _refuse(self, why: str, status: bytes, detail: bytes) -> None:
        metrics.REFUSED.labels(why).inc()
        body = b'{"detail":"%s"}' % detail
        if not self.transport.is_closing():
            self.transport.write(_REFUSAL % (status, len(body), body))
            self.transport.close()


def guarded(admission: Admission) -> type[GuardedProtocol]:
    """Return the protocol whose connections are counted by an admission."""
    return type("GuardedProtocol", (GuardedProtocol,), {"admission": admission})
