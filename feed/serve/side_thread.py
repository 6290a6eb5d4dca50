"""A thread beside the event loop: it may block, and hands what it finds to the loop."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from feed.serve.service import Service


class SideThread(ABC):
    """Runs `_run` until it is told to end; a fault of it ends the service.

    Args:
        name: The thread's name.
        service: What is told; only the loop's own thread may touch it.
        loop: Where the service lives.
    """

    def __init__(self, name: str, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end; it does so within a look."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait so long for the thread's end."""
        self._thread.join(seconds)

    @abstractmethod
    def _run(self) -> None:
        """Do the work until `_stop` is set."""

    def _call(self, do: Callable[..., None], *arguments: object) -> None:
        """Have the loop call something; once the loop has ended, end too."""
        try:
            self._loop.call_soon_threadsafe(do, *arguments)
        except RuntimeError:
            self._stop.set()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException:
            # Nothing would be told any more, and nobody would notice.
            self._call(self._service.fail)
            raise
