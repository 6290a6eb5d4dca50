"""When records are due: event time tied to wall time, never ahead of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contracts.clock import MS_PER_SECOND

LONGEST_NAP_SECONDS: Final = 0.2
"""How long acknowledgements are left unseen while nothing is due."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Event time as a function of wall time, open loop: delays are caught up, not passed on.

    Attributes:
        event_start_ms: Event time at the beginning.
        wall_start_ms: Wall clock at the beginning.
        speed: Event time per wall time; None is as fast as possible.
        backlog_ms: Event time at the beginning that is due at once.
    """

    event_start_ms: int
    wall_start_ms: int
    speed: float | None
    backlog_ms: int = 0

    def due_ms(self, until_ms: int) -> int:
        """Return the wall clock at which event time `until_ms` is reached.

        >>> Pace(0, 1_000_000, 60.0).due_ms(120_000), Pace(0, 1_000_000, None).due_ms(120_000)
        (1002000, 120000)
        """
        if self.speed is None:
            return until_ms
        paced_ms = max(0, until_ms - self.event_start_ms - self.backlog_ms)
        # An event of tomorrow cannot have happened: whatever the speed, today's clock holds it.
        return max(self.wall_start_ms + round(paced_ms / self.speed), until_ms)


class Waiter:
    """Waits for the wall clock, awake often enough to see acknowledgements.

    Args:
        now_ms: The wall clock.
        stop: Ends the waiting.
        meanwhile: Called while waiting.
    """

    def __init__(
        self, now_ms: Callable[[], int], stop: threading.Event, meanwhile: Callable[[], None]
    ) -> None:
        self._now_ms = now_ms
        self._stop = stop
        self._meanwhile = meanwhile

    def wait_until(self, due_ms: int, deadline_ms: int | None) -> bool:
        """Return whether `due_ms` came before the deadline and before being stopped."""
        while not self._stop.is_set():
            now_ms = self._now_ms()
            if deadline_ms is not None and now_ms >= deadline_ms:
                return False
            if now_ms >= due_ms:
                return True
            left_ms = min(due_ms, deadline_ms or due_ms) - now_ms
            self._meanwhile()
            self._stop.wait(min(left_ms / MS_PER_SECOND, LONGEST_NAP_SECONDS))
        return False
