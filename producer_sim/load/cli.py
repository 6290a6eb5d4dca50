"""`genrecast loadtest`."""

import re
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
import orjson

from contracts.clock import wall_clock_ms
from contracts.logs import set_up_logging
from contracts.options import KAFKA_CONNECTION, REDIS_CONNECTION, ConfigurationError, with_settings
from contracts.settings import Settings
from producer_sim.connection import Patience, SendError, StoppedError, find_topic
from producer_sim.fault_options import (
    check_silences,
    find_genre,
    shown_faults,
    take_plans,
    with_faults,
)
from producer_sim.genres import BUILT_IN, load_genres
from producer_sim.load.crew import Crew
from producer_sim.load.measuring import Bound, Limits, LoadResult, find_max, measure_once, shown_run
from producer_sim.load.observer import Observer, ReadOffsets
from producer_sim.load.profiles import PROFILES, Profile, make_profile
from producer_sim.load.screen import Screen, print_result
from producer_sim.load.stream import Kind
from producer_sim.load.worker import Task
from producer_sim.params import Rate

EXIT_NOT_HELD: Final = 1
"""Exit status when the bound is not held (searching: at the lowest rate), or Kafka refuses."""

PERCENTILE: Final = 99.0
"""The percentile that `--p99` bounds."""

WARMUP_RATIO: Final = 0.2
"""Part of a run that warms up where nothing is asked for, and WARMUP_SECONDS at most."""

WARMUP_SECONDS: Final = 2.0
"""Longest warm-up where nothing is asked for."""

_DURATION: Final = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s)")


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """`250ms` or `1.5s`, as seconds."""

    name = "250ms"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:  # noqa: ANN401 (click's own)
        """Parse a duration."""
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value))
        seconds = 0.0 if found is None else float(found["number"])
        if found is None or seconds <= 0:
            self.fail(f"{value!r} is no duration: like 250ms or 1.5s", param, ctx)
        return seconds / 1000 if found["unit"] == "ms" else seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """The options."""

    rate: float
    to: float | None
    profile: str
    seconds: float
    warmup: float | None
    processes: int
    seed: int
    genres: Path | None
    linger: float
    counted: bool
    find_max: bool
    p99: float | None
    max_rate: float
    create_topics: bool
    partitions: int
    report: Path | None
    json: Path | None

    @property
    def warmup_s(self) -> float:
        """Seconds of each run that do not count."""
        by_length = min(WARMUP_SECONDS, self.seconds * WARMUP_RATIO)
        return by_length if self.warmup is None else self.warmup


