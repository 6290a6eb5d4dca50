"""`genrecast explain`. TensorFlow is imported when it runs, not before."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consumer.command_parts import EXIT_FAILED, one_message
from contracts.events import normalise_genre
from contracts.explain_requests import REQUESTS_OPTION
from contracts.explanations import Explanation
from contracts.moments import Moment
from contracts.options import KAFKA_CONNECTION, REDIS_CONNECTION, with_settings
from contracts.settings import Settings

if TYPE_CHECKING:
    from consumer.explaining import Explainer


@click.command("explain")
@click.option("--genre", help="Which genre, in any spelling.")
@click.option("--at", type=Moment(), help="A moment in the bucket; the newest one when not given.")
@click.option(
    "--step", type=click.IntRange(min=1), help="Explain one step; the mean of all when not given."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="PNG",
    help="Draw it into this file.",
)  # fmt: skip
@click.option(REQUESTS_OPTION, "is_asked", is_flag=True, hidden=True)
@with_settings(
    "app", *KAFKA_CONNECTION, *REDIS_CONNECTION, "topic_forecasts", "topic_buckets",
    "bucket_seconds", "window_buckets", "holidays", "model_dir",
)  # fmt: skip
def explain(
    settings: Settings,
    *,
    genre: str | None,
    at: int | None,
    step: int | None,
    as_json: bool,
    plot: Path | None,
    is_asked: bool,
) -> None:
    """Say what moved a genre's forecast, in clicks: recent level, same time before, calendar.

    The published forecast is made again from the windows in Redis, then compared with the forecast
    from an ordinary bucket: the genre at its own level, nothing unusual lately, at no particular
    hour. What each group of inputs did adds up to the difference. Give it the settings that the
    consumers have. Exits 1 and says why where a forecast can't be explained.

    \b
    Examples:
      genrecast explain --genre crime
      genrecast explain --genre crime --at 2026-01-05T20:00 --plot crime.png
      genrecast explain --genre crime --step 1 --json | jq .causes
    """  # noqa: D301 (click reads the control character)
    if is_asked:
        _answer()
        return
    if genre is None:
        raise click.UsageError("Missing option '--genre'.")
    name = normalise_genre(genre)
    if name is None:
        raise click.BadParameter(f"{genre!r} is no genre", param_hint="--genre")
    if plot is not None and not plot.parent.is_dir():
        raise click.BadParameter(f"there is no directory {plot.parent}", param_hint="--plot")
    found = _explain(settings, name, at, step)
    if plot is not None:
        _draw(found, plot)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    from rich.console import Console

    from consumer.explain_text import show

    show(found, Console(highlight=False))


def _explain(settings: Settings, genre: str, at: int | None, step: int | None) -> Explanation:
    from consumer.broker.published import NotPublishedError, find_published
    from consumer.explaining import ExplainError

    with one_message("explain"):
        try:
            published = find_published(settings, genre, at)
            with _explainer(settings) as explainer:
                return explainer.explain(published, step)
        except (NotPublishedError, ExplainError) as error:
            click.echo(f"genrecast explain: {error}", err=True)
            sys.exit(EXIT_FAILED)


@contextmanager
def _explainer(settings: Settings) -> "Iterator[Explainer]":
    from consumer.explaining import Explainer
    from state.redis_models import RedisModels
    from state.redis_store import RedisStore

    store, models = RedisStore.connect(settings), RedisModels.connect(settings)
    try:
        yield Explainer(settings, store, models)
    finally:
        store.close()
        models.close()


def _draw(found: Explanation, path: Path) -> None:
    from model.explanation_figure import plot_explanation

    try:
        plot_explanation(found, path)
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}") from None


def _answer() -> None:
    """Answer requests on standard input: `genrecast serve` asks."""
    from consumer.explain_requests import answer_requests, read_settings

    lines = sys.stdin.buffer
    first = lines.readline()
    if not first:
        return
    with _explainer(read_settings(first)) as explainer:
        answer_requests(iter(lines.readline, b""), sys.stdout.buffer, explainer.explain)
