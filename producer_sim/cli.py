"""`genrecast simulate`."""

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
import orjson

from contracts.clock import MS_PER_SECOND, wall_clock_ms
from contracts.logs import set_up_logging
from contracts.moments import Moment
from contracts.options import KAFKA_CONNECTION, with_settings
from contracts.settings import Settings
from contracts.topic_layouts import DEFAULT_PARTITIONS
from producer_sim.display import ProgressLine, print_summary
from producer_sim.fault_options import check_silences, find_genre, with_faults
from producer_sim.genres import BUILT_IN, load_genres
from producer_sim.loop_options import loop_report, with_loop
from producer_sim.params import Rate, Speed
from producer_sim.planning import Asked, ask, plan_replay, plan_traffic, shown
from producer_sim.replay import find_recording
from producer_sim.run import Run, deadline, made_on_purpose, rules_of
from producer_sim.sender import ClickSender, SendError, StoppedError
from producer_sim.truth import Truth

EXIT_FAILED: Final = 1
"""Exit status when Kafka refuses."""


@click.command()
@click.option("--rate", type=Rate(), help="Events per second, on average over a week.")
@click.option("--events", type=click.IntRange(min=1), metavar="N", help="Send N records, then end.")
@click.option("--seconds", type=click.FloatRange(min=0), metavar="N", help="End after N seconds.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--genres",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help='JSON list of {"name", "share", "peak_hour", "weekend_factor", ...}; only name is needed.',
)
@click.option("--start", type=Moment(), help="Event time to begin at, UTC if no zone is given.")
@click.option("--speed", type=Speed(), help="Event time per wall time; 0 or max: no pacing.")
@click.option(
    "--backlog-days",
    type=click.FloatRange(0, 3650),
    default=0.0,
    metavar="D",
    help="First D days of event time at once: a past to forecast from.",
)
@with_faults
@with_loop
@click.option(
    "--replay",
    metavar="FILE",
    help="Send recorded events instead: .csv, .jsonl (.gz too), .parquet; or 'movietweetings'.",
)
@click.option("--create-topics", is_flag=True, help="Make the clicks topic when it is missing.")
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    default=DEFAULT_PARTITIONS,
    show_default=True,
    help="Partitions of a topic made here.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the exact truth as JSON: events per genre and bucket, late, malformed.",
)
@with_settings(
    *KAFKA_CONNECTION,
    "topic_clicks",
    "bucket_seconds",
    "max_out_of_orderness_seconds",
    "max_future_skew_seconds",
    "max_event_bytes",
    "log_level",
    "log_format",
)
def simulate(settings: Settings, **options: Any) -> None:  # noqa: ANN401 (click's values)
    """Send simulated or recorded clicks, with faults on demand, and tell the exact truth.

    Traffic has the rhythm of a platform: hours, weekdays, premieres, noise. --rate is its average
    over a week; evenings have more, nights less. The same seed, start and options make the same
    records (but for clocks that run ahead, one kind of --malformed).

    --rate or --speed alone tie event time to the wall clock (speed 1 unless given); event time
    never runs past it: traffic that has caught up goes on at speed 1. --events alone sends as
    fast as possible, at 200 events per second of event time. Recordings keep their own times, at
    speed 1 unless given; --start shifts them. Ctrl-C ends in order, with summary and report.

    With --follow-recommendations, users also see what the service recommends and react; what they
    see and click comes on top, and is in the report like everything else.

    The report is exact for a topic that was empty and that only this one simulator writes to; else
    it says "is_exact": false and why. Its bucket and lateness settings must be the consumer's.

    \b
    Examples:
      genrecast simulate --rate 200 --create-topics
      genrecast simulate --events 200000 --late 0.01 --malformed 0.005 --report truth.json
      genrecast simulate --rate 500 --hot-genre crime=0.8 --new-genres 0.001 --silence 3@60+120
      genrecast simulate --rate 2000 --start 2026-01-05 --speed 1440
      genrecast simulate --rate 300 --speed 30 --follow-recommendations http://localhost:8080
      genrecast simulate --replay movietweetings --speed max
    """  # noqa: D301 (click reads the control character)
    asked = ask(options)
    set_up_logging(settings)
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        report = _simulate(settings, asked, stop)
    except SendError as error:
        click.echo(f"genrecast simulate: {error}", err=True)
        sys.exit(error.exit_code)
    except StoppedError:
        click.echo("genrecast simulate: stopped before Kafka answered; nothing sent", err=True)
        return
    if asked.report is not None:
        asked.report.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    print_summary(report)
    if report["trouble"]:
        click.echo(f"genrecast simulate: {report['trouble']}", err=True)
        sys.exit(EXIT_FAILED)


def _simulate(settings: Settings, asked: Asked, stop: threading.Event) -> dict[str, Any]:
    # What is wrong with files is said before Kafka is waited for.
    genres = load_genres(asked.genres) if asked.genres else BUILT_IN
    find_genre(genres, asked.skew.hot_genre)
    recording = find_recording(asked.replay) if asked.replay is not None else None
    truth = Truth(rules_of(settings))
    sender = ClickSender(settings, truth, stop)
    audience = None
    try:
        sender.connect(create_partitions=asked.partitions)
        check_silences(asked.skew.silences, sender.partition_count)
        now_ms = wall_clock_ms()
        plan = (
            plan_traffic(settings, asked, genres, partition_for=sender.partition_for, now_ms=now_ms)
            if recording is None
            else plan_replay(
                settings, asked, recording, partition_for=sender.partition_for, now_ms=now_ms
            )
        )
        audience = plan.audience
        run = Run(sender, truth, now_ms=wall_clock_ms, stop=stop)
        with ProgressLine(truth, asked.events, wall_clock_ms) as line:
            run.send_all(
                plan.portions,
                pace=plan.pace,
                deadline_ms=deadline(asked.seconds, now_ms),
                on_progress=line.show,
            )
        wall_seconds = (wall_clock_ms() - now_ms) / MS_PER_SECOND
    finally:
        sender.close()
        if audience is not None:
            audience.client.close()
    return {
        "options": shown(asked),
        "seed": asked.seed,
        "topic": settings.topic_clicks,
        "started_at": now_ms,
        "event_start": plan.pace.event_start_ms,
        "wall_seconds": wall_seconds,
        "events_per_second": truth.sent / max(wall_seconds, 0.001),
        "refused": sender.failed,
        "trouble": run.tally.trouble,
        "made": made_on_purpose(plan.source.made),
        **({} if audience is None else {"loop": loop_report(audience)}),
        **truth.report(plan.source.genre_lists),
    }
