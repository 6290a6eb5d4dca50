"""What commands that read whole topics share: bars, and one clear line when it fails."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

from contracts.kafka_log import quiet_kafka_log
from contracts.options import ConfigurationError

EXIT_FAILED: Final = 1
"""Exit status when something differs or can't be had."""

Progress = Callable[[str], Callable[[int, int], None]]
"""Names what is read next; what it returns is told how far that is."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show one bar per topic, on stderr, while they are read."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bars:

        def named(what: str) -> Callable[[int, int], None]:
            task = bars.add_task(f"reading {what}", total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield named


@contextmanager
def one_message(command: str) -> Iterator[None]:
    """End with one clear line when a service can't be had."""
    from consumer.errors import (
        BrokerLinkRefusedError,
        BrokerRefusedError,
        BrokerUnavailableError,
        InvariantError,
    )
    from state.store import StoreError, StoreLinkRefusedError

    quiet_kafka_log()
    try:
        yield
    except (BrokerLinkRefusedError, StoreLinkRefusedError) as error:
        raise ConfigurationError(str(error)) from error
    except (BrokerRefusedError, BrokerUnavailableError, InvariantError, StoreError) as error:
        click.echo(f"genrecast {command}: {error}", err=True)
        sys.exit(EXIT_FAILED)
