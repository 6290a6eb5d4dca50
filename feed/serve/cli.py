"""`genrecast serve`."""

import logging
import sys
from typing import Final

import click

from contracts.kafka_client import client_options
from contracts.logs import set_up_logging
from contracts.options import (
    KAFKA_CONNECTION,
    REDIS_CONNECTION,
    ConfigurationError,
    with_settings,
)
from feed.serve.settings import ServeSettings

EXIT_FAILED: Final = 1
"""Exit status when going on would be wrong."""

_SERVE: Final = tuple(name for name in ServeSettings.model_fields if name.startswith("serve_"))


@click.command()
@with_settings(
    "app",
    *KAFKA_CONNECTION,
    *REDIS_CONNECTION,
    "topic_clicks",
    "topic_forecasts",
    "topic_buckets",
    "topic_dead_letter",
    "topic_recommendations",
    "bucket_seconds",
    "max_out_of_orderness_seconds",
    "idle_timeout_seconds",
    "window_buckets",
    *(name for name in _SERVE if name != "serve_token"),
    "log_level",
    "log_format",
    model=ServeSettings,
)
def serve(settings: ServeSettings) -> None:
    """Serve forecasts over HTTP: JSON, a live stream (server-sent events), the dashboard.

    Reads the forecast topic and the journal, keeps the newest buckets in memory. Runs until
    SIGTERM or Ctrl-C, and exits 0 then. A missing broker or Redis is waited for; meanwhile it
    answers from what it has and says that it is stale.

    \b
    Examples:
      genrecast serve
      genrecast serve --serve-port 9000 --serve-host 0.0.0.0
      GENRECAST_SERVE_TOKEN_FILE=/run/secrets/token genrecast serve
      curl -N localhost:8080/v1/stream?genre=crime
      curl localhost:8080/v1/users/u1/recommendations
    """  # noqa: D301 (click reads the control character)
    from feed.serve.auth import token_of
    from feed.serve.server import ServeFailedError, listen, run

    token_of(settings)
    client_options(settings)
    set_up_logging(settings)
    # It warns of every request that is none: anybody could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        listener = listen(settings)
    except OSError as error:
        where = f"{settings.serve_host}:{settings.serve_port}"
        message = f"GENRECAST_SERVE_PORT: cannot listen on {where}: {error.strerror or error}"
        raise ConfigurationError(message) from None
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"genrecast serve: http://{shown}:{port}", err=True)
    try:
        run(settings, listener)
    except ServeFailedError as error:
        click.echo(f"genrecast serve: {error}", err=True)
        sys.exit(EXIT_FAILED)
