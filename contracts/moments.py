"""Moments as people write and read them: ISO 8601, UTC where no zone is given."""

from datetime import UTC, datetime
from typing import Any, Final

import click

from contracts.clock import MS_PER_SECOND

LEAST_EPOCH_DIGITS: Final = 9
"""Digits from which on a number is an epoch time: 20260131 is a date."""

MOST_EPOCH_DIGITS: Final = 15
"""Most digits of an epoch time."""

LEAST_MS_DIGITS: Final = 12
"""Digits from which on an epoch time is in milliseconds, not seconds."""


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """An option that is an ISO 8601 time, or epoch seconds or ms; its value is epoch ms."""

    name = "ISO"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:  # noqa: ANN401 (click's own)
        """Parse a time."""
        if isinstance(value, int):
            return value
        if value.isdecimal() and LEAST_EPOCH_DIGITS <= len(value) <= MOST_EPOCH_DIGITS:
            return int(value) * (1 if len(value) >= LEAST_MS_DIGITS else MS_PER_SECOND)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 time such as 2026-01-31T20:00:00Z", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * MS_PER_SECOND)


def moment_text(epoch_ms: int | None) -> str:
    """Return a time for people, to the second; `-` for none.

    >>> moment_text(1_767_571_200_000)
    '2026-01-05 00:00:00 UTC'
    """
    if epoch_ms is None:
        return "-"
    moment = datetime.fromtimestamp(epoch_ms / MS_PER_SECOND, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
