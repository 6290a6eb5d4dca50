"""`genrecast feed` and `genrecast status`."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click

from contracts.kafka_log import quiet_kafka_log
from contracts.options import (
    KAFKA_CONNECTION,
    REDIS_CONNECTION,
    ConfigurationError,
    with_settings,
)
from contracts.settings import Settings

if TYPE_CHECKING:
    from feed.client import Begin, ForecastFeed

EXIT_FAILED: Final = 1
"""Exit status when a service can't be had."""

RETRY_SECONDS: Final = 2.0
"""Pause before Kafka is asked again, seconds."""

REPEAT_SECONDS: Final = 60.0
"""How often the same trouble is told again, seconds."""


@click.command()
@click.option("--from-beginning", is_flag=True, help="First what the topic keeps, then what comes.")
@click.option("--genre", "genres", multiple=True, metavar="G", help="Only this one; repeatable.")
@click.option(
    "--until-idle",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Exit once read to the topic's end with nothing new for so long.",
)
@click.option(
    "--position",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the last bucket printed here, and go on after it when started again.",
)
@with_settings("app", *KAFKA_CONNECTION, "topic_forecasts", "topic_buckets")
def feed(
    settings: Settings,
    *,
    from_beginning: bool,
    genres: tuple[str, ...],
    until_idle: float | None,
    position: Path | None,
) -> None:
    """Print forecasts as JSON Lines: committed ones only, whole buckets, in order.

    Runs until SIGTERM or Ctrl-C, and exits 0 then. A missing broker is waited for, with a message
    a minute on stderr.

    \b
    Examples:
      genrecast feed
      genrecast feed --from-beginning --genre crime --genre noir
      genrecast feed --from-beginning --until-idle 2 > forecasts.jsonl
      genrecast feed --position reader.position | my-reader
    """  # noqa: D301 (click reads the control character)
    from feed.errors import PositionError

    _quiet_client()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        begin: Begin = "beginning" if from_beginning else "now"
        opened = partial(_open, settings, genres=genres or None, begin=begin, position=position)
        _follow(opened, until_idle)
    except PositionError as error:
        click.echo(f"genrecast feed: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except (_EndedError, BrokenPipeError):
        # Whoever reads is gone or has stopped reading: nothing may wait for it at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _EndedError(Exception):
    """A signal asked to end; raised because a full pipe would hold a flag back for ever."""


def _end(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _EndedError


def _open(settings: Settings, **options: Any) -> "ForecastFeed":  # noqa: ANN401 (passed through)
    from feed.client import ForecastFeed

    return ForecastFeed(settings, **options)


def _follow(opened: "Callable[[], ForecastFeed]", until_idle: float | None) -> None:
    from feed.errors import FeedLinkRefusedError, FeedRefusedError, FeedUnavailableError

    tell = _Complaint(time.monotonic)
    reader: ForecastFeed | None = None
    idle_since = time.monotonic()
    try:
        while True:
            try:
                reader = reader or opened()
                buckets = reader.poll(500)
                for bucket in buckets:
                    idle_since = time.monotonic()
                    lines = (f"{f.model_dump_json()}\n" for f in bucket.forecasts.values())
                    sys.stdout.write("".join(lines))
                    sys.stdout.flush()
                    reader.done(bucket)
                is_idle = until_idle is not None and time.monotonic() - idle_since >= until_idle
                if is_idle and reader.is_at_end():
                    return
            except (FeedUnavailableError, FeedRefusedError) as error:
                if reader is None and isinstance(error, FeedLinkRefusedError):
                    raise ConfigurationError(str(error)) from error
                tell(f"{error}; trying again")
                time.sleep(RETRY_SECONDS)
            else:
                tell.reset()
    finally:
        if reader is not None:
            reader.close()


def _quiet_client() -> None:
    """Errors of the client reach people in our words, once."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="genrecast: %(message)s")
    quiet_kafka_log()


class _Complaint:
    """Tells the same trouble once a minute, on stderr."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._said_at: float | None = None

    def __call__(self, message: str) -> None:
        now = self._monotonic()
        if self._said_at is None or now - self._said_at >= REPEAT_SECONDS:
            self._said_at = now
            click.echo(f"genrecast feed: {message}", err=True)

    def reset(self) -> None:
        self._said_at = None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@with_settings("app", *KAFKA_CONNECTION, *REDIS_CONNECTION, "topic_clicks", "bucket_seconds")
def status(settings: Settings, *, as_json: bool) -> None:
    """Show watermark, open and closed buckets, lag per partition, model and totals.

    Exits 1 when Redis or Kafka can't be asked, and says which.

    \b
    Examples:
      genrecast status
      genrecast status --json | jq .totals
    """  # noqa: D301 (click reads the control character)
    from feed.status import read_status
    from state.store import StoreError, StoreLinkRefusedError

    _quiet_client()
    try:
        found = read_status(settings)
    except StoreLinkRefusedError as error:
        raise ConfigurationError(str(error)) from error
    except StoreError as error:
        click.echo(f"genrecast status: {error}", err=True)
        sys.exit(EXIT_FAILED)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        from feed.status_text import show_status

        show_status(found)
    if found.kafka_problem:
        click.echo(f"genrecast status: {found.kafka_problem}", err=True)
        sys.exit(EXIT_FAILED)
