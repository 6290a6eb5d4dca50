"""The pipeline and its alerts, sampled on a thread of its own: never per request."""

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from contracts.settings import Settings
from feed.serve.alerts import AlertTail
from feed.serve.dead_letters import DeadLetterTail
from feed.serve.service import Sample, Service
from feed.serve.side_thread import SideThread
from feed.status import Status, read_status
from state.store import StoreError

SAMPLE_SECONDS: Final = 5.0
"""Between two samples, seconds."""

HANDLED: Final = ("counted", "late", "dead_letters", "duplicates", "impressions", "other_shares")
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


class Sampler(SideThread):
    """Looks at Redis, the dead letters and the alerts every few seconds."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("sampler", service, loop)
        self._settings: Settings = service.settings
        self._rate = Rate()

    def _run(self) -> None:
        with (
            closing(DeadLetterTail(self._settings)) as dead_letters,
            closing(AlertTail(self._settings)) as alerts,
        ):
            while not self._stop.is_set():
                status, problem = self._read_status()
                rate = self._rate.take(status, time.monotonic()) if status else None
                sample = Sample(status, rate, dead_letters.look())
                self._call(self._show, sample)
                self._call(self._service.add_alerts, alerts.look())
                self._tell("redis", problem)
                self._tell("dead letters", dead_letters.problem)
                self._tell("alerts", alerts.problem)
                self._stop.wait(SAMPLE_SECONDS)

    def _read_status(self) -> tuple[Status | None, str | None]:
        try:
            status = read_status(self._settings)
        except StoreError as error:
            return None, str(error)
        return status, None

    def _show(self, sample: Sample) -> None:
        self._service.sample = sample

    def _tell(self, part: str, problem: str | None) -> None:
        if problem is None:
            self._call(self._service.fine, part)
        else:
            self._call(self._service.trouble, part, problem)
