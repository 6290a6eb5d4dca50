"""Tastes from Redis, on threads: the event loop never waits for it, a request not for long."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Protocol

from state.store import StoreError
from state.tastes import Taste

log = logging.getLogger(__name__)

THREADS: Final = 4
"""Reads at once: each waits for Redis most of its time."""

MOST_WAITING: Final = 64
"""Reads that may be under way or wait for a thread; more would only be late."""

PATIENCE_SECONDS: Final = 0.1
"""How long a request waits for a taste, seconds; a read takes less than a millisecond."""

PAUSE_SECONDS: Final = 1.0
"""How long Redis is not asked after a read that failed, seconds."""


class Reads(Protocol):
    """What `state.tastes.TasteReader` does."""

    def read(self, user_id: str, at_ms: int) -> Taste | None:
        """Return a user's taste at a moment; None when nothing is known of the user."""


class TastesAwayError(Exception):
    """Tastes can't be read now."""


@dataclass(slots=True)
class Tastes:
    """Reads tastes for the event loop's thread; while Redis is away it says so at once.

    Attributes:
        reader: Blocks; used from several threads.
        monotonic: A clock, seconds.
        patience_seconds: How long a request waits for a taste.
    """

    reader: Reads
    monotonic: Callable[[], float]
    patience_seconds: float = PATIENCE_SECONDS
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="tastes")
    )
    _under_way: set[Future[Taste | None]] = field(default_factory=set)
    _asks_again_at: float = 0.0
    _is_away: bool = False

    async def read(self, user_id: str, at_ms: int) -> Taste | None:
        """Return a user's taste at a moment; None when nothing is known of the user.

        Raises:
            TastesAwayError: Redis does not answer, or not in time.
        """
        self._under_way = {read for read in self._under_way if not read.done()}
        if self.monotonic() < self._asks_again_at or len(self._under_way) >= MOST_WAITING:
            raise TastesAwayError
        reading = self._pool.submit(self.reader.read, user_id, at_ms)
        self._under_way.add(reading)
        try:
            taste = await asyncio.wait_for(asyncio.wrap_future(reading), self.patience_seconds)
        except (StoreError, TimeoutError) as error:
            self._asks_again_at = self.monotonic() + PAUSE_SECONDS
            self._note(str(error) or "no answer in time")
            raise TastesAwayError from error
        self._note(None)
        return taste

    def _note(self, problem: str | None) -> None:
        """Log a change, once."""
        if self._is_away == (problem is not None):
            return
        self._is_away = problem is not None
        if problem is None:
            log.info("tastes are read again")
        else:
            log.warning("tastes can't be read: %s", problem)

    def close(self) -> None:
        """Read nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
