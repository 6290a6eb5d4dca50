"""A TCP proxy under a test's thumb: passes, slows down, goes deaf, cuts, loses one reply."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from stack.ports import HOST

BLOCK_BYTES: Final = 64 * 1024
"""Bytes read at a time."""

WAKE_SECONDS: Final = 0.1
"""How often threads look whether they are to end."""

Mode = Literal["pass", "deaf", "refuse"]


@dataclass(slots=True, eq=False)
class Link:
    """One client's connection and the server's behind it."""

    client: socket.socket
    server: socket.socket

    def reset(self) -> None:
        """End both sides with a reset: nobody gets what was under way."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                end.close()


@dataclass(slots=True)
class Proxy:
    """Listens on a port of its own and passes to another one.

    Attributes:
        mode: `pass`; `deaf` (half-open: connects, takes everything, answers nothing);
            `refuse` (new connections are reset).
        delay_seconds: Waited before each block, both ways.
        loses_reply_to: Once the server answers a request for which this is true, the answer is
            swallowed and the link reset; once.
    """

    target_port: int
    port: int = 0
    mode: Mode = "pass"
    delay_seconds: float = 0.0
    loses_reply_to: Callable[[bytes], bool] | None = None
    lost_replies: int = 0
    _links: set[Link] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self._listener = socket.create_server((HOST, self.port), backlog=128)
        self._listener.settimeout(WAKE_SECONDS)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name=f"proxy-{self.port}", daemon=True).start()

    def cut(self) -> int:
        """Reset every link there is; return how many."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    def heal(self) -> None:
        """Pass again, at full speed; links that were deaf are cut, as a network would in time."""
        was_deaf, self.mode = self.mode == "deaf", "pass"
        self.delay_seconds, self.loses_reply_to = 0.0, None
        if was_deaf:
            self.cut()

    def close(self) -> None:
        """End everything."""
        self._ended.set()
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            if self.mode == "refuse":
                raise ConnectionRefusedError
            server = socket.create_connection((HOST, self.target_port), timeout=2)
        except OSError:
            Link(client, client).reset()
            return
        link = Link(client, server)
        for end in (client, server):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._links.add(link)
        asked = threading.Event()  # a request whose reply is to be lost has passed
        for source, target, is_request in ((client, server, True), (server, client, False)):
            threading.Thread(
                target=self._pump, args=(link, source, target, asked, is_request), daemon=True
            ).start()

    def _pump(
        self,
        link: Link,
        source: socket.socket,
        target: socket.socket,
        asked: threading.Event,
        is_request: bool,
    ) -> None:
        try:
            while block := source.recv(BLOCK_BYTES):
                if self.delay_seconds:
                    time.sleep(self.delay_seconds)
                if self.mode == "deaf":
                    continue
                if is_request:
                    self._note(block, asked)
                elif asked.is_set():
                    self.lost_replies += 1
                    break
                target.sendall(block)
        except OSError:
            pass
        finally:
            with self._lock:
                self._links.discard(link)
            link.reset()

    def _note(self, request: bytes, asked: threading.Event) -> None:
        with self._lock:
            chosen = self.loses_reply_to
            if chosen is not None and chosen(request):
                self.loses_reply_to = None
                asked.set()
