"""`genrecast consume` and `genrecast close`."""

import logging
import signal
import sys
import threading
import time
from contextlib import closing
from types import FrameType

import click

from consumer.command_parts import EXIT_FAILED, one_message
from consumer.health import Readiness, serve_health
from contracts.logs import set_up_logging
from contracts.options import REDIS_CONNECTION, ConfigurationError, with_settings
from contracts.settings import Settings

log = logging.getLogger(__name__)


@click.command()
@click.option("--create-topics", is_flag=True, help="Make the clicks topic too when it is missing.")
@click.option(
    "--until-idle",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Exit once read to the log's end with nothing new for so long.",
)
@with_settings()
def consume(settings: Settings, *, create_topics: bool, until_idle: float | None) -> None:
    """Count clicks into per-genre windows, close buckets, publish forecasts.

    Start as many as you like: they share the partitions. SIGTERM or Ctrl-C finishes the batch in
    hand and exits 0. A missing broker or Redis is waited for, with a message a minute.

    \b
    Examples:
      genrecast consume --create-topics
      genrecast consume --until-idle 10 --bucket-seconds 3600
      GENRECAST_KAFKA_BOOTSTRAP=kafka:9092 genrecast consume --health-port 8080
    """  # noqa: D301 (click reads the control character)
    from consumer.alerts.rules import Rules
    from consumer.scratch import check_scratch
    from consumer.service import FATAL, Service
    from consumer.tracing import open_traces
    from model.artifact import ModelRefusedError
    from model.registry import check_chosen_model

    set_up_logging(settings)
    check_scratch()
    try:
        check_chosen_model(settings)
    except ModelRefusedError as error:
        raise ConfigurationError(f"GENRECAST_MODEL_DIR: {error}") from None
    try:
        Rules.of(settings)
    except ValueError as error:
        raise ConfigurationError(f"GENRECAST_ALERT_THRESHOLDS: {error}") from None
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("%s: finishing", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    readiness = Readiness(time.monotonic)
    server = None
    if settings.health_port is not None:
        try:
            server = serve_health(readiness, settings.health_port)
        except OSError as error:
            message = f"GENRECAST_HEALTH_PORT: cannot listen on {settings.health_port}: {error}"
            raise ConfigurationError(message) from None
    traces = open_traces(settings)
    service = Service(settings, readiness, stop, until_idle, traces)
    try:
        service.run(create_topics=create_topics)
    except FATAL as error:
        log.critical("%s", error)
        sys.exit(EXIT_FAILED)
    finally:
        traces.close()
        if server is not None:
            server.shutdown()
            server.server_close()


@click.command("close")
@with_settings("app", *REDIS_CONNECTION, "bucket_seconds")
def close(settings: Settings) -> None:
    """End a finished replay: let its open buckets close.

    Buckets close when later events come. After a replay none do: this closes what is open, once
    the consumers have read everything. Records that come for those buckets later are late.

    \b
    Example:
      genrecast close --bucket-seconds 3600
    """  # noqa: D301 (click reads the control character)
    from state.redis_store import RedisStore

    store = RedisStore.connect(settings)
    with one_message("close"), closing(store):
        count = store.finish()
    click.echo(f"{count} open buckets may close now")
