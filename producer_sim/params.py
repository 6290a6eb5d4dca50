"""Types of `simulate`'s options."""

from typing import Any

import click


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