@click.command()
@click.option(
    "--rate", type=Rate(), default=1_000.0, show_default=True,
    help="Events per second; with --find-max the lowest tried.",
)  # fmt: skip
@click.option("--to", type=Rate(), help="Rate at the end of a ramp or step, or of the spike.")
@click.option("--profile", type=click.Choice(PROFILES), default="constant", show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(1, 86_400), default=30.0, show_default=True, metavar="N",
    help="Length of the run, or of each probe.",
)  # fmt: skip
@click.option(
    "--warmup", type=click.FloatRange(0), metavar="N",
    help="First seconds that do not count; by default 2, of short runs a fifth.",
)  # fmt: skip
@click.option(
    "--processes", type=click.IntRange(1, 256), default=1, show_default=True,
    help="Sending processes; each writes to partitions of its own.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--genres", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="As `genrecast simulate` takes it.",
)  # fmt: skip
@click.option(
    "--linger", type=Duration(), default="5ms", show_default=True,
    help="How long sending waits so that more go together; it is part of the latency.",
)  # fmt: skip
@click.option(
    "--counted", is_flag=True,
    help="Measure until a consumer has counted: looks at its offsets in Redis every 10 ms.",
)  # fmt: skip
@click.option("--find-max", is_flag=True, help="Search for the highest rate that holds --p99.")
@click.option("--p99", type=Duration(), help="What 99 of 100 events must not exceed.")
@click.option(
    "--max-rate", type=Rate(), default=1_000_000.0, show_default=True,
    help="Highest rate that --find-max tries.",
)  # fmt: skip
@with_faults
@click.option("--create-topics", is_flag=True, help="Make the clicks topic when it is missing.")
@click.option("--partitions", type=click.IntRange(min=1), default=8, show_default=True)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write a page with plots (HTML).",
)  # fmt: skip
@click.option(
    "--json", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write everything measured, and the exact truth.",
)  # fmt: skip
@with_settings(
    *KAFKA_CONNECTION, *REDIS_CONNECTION, "app", "topic_clicks", "bucket_seconds",
    "max_out_of_orderness_seconds", "max_future_skew_seconds", "max_event_bytes", "log_level",
    "log_format",
)  # fmt: skip
@click.pass_context
def loadtest(ctx: click.Context, /, settings: Settings, **options: Any) -> None:  # noqa: ANN401 (click's values)
    """Load the clicks topic at planned rates, and tell latency and the exact truth.

    Open loop: every event has its time, from the profile, and its latency counts from then until
    Kafka has acknowledged it, or with --counted until a consumer has counted it. An event that is
    sent late, because the system or this machine was slow, is not forgiven: percentiles show it.

    \b
    Profiles: constant  --rate all the time
              ramp      from --rate to --to, evenly
              step      from --rate to --to in five steps
              spike     --rate, in the middle tenth --to
              recorded  the rhythm of real clicks (MovieTweetings), --rate on average

    With --find-max the rate is doubled from --rate until 99 of 100 events take longer than --p99,
    then the limit is closed in on by bisection, to 5 percent; a rate fails after two tries.

    Ends with 1 when the bound is not held (with --find-max: not even at the lowest rate), or when
    Kafka refuses. Ctrl-C ends it in order, and tells what was done.

    \b
    Examples:
      genrecast loadtest --rate 20000 --create-topics
      genrecast loadtest --profile spike --rate 5000 --to 50000 --seconds 60 --report spike.html
      genrecast loadtest --find-max --p99 250ms --seconds 15 --processes 2
      genrecast loadtest --rate 5000 --counted --p99 1s --late 0.01 --hot-genre crime=0.8
    """  # noqa: D301 (click reads the control character)
    faults, skew = take_plans(options)
    asked = Asked(**options)
    _check(asked)
    set_up_logging(settings)
    genres = load_genres(asked.genres) if asked.genres else BUILT_IN
    find_genre(genres, skew.hot_genre)
    kind = Kind(genres, asked.seed, faults, skew)
    stop = _stop_on_signals()
    try:
        report, result = _load(settings, asked, kind, stop, _offsets(ctx, settings, asked))
    except SendError as error:
        click.echo(f"genrecast loadtest: {error}", err=True)
        sys.exit(error.exit_code)
    except StoppedError:
        click.echo("genrecast loadtest: stopped before Kafka answered; nothing sent", err=True)
        return
    _write(asked, report, result)
    print_result(report)
    sys.exit(_status(asked, result))


def _check(asked: Asked) -> None:
    if asked.find_max and asked.p99 is None:
        raise click.UsageError("--find-max needs --p99, the bound that has to hold")
    if asked.find_max and asked.profile != "constant":
        raise click.UsageError("--find-max tries constant rates: it takes no --profile")
    if asked.find_max and asked.max_rate < asked.rate:
        raise click.UsageError("--max-rate is below --rate, the lowest rate tried")
    if asked.to is not None and asked.profile not in {"ramp", "step", "spike"}:
        raise click.UsageError("--to goes with the profiles ramp, step and spike")
    if asked.warmup_s >= asked.seconds:
        raise click.UsageError("--warmup must be shorter than --seconds")
    for name, path in (("--report", asked.report), ("--json", asked.json)):
        if path is not None and not path.resolve().parent.is_dir():
            raise click.UsageError(f"{name} {path}: there is no such directory")


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def _offsets(ctx: click.Context, settings: Settings, asked: Asked) -> ReadOffsets | None:
    """Return what looks at stored offsets; given from above: the simulator knows no state."""
    if not asked.counted:
        return None
    connect: Callable[[Settings], ReadOffsets] = ctx.find_root().obj["offsets"]
    return connect(settings)


