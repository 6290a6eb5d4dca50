"""Options of what goes wrong, the same for `simulate` and `loadtest`."""

import re
from collections.abc import Callable
from typing import Any, Final

import click

from contracts.clock import to_ms
from contracts.events import normalise_genre
from contracts.options import ConfigurationError
from producer_sim.faults import FaultPlan
from producer_sim.genres import GenreProfile
from producer_sim.skew import Silence, SkewPlan

RATIO: Final = click.FloatRange(0, 1)
"""A part of all records."""

_SILENCE: Final = re.compile(r"(?P<partition>\d{1,6})(@(?P<after>[\d.]+))?(\+(?P<length>[\d.]+))?")


class HotGenreType(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """`NAME=RATIO`."""

    name = "NAME=R"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, float]:  # noqa: ANN401 (click's own)
        """Parse a genre and its ratio."""
        name, _, text = str(value).rpartition("=")
        try:
            ratio = float(text)
        except ValueError:
            ratio = -1.0
        if not name or not 0 <= ratio <= 1:
            self.fail(f"{value!r} is not like crime=0.8: a genre and a ratio", param, ctx)
        return normalise_genre(name), ratio


class SilenceType(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """`PARTITION[@AFTER][+FOR]`, in seconds of event time."""

    name = "P[@S][+S]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Silence:  # noqa: ANN401 (click's own)
        """Parse a silence."""
        if isinstance(value, Silence):
            return value
        found = _SILENCE.fullmatch(str(value))
        try:
            if found is None:
                raise ValueError
            length = found["length"]
            return Silence(
                partition=int(found["partition"]),
                after_ms=to_ms(float(found["after"] or 0)),
                for_ms=None if length is None else to_ms(float(length)),
            )
        except ValueError:
            self.fail(
                f"{value!r} is not like 3 or 3@10+30: a partition, silent after 10 s for 30 s",
                param,
                ctx,
            )


_OPTIONS: Final = (
    click.option(
        "--disorder-seconds",
        type=click.FloatRange(0, 86_400),
        default=0.0,
        metavar="S",
        help="One event in twenty arrives up to S seconds late, after newer ones.",
    ),
    click.option("--late", type=RATIO, default=0.0, metavar="R", help="Ratio made late for sure."),
    click.option("--duplicates", type=RATIO, default=0.0, metavar="R", help="Ratio sent twice."),
    click.option(
        "--malformed", type=RATIO, default=0.0, metavar="R", help="Ratio of broken records."
    ),
    click.option(
        "--future",
        type=RATIO,
        default=0.0,
        metavar="R",
        help="Ratio by clocks two hours ahead: dead letters that must move nothing.",
    ),
    click.option(
        "--hot-genre", type=HotGenreType(), help="This ratio of all events goes to one genre."
    ),
    click.option(
        "--new-genres",
        type=RATIO,
        default=0.0,
        metavar="R",
        help="Ratio with a genre of their own that was never there: a cardinality bomb.",
    ),
    click.option(
        "--silence",
        type=SilenceType(),
        multiple=True,
        help="A partition that gets nothing, after S seconds of event time, for S seconds.",
    ),
)


def with_faults(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options of what goes wrong."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_plans(options: dict[str, Any]) -> tuple[FaultPlan, SkewPlan]:
    """Take the options of what goes wrong out of a command's, as plans."""
    faults = FaultPlan(
        disorder_ms=to_ms(options.pop("disorder_seconds")),
        late=options.pop("late"),
        duplicates=options.pop("duplicates"),
        malformed=options.pop("malformed"),
        future=options.pop("future"),
    )
    hot_genre, hot_ratio = options.pop("hot_genre") or (None, 0.0)
    skew = SkewPlan(
        hot_genre=hot_genre,
        hot_ratio=hot_ratio,
        new_genres=options.pop("new_genres"),
        silences=tuple(options.pop("silence")),
    )
    return faults, skew


def find_genre(genres: tuple[GenreProfile, ...], name: str | None) -> int:
    """Return a genre's place; 0 when none is named.

    Raises:
        ConfigurationError: There is no such genre.
    """
    names = [normalise_genre(genre.name) for genre in genres]
    if name is None:
        return 0
    if name not in names:
        raise ConfigurationError(f"--hot-genre {name}: must be one of {', '.join(names)}")
    return names.index(name)


def check_silences(silences: tuple[Silence, ...], partitions: int) -> None:
    """Refuse partitions that are not there.

    Raises:
        ConfigurationError: Naming the partition and how many there are.
    """
    for silence in silences:
        if silence.partition >= partitions:
            raise ConfigurationError(
                f"--silence {silence.partition}: the topic has partitions 0 to {partitions - 1}"
            )


def shown_faults(faults: FaultPlan, skew: SkewPlan) -> dict[str, Any]:
    """Return the plans as JSON values for the report."""
    return {
        "disorder_seconds": faults.disorder_ms / 1000,
        "late": faults.late,
        "duplicates": faults.duplicates,
        "malformed": faults.malformed,
        "future": faults.future,
        "hot_genre": skew.hot_genre,
        "hot_ratio": skew.hot_ratio,
        "new_genres": skew.new_genres,
        "silences": [
            {"partition": s.partition, "after_ms": s.after_ms, "for_ms": s.for_ms}
            for s in skew.silences
        ],
    }
