"""Whether what is shown is current, and if not, why; told to all who wait for news."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from contracts.settings import Settings

STALE_BUCKETS: Final = 2
"""Buckets without which what is shown is stale, beside what closing waits for anyway."""


@dataclass(slots=True)
class News:
    """Wakes all who wait: something has changed."""

    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Wake those who wait now."""
        before, self._event = self._event, asyncio.Event()
        before.set()

    @property
    def next(self) -> asyncio.Event:
        """What is set at the next news; take it before looking at what there is."""
        return self._event


@dataclass(frozen=True, slots=True)
class Standing:
    """What is told to readers when it changes."""

    is_stale: bool
    problem: str | None


def stale_after_seconds(settings: Settings, bucket_seconds: int) -> float:
    """Return the age, seconds, at which the newest bucket is stale.

    The next one is due a bucket's length after it, once the watermark has passed its end or
    idleness has been noticed.
    """
    waits = settings.max_out_of_orderness_seconds + settings.idle_timeout_seconds
    return STALE_BUCKETS * bucket_seconds + waits
