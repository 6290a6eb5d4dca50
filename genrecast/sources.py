"""What commands need from folders that theirs may not know: training data, models, offsets.

Imports are inside the functions: only `train` and `backtest` pay for them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contracts.options import ConfigurationError
from contracts.settings import Settings

if TYPE_CHECKING:
    from model.history import History


@contextmanager
def _in_words(doing: str = "") -> Iterator[None]:
    """Raise what services refuse as click does.

    Raises:
        ConfigurationError: Login or certificate are refused: other settings are needed.
        click.ClickException: A service is away, or a right is missing.
    """
    from consumer.errors import (
        BrokerLinkRefusedError,
        BrokerRefusedError,
        BrokerUnavailableError,
        InvariantError,
    )
    from state.store import StoreError, StoreLinkRefusedError

    try:
        yield
    except (BrokerLinkRefusedError, StoreLinkRefusedError) as error:
        raise ConfigurationError(f"{doing}{error}") from None
    except (BrokerRefusedError, BrokerUnavailableError, InvariantError, StoreError) as error:
        raise click.ClickException(f"{doing}{error}") from None


def history_from_topic(settings: Settings) -> "History":
    """Count the retained `clicks` topic into buckets, without touching any state.

    Raises:
        click.ClickException: The topic can't be read or counted.
    """
    from rich.console import Console
    from rich.progress import Progress

    from consumer.recount import RecountError, recount_topic
    from model.history import History

    with _in_words(), Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {settings.topic_clicks}", total=None)
        try:
            counted = recount_topic(
                settings, lambda done, total: bar.update(task, completed=done, total=total)
            )
        except RecountError as error:
            raise click.ClickException(str(error)) from None
    return History(
        names=counted.genres,
        bucket_seconds=settings.bucket_seconds,
        starts_ms=counted.starts_ms,
        cells=counted.cells,
    )


def history_from_redis(settings: Settings) -> "History":
    """Read the closed buckets that Redis keeps.

    Raises:
        click.ClickException: Redis does not answer, refuses, or holds another deployment.
    """
    from model.history import History
    from state.redis_store import RedisStore

    with _in_words(), closing(RedisStore.connect(settings)) as store:
        store.read_progress()  # refuses a deployment of another shape
        window = store.read_window()
    origin_ms = window.starts_ms[0] if len(window.starts_ms) else 0
    return History(
        names=window.genres,
        bucket_seconds=settings.bucket_seconds,
        starts_ms=window.starts_ms,
        cells=window.cells,
        first_row=(window.first_bucket_ms - origin_ms) // settings.bucket_ms,
    )


def stored_offsets(settings: Settings) -> Callable[[], Mapping[int, int]]:
    """Return what reads the offsets that consumers have stored, each the next to read.

    A deployment that nobody has made yet has none.
    """
    from state.redis_store import RedisStore
    from state.store import DeploymentAbsentError

    store = RedisStore.connect(settings)

    def read() -> Mapping[int, int]:
        try:
            return store.read_progress().offsets
        except DeploymentAbsentError:
            return {}

    return read


def register_model(settings: Settings, directory: Path) -> str:
    """Register a trained model as the deployment's candidate and return its version.

    Raises:
        click.ClickException: Redis does not answer, or the registry does not take it.
    """
    from consumer.models import RegistryError, add_model
    from contracts.clock import wall_clock_ms
    from model.artifact import ModelRefusedError
    from state.redis_models import RedisModels

    doing = f"{directory} is not registered: "
    with _in_words(doing), closing(RedisModels.connect(settings)) as models:
        try:
            return add_model(models, directory, settings, wall_clock_ms()).version
        except (RegistryError, ModelRefusedError) as error:
            raise click.ClickException(f"{doing}{error}") from None
