"""Runs the service: uvicorn, the follower and the sampler, until a signal."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import Final, Protocol

import uvicorn
import uvloop

from contracts.clock import wall_clock_ms
from contracts.collector import settle_collector
from feed.serve.addresses import Networks
from feed.serve.app import make_app
from feed.serve.following import Follower
from feed.serve.guard import Admission, GuardedProtocol, guarded
from feed.serve.recommendation_log import RecommendationLog
from feed.serve.sampling import Sampler
from feed.serve.service import Service
from feed.serve.settings import ServeSettings
from feed.serve.show_clicks import ShowFollower
from feed.serve.tastes import Tastes
from state.redis_client import RedisClient
from state.tastes import TasteReader

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 5
"""How long answers may take to end once it shall stop, seconds."""

KEEP_ALIVE_SECONDS: Final = 5
"""How long a connection may wait for its next request, seconds."""

BACKLOG: Final = 2_048
"""Connections that may wait to be accepted."""

SEND_BUFFER_BYTES: Final = 128 * 1024
"""What the kernel may hold for a connection: it would else grow to some MB for a slow reader."""

JOIN_SECONDS: Final = 2.0
"""How long a thread may take to end, seconds; one that waits for Kafka is left."""

OWN_FILES: Final = 64
"""Files beside the connections: Kafka, Redis, the page."""

SWITCH_SECONDS: Final = 0.0005
"""How long a thread that reads Kafka may keep the event loop waiting, seconds: of Python's own 5 ms
there are several in a request."""

REFRESH_SECONDS: Final = 1.0
"""How often it is looked at whether the newest bucket has become stale, seconds."""


class Part(Protocol):
    """A thread of the service's."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Tell it to end."""

    def join(self, seconds: float) -> None:
        """Wait so long for its end."""


class ServeFailedError(Exception):
    """The service can't go on."""


class Server(uvicorn.Server):
    """uvicorn with our application and guard; signals are ours: its own end in another status."""

    def __init__(self, service: Service) -> None:
        self._service = service
        settings = service.settings
        admission = Admission(settings, Networks(settings.serve_trusted_proxies))
        super().__init__(
            uvicorn.Config(
                make_app(service),
                http=guarded(admission),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.serve_trusted_proxies),
                forwarded_allow_ips=list(settings.serve_trusted_proxies),
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ws="none",
                lifespan="off",
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def stop(self) -> None:
        """End the streams at once, then the rest."""
        self._service.close()
        self.should_exit = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, GuardedProtocol) and connection.flow.write_paused:
                # Its reader takes nothing: nothing is waited for.
                connection.transport.abort()


def listen(settings: ServeSettings) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: Address or port can't be had.
    """
    found = socket.getaddrinfo(
        settings.serve_host, settings.serve_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def run(settings: ServeSettings, listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigurationError: The token's file can't be read.
        ServeFailedError: One of its threads has ended by a fault.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    # With a thousand readers on a busy machine, delays were shorter than with asyncio's own loop.
    uvloop.run(_run(settings, listener))


async def _run(settings: ServeSettings, listener: socket.socket) -> None:
    service = Service(settings, wall_clock_ms)
    redis = RedisClient(settings)
    service.tastes = Tastes(TasteReader(redis, settings.app), time.monotonic)
    loop = asyncio.get_running_loop()
    _allow_connections(settings.serve_max_connections)
    server = Server(service)

    def stop(number: signal.Signals) -> None:
        log.info("%s: closing the streams", number.name)
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    parts: list[Part] = [Follower(service, loop), Sampler(service, loop)]
    if settings.serve_show_clicks_per_second:
        parts.append(ShowFollower(service, loop))
    if settings.serve_log_recommendations:
        answered = RecommendationLog(service, loop)
        service.note_recommendations = answered.note
        parts.append(answered)
    refreshing = asyncio.create_task(_refresh(service, server))
    settle_collector()
    for part in parts:
        part.start()
    try:
        await server.serve([listener])
    finally:
        refreshing.cancel()
        for part in parts:
            part.stop()
        service.answers.close()
        service.tastes.close()
        for part in parts:
            await asyncio.to_thread(part.join, JOIN_SECONDS)
        redis.close()
    if service.has_failed:
        raise ServeFailedError("a thread has ended by a fault; its trace is above")


def _allow_connections(count: int) -> None:
    """Raise the process's limit of open files as far as the connections need and it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + OWN_FILES
    if soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    if allowed < wanted:
        log.warning("the limit of open files, %d, is less than %d connections need", hard, count)


async def _refresh(service: Service, server: Server) -> None:
    while not service.has_failed:
        await asyncio.sleep(REFRESH_SECONDS)
        service.refresh()
    server.stop()
