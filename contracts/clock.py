"""The one place where the wall clock is read; everything else is passed the time."""

import time
from typing import Final

MS_PER_SECOND: Final = 1000
"""Milliseconds in a second: settings are in seconds, event times in milliseconds."""


def wall_clock_ms() -> int:
    """Return the wall clock as epoch milliseconds, UTC."""
    return time.time_ns() // 1_000_000


def wall_clock_ns() -> int:
    """Return the wall clock as epoch nanoseconds, UTC: for traces."""
    return time.time_ns()


def to_ms(seconds: float) -> int:
    """Return `seconds` as whole milliseconds."""
    return round(seconds * MS_PER_SECOND)
