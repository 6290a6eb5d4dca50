"""Types of `simulate`'s options."""

from datetime import UTC, datetime
from typing import Any

import click

from contracts.clock import MS_PER_SECOND


class Speed(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """A factor; `max` and 0 mean as fast as possible."""

    name = "X"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: ANN401 (click's own)
        """Parse a factor."""
        try:
            speed = 0.0 if value == "max" else float(value)
        except ValueError:
            speed = -1.0
        if not 0 <= speed < float("inf"):
            self.fail(f"{value!r} is neither a number from 0 nor 'max'", param, ctx)
        return speed


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """An ISO 8601 time as epoch ms; UTC where no zone is given."""

    name = "ISO"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:  # noqa: ANN401 (click's own)
        """Parse a time."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no ISO 8601 time such as 2026-01-31T20:00:00Z", param, ctx)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * MS_PER_SECOND)


class Rate(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """Events per second, above 0."""

    name = "EPS"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: ANN401 (click's own)
        """Parse a rate."""
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1e9:
            self.fail(f"{value!r} is no rate: a number above 0", param, ctx)
        return rate
