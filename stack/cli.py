"""`genrecast stack`: real Kafka and Redis on this machine."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich.console import Console

from stack.errors import StackError
from stack.runner import Stack
from stack.settings import StackSettings

_PORT = click.IntRange(0, 65_535)


def _data_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="GENRECAST_STACK_DIR",
        help="Data, logs and pidfiles.  [default: ~/.local/share/genrecast/stack]",
    )(command)


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")(
        command
    )


@click.group()
def stack() -> None:
    """Real Kafka and Redis on this machine, without Docker.

    Kafka's jars come from Maven Central (44 MB, once, verified), Java and Redis from this
    machine or from wheels. Both listen on 127.0.0.1 only.

    \b
    Examples:
      genrecast stack up
      genrecast stack up --json --kafka-port 19092 --redis-port 16379
      genrecast stack status
      genrecast stack down
    """  # noqa: D301 (click reads the control character)


@stack.command()
@click.option("--kafka-port", type=_PORT, help="Insist on this port; 0 takes any free one.")
@click.option("--redis-port", type=_PORT, help="Insist on this port; 0 takes any free one.")
@_data_dir_option
@_json_option
def up(
    kafka_port: int | None, redis_port: int | None, data_dir: Path | None, *, as_json: bool
) -> None:
    """Start Kafka and Redis and return when both answer.

    Without a port of your own, 9092 and 6379 are taken, or free ones when those are in use.

    \b
    Examples:
      genrecast stack up
      genrecast stack up --json
      genrecast stack up --data-dir /tmp/stack --kafka-port 0 --redis-port 0
    """  # noqa: D301 (click reads the control character)
    console = Console(stderr=True, highlight=False)
    with _told_plainly():
        local = Stack(data_dir, kafka_port, redis_port=redis_port, settings=StackSettings())
        with console.status("Starting Redis and Kafka ..."):
            endpoints = local.up()
    if as_json:
        click.echo(json.dumps(asdict(endpoints)))
        return
    console.print(f"Kafka and Redis are up; data in {local.data_dir}", soft_wrap=True)
    click.echo(f"export GENRECAST_KAFKA_BOOTSTRAP={endpoints.kafka_bootstrap}")
    click.echo(f"export GENRECAST_REDIS_URL={endpoints.redis_url}")


@stack.command()
@_data_dir_option
def down(data_dir: Path | None) -> None:
    """Stop Kafka and Redis cleanly; the data stays.

    \b
    Example:
      genrecast stack down
    """  # noqa: D301 (click reads the control character)
    console = Console(stderr=True, highlight=False)
    with _told_plainly():
        local = Stack(data_dir, settings=StackSettings())
        with console.status("Stopping Kafka and Redis ..."):
            local.down()
    console.print("Kafka and Redis are down")


@stack.command()
@_data_dir_option
@_json_option
def status(data_dir: Path | None, *, as_json: bool) -> None:
    """Tell what runs and where; exit code 1 unless both run.

    \b
    Examples:
      genrecast stack status
      genrecast stack status --json
    """  # noqa: D301 (click reads the control character)
    with _told_plainly():
        found = Stack(data_dir, settings=StackSettings()).status()
    if as_json:
        click.echo(json.dumps(asdict(found)))
    else:
        click.echo(f"kafka  {found.kafka:8}  {found.kafka_bootstrap}".rstrip())
        click.echo(f"redis  {found.redis:8}  {found.redis_url}".rstrip())
    sys.exit(0 if found.is_up else 1)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what the user can mend into a message and exit code 2."""
    try:
        yield
    except StackError as exc:
        click.echo(f"Error: {exc}", err=True)
        sys.exit(2)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in error["loc"]).upper()
            click.echo(f"Error: setting GENRECAST_{name}: {error['msg']}", err=True)
        sys.exit(2)