def _load(
    settings: Settings,
    asked: Asked,
    kind: Kind,
    stop: threading.Event,
    read_offsets: ReadOffsets | None,
) -> tuple[dict[str, Any], LoadResult]:
    partitions = _find_topic(settings, asked, stop)
    check_silences(kind.skew.silences, partitions)
    if asked.processes > partitions:
        raise ConfigurationError(
            f"--processes {asked.processes}: each writes to partitions of its own, and the topic "
            f"has {partitions}"
        )
    observer = None if read_offsets is None else Observer(read_offsets)
    started_ms = wall_clock_ms()
    tasks = [
        Task(settings, kind, number, asked.processes, started_ms)
        for number in range(asked.processes)
    ]
    profile = make_profile(asked.profile, rate=asked.rate, to=asked.to, seconds=asked.seconds)
    with (
        closing(observer) if observer is not None else nullcontext(),
        Screen() as screen,
        Crew(tasks, stop, observer) as crew,
    ):
        if observer is not None:
            observer.start()
        result = _measure(crew, asked, profile, stop, screen)
        truth, made = crew.report()
    return _report(settings, asked, kind, result, truth, made) | {"started_at": started_ms}, result


def _find_topic(settings: Settings, asked: Asked, stop: threading.Event) -> int:
    patience = Patience(stop)
    wanted = asked.partitions if asked.create_topics else None
    while True:
        count = patience.retrying(settings.kafka_bootstrap, lambda: find_topic(settings, wanted))
        if count:
            return count
        patience.announce(
            f"topic {settings.topic_clicks} does not exist: make it, or start with "
            "--create-topics; waiting"
        )
        patience.pause(1.0)


def _measure(
    crew: Crew, asked: Asked, profile: Profile, stop: threading.Event, screen: Screen
) -> LoadResult:
    bound = _bound(asked)
    if bound is None or not asked.find_max:
        return measure_once(
            crew,
            profile,
            warmup_s=asked.warmup_s,
            linger_s=asked.linger,
            bound=bound,
            on_progress=screen.begin(profile.seconds, f"{asked.profile} {asked.rate:,.0f}/s"),
        )
    return find_max(
        crew,
        Limits(asked.rate, asked.max_rate, asked.seconds),
        warmup_s=asked.warmup_s,
        linger_s=asked.linger,
        bound=bound,
        stop=stop,
        on_probe=lambda rate, probe: screen.probe(rate, probe, asked.seconds),
    )


def _bound(asked: Asked) -> Bound | None:
    return None if asked.p99 is None else Bound(PERCENTILE, asked.p99)


def _report(
    settings: Settings,
    asked: Asked,
    kind: Kind,
    result: LoadResult,
    truth: dict[str, Any],
    made: dict[str, Any],
) -> dict[str, Any]:
    found = result.found
    return {
        "verdict": _verdict(asked, result),
        "options": {
            "profile": asked.profile, "rate": asked.rate, "to": asked.to,
            "seconds": asked.seconds, "warmup_seconds": asked.warmup_s,
            "processes": asked.processes, "seed": asked.seed, "linger_seconds": asked.linger,
            "counted": asked.counted, "p99_seconds": asked.p99, "find_max": asked.find_max,
            **shown_faults(kind.faults, kind.skew),
        },
        "topic": settings.topic_clicks,
        "highest_rate_that_holds": None if found is None else found.holds,
        "lowest_rate_that_fails": None if found is None else found.fails,
        "is_stopped": result.is_stopped,
        "runs": [shown_run(probe) for probe in result.runs],
        "made": made,
        "truth": truth,
    }  # fmt: skip


def _verdict(asked: Asked, result: LoadResult) -> str:
    if result.is_stopped:
        return "stopped early"
    if asked.p99 is None or not result.runs:
        return "measured"
    bound = f"p99 of {1000 * asked.p99:g} ms"
    if result.found is None:
        return f"{'holds' if result.runs[0].does_hold else 'does not hold'} a {bound}"
    if result.found.holds is None:
        return f"not even {result.found.fails:,.0f}/s holds a {bound}"
    return f"{result.found.holds:,.0f}/s holds a {bound}"


def _status(asked: Asked, result: LoadResult) -> int:
    if result.is_stopped or asked.p99 is None:
        return 0
    held = result.runs[0].does_hold if result.found is None else result.found.holds is not None
    return 0 if held else EXIT_NOT_HELD


def _write(asked: Asked, report: dict[str, Any], result: LoadResult) -> None:
    if asked.json is not None:
        asked.json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    if asked.report is not None:
        # Plots need matplotlib, which costs more to import than all the rest.
        from producer_sim.load.page import load_page

        page = load_page(report, result, _bound(asked))
        asked.report.write_text(page, encoding="utf-8")
