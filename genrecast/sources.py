"""What commands need from folders that theirs may not know: training data, models, offsets.

Imports are inside the functions: only `train` and `backtest` pay for them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contracts.settings import Settings

if TYPE_CHECKING:
    from model.history import History


def history_from_topic(settings: Settings) -> "History":
    """Count the retained `clicks` topic into buckets, without touching any state.

    Raises:
        click.ClickException: The topic can't be read or counted.
    """
    from rich.console import Console
    from rich.progress import Progress

    from consumer.errors import BrokerRefusedError, BrokerUnavailableError, InvariantError
    from consumer.recount import RecountError, recount_topic
    from model.history import History

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {settings.topic_clicks}", total=None)
        try:
            counted = recount_topic(
                settings, lambda done, total: bar.update(task, completed=done, total=total)
            )
        except (
            BrokerRefusedError, BrokerUnavailableError, InvariantError, RecountError,
        ) as error:  # fmt: skip
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
    from state.store import StoreError

    store = RedisStore.connect(settings)
    try:
        store.read_progress()  # refuses a deployment of another shape
        window = store.read_window()
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    finally:
        store.close()
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
    from state.store import StoreError

    models = RedisModels.connect(settings)
    try:
        return add_model(models, directory, settings, wall_clock_ms()).version
    except (RegistryError, ModelRefusedError, StoreError) as error:
        raise click.ClickException(f"{directory} is not registered: {error}") from None
    finally:
        models.close()
