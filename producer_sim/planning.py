"""From options to a plan: what is sent, from when on, how fast."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from contracts.buckets import DAY_MS
from contracts.clock import MS_PER_SECOND, wall_clock_ms
from contracts.settings import Settings
from producer_sim.audience import Audience, LoopPlan
from producer_sim.fault_options import find_genre, shown_faults, take_plans
from producer_sim.faults import FaultPlan
from producer_sim.genres import GenreProfile
from producer_sim.loop_options import shown_loop, take_loop
from producer_sim.outgoing import Portion
from producer_sim.pacing import Pace
from producer_sim.recommendations import RecommendationClient
from producer_sim.replay import read_recording
from producer_sim.skew import SkewPlan
from producer_sim.sources import Replay, Simulation
from producer_sim.traffic import Traffic, start_for

DEFAULT_RATE: Final = 200.0
"""Events per second where none is asked for: of wall time when paced, else of event time."""

PACED_SLICE_SECONDS: Final = 0.1
"""Wall time between two portions of paced traffic."""

UNPACED_SLICE_EVENTS: Final = 8_000
"""Events in a portion of traffic that is sent as fast as possible, about."""

UNPACED_DAYS: Final = 7
"""How far back unpaced traffic without a number of events begins."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options as given; None is "not given". `speed` 0 is as fast as possible."""

    rate: float | None
    events: int | None
    seconds: float | None
    seed: int
    genres: Path | None
    start_ms: int | None
    speed: float | None
    plan: FaultPlan
    skew: SkewPlan
    replay: str | None
    partitions: int | None
    report: Path | None
    backlog_ms: int = 0
    loop: LoopPlan | None = None


PartitionFor = Callable[[bytes], int]
"""The partition of a key."""


class Plan(NamedTuple):
    """What a run sends, and when."""

    source: Simulation | Replay
    portions: Iterator[Portion]
    pace: Pace
    audience: Audience | None = None


def ask(options: dict[str, Any]) -> Asked:
    """Return the command's options, checked against each other.

    Raises:
        click.UsageError: They do not go together.
    """
    plan, skew = take_plans(options)
    loop = take_loop(options)
    wants_topic, partitions = options.pop("create_topics"), options.pop("partitions")
    start_ms = options.pop("start")
    backlog_ms = round(options.pop("backlog_days") * DAY_MS)
    asked = Asked(
        **options,
        start_ms=start_ms,
        backlog_ms=backlog_ms,
        plan=plan,
        skew=skew,
        loop=loop,
        partitions=partitions if wants_topic else None,
    )
    if asked.replay is not None:
        given = [name for name in ("rate", "genres") if getattr(asked, name) is not None]
        if given or loop or plan != FaultPlan() or skew != SkewPlan():
            raise click.UsageError(
                "--replay sends a recording as it is: it goes with --speed, --start, --events and "
                "--seconds only"
            )
    if loop is not None and _speed(asked) is None:
        raise click.UsageError(
            "--follow-recommendations needs time that passes: give --rate or --speed, above 0"
        )
    if start_ms is not None and not 1 <= start_ms <= wall_clock_ms():
        raise click.UsageError("--start must lie after 1970 and not in the future")
    if asked.report is not None and not asked.report.resolve().parent.is_dir():
        raise click.UsageError(f"--report {asked.report}: there is no such directory")
    return asked


def plan_traffic(
    settings: Settings,
    asked: Asked,
    genres: tuple[GenreProfile, ...],
    *,
    partition_for: PartitionFor,
    now_ms: int,
) -> Plan:
    """Return a plan for simulated traffic."""
    speed = _speed(asked)
    per_second = (asked.rate or DEFAULT_RATE) / (speed or 1.0)
    start_ms = asked.start_ms
    if start_ms is None:
        start_ms = _start(asked, genres, per_second=per_second, speed=speed, now_ms=now_ms)
    slice_seconds = (
        UNPACED_SLICE_EVENTS / per_second if speed is None else PACED_SLICE_SECONDS * speed
    )
    traffic = Traffic(
        genres,
        seed=asked.seed,
        events_per_second=per_second,
        start_ms=start_ms,
        slice_ms=round(slice_seconds * MS_PER_SECOND),
    )
    simulation = Simulation(
        traffic,
        asked.plan,
        settings,
        seed=asked.seed,
        partition_for=partition_for,
        skew=asked.skew,
        hot_genre=find_genre(genres, asked.skew.hot_genre),
    )
    portions = simulation.portions(asked.events)
    audience = None
    if asked.loop is not None:
        audience = Audience(
            traffic,
            asked.loop,
            seed=asked.seed,
            client=RecommendationClient(asked.loop.address, asked.loop.token),
            partition_for=partition_for,
        )
        portions = audience.portions(portions)
    return Plan(simulation, portions, Pace(start_ms, now_ms, speed, asked.backlog_ms), audience)


def plan_replay(
    settings: Settings, asked: Asked, path: Path, *, partition_for: PartitionFor, now_ms: int
) -> Plan:
    """Return a plan for a recording."""
    speed = 1.0 if asked.speed is None else asked.speed or None
    times = (event.get("event_time") for event in read_recording(path) if isinstance(event, dict))
    first_ms = next((time for time in times if type(time) is int), now_ms)
    shift_ms = 0 if asked.start_ms is None else asked.start_ms - first_ms
    replay = Replay(
        read_recording(path),
        shift_ms=shift_ms,
        latest_ms=now_ms if asked.start_ms is None else None,
        max_event_bytes=settings.max_event_bytes,
        partition_for=partition_for,
    )
    pace = Pace(first_ms + shift_ms, now_ms, speed, asked.backlog_ms)
    return Plan(replay, replay.portions(asked.events, speed), pace)


def _speed(asked: Asked) -> float | None:
    """Return event time per wall time; None where nothing but the broker sets the pace."""
    if asked.speed is not None:
        return asked.speed or None
    return 1.0 if asked.rate is not None or asked.events is None else None


def _start(
    asked: Asked,
    genres: tuple[GenreProfile, ...],
    *,
    per_second: float,
    speed: float | None,
    now_ms: int,
) -> int:
    if speed is not None:
        return now_ms
    if asked.events is None:
        return now_ms - UNPACED_DAYS * 86_400 * MS_PER_SECOND
    return start_for(
        genres,
        seed=asked.seed,
        events=asked.events,
        events_per_second=per_second,
        end_ms=now_ms,
    )


def shown(asked: Asked) -> dict[str, Any]:
    """Return the options as JSON values for the report."""
    return {
        "rate": asked.rate,
        "events": asked.events,
        "seconds": asked.seconds,
        "genres": None if asked.genres is None else str(asked.genres),
        "speed": asked.speed,
        "replay": asked.replay,
        **shown_faults(asked.plan, asked.skew),
        **shown_loop(asked.loop),
    }
