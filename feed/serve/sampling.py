"""The pipeline, sampled on a thread of its own: never per request."""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from contracts.settings import Settings
from feed.serve.dead_letters import DeadLetterTail
from feed.serve.service import Sample, Service
from feed.status import Status, read_status
from state.store import StoreError

log = logging.getLogger(__name__)

SAMPLE_SECONDS: Final = 5.0
"""Between two samples, seconds."""

HANDLED: Final = ("counted", "late", "dead_letters", "duplicates", "impressions")
"""Totals that add up to the records read."""


@dataclass(slots=True)
class Rate:
    """Records per second between two looks at the totals."""

    _before: tuple[float, int] | None = None

    def take(self, status: Status, now: float) -> float | None:
        """Return the rate since the last status; `now` in monotonic seconds."""
        handled = sum(status.totals.get(name, 0) for name in HANDLED)
        before, self._before = self._before, (now, handled)
        if before is None or now <= before[0] or handled < before[1]:
            return None
        return round((handled - before[1]) / (now - before[0]), 2)


class Sampler:
    """Looks at Redis and at the dead letters every few seconds."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._settings: Settings = service.settings
        self._loop = loop
        self._stop = threading.Event()
        self._rate = Rate()
        self._thread = threading.Thread(target=self._guarded, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait so long for the thread's end."""
        self._thread.join(seconds)

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException:
            # Nothing would be told any more, and nobody would notice.
            self._loop.call_soon_threadsafe(self._service.fail)
            raise

    def _run(self) -> None:
        with DeadLetterTail(self._settings) as tail:
            while not self._stop.is_set():
                status, problem = self._read_status()
                rate = self._rate.take(status, time.monotonic()) if status else None
                sample = Sample(status, rate, tail.look())
                try:
                    self._loop.call_soon_threadsafe(self._show, sample, problem)
                except RuntimeError:  # the loop has ended meanwhile
                    return
                self._stop.wait(SAMPLE_SECONDS)

    def _read_status(self) -> tuple[Status | None, str | None]:
        try:
            status = read_status(self._settings)
        except StoreError as error:
            return None, str(error)
        return status, None

    def _show(self, sample: Sample, problem: str | None) -> None:
        self._service.sample = sample
        if problem is None:
            self._service.fine("redis")
        else:
            self._service.trouble("redis", problem)
