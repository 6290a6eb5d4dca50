"""`genrecast models`: the registry of models by hand."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from consumer.command_parts import EXIT_FAILED, one_message
from contracts.clock import wall_clock_ms
from contracts.moments import moment_text
from contracts.options import REDIS_CONNECTION, with_settings
from contracts.settings import Settings
from state.model_store import BUILT_IN, LiveFigures, ModelEntry, ModelStore, Notes, Registry

if TYPE_CHECKING:
    from rich.table import Table

WHERE: Final = ("app", *REDIS_CONNECTION)
"""Settings that say where the registry is."""

FITTING: Final = ("bucket_seconds", "horizon", "quantiles")
"""Settings that a model must fit."""

_HELD_OUT: Final = ("mase", "wql", "coverage")

_LIVE: Final = ("mase", "wql", "coverage", "skill")


@contextmanager
def _registry(settings: Settings) -> Iterator[ModelStore]:
    """Open the registry; end with one clear line when something can't be done."""
    from consumer.models import RegistryError
    from model.artifact import ModelRefusedError
    from state.redis_models import RedisModels

    models = RedisModels.connect(settings)
    try:
        with one_message("models"):
            yield models
    except (RegistryError, ModelRefusedError) as error:
        click.echo(f"genrecast models: {error}", err=True)
        sys.exit(EXIT_FAILED)
    finally:
        models.close()


@click.group("models")
def models_group() -> None:
    """Models in the deployment's registry: look, add, promote, go back.

    The champion publishes. A candidate forecasts the same buckets in shadow, unpublished. What is
    changed here takes effect between two buckets, without a restart. With GENRECAST_MODEL_DIR set
    a consumer ignores the registry.

    \b
    Examples:
      genrecast models add models/today
      genrecast models ls
      genrecast models promote lstm-0123456789ab
      genrecast models rollback
    """  # noqa: D301 (click reads the control character)


@models_group.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@with_settings(*WHERE)
def list_models(settings: Settings, *, as_json: bool) -> None:
    """List the versions: what each is, its held-out scores, how it does live.

    \b
    Examples:
      genrecast models ls
      genrecast models ls --json | jq .champion
    """  # noqa: D301
    with _registry(settings) as models:
        registry, notes = models.read(), models.read_notes()
    if as_json:
        versions = [describe(entry, registry, notes) for entry in registry.entries.values()]
        click.echo(json.dumps({**_pointers(registry), "versions": versions}, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    if registry.champion == BUILT_IN:
        console.print(f"the {BUILT_IN} model publishes")
    if registry.entries:
        console.print(_table(registry, notes))
    else:
        console.print("no models yet: genrecast models add DIR")
    if notes.retrain is not None:
        asked = moment_text(notes.retrain.asked_at)
        console.print(f"retraining is asked for since {asked}: {escape(notes.retrain.reason)}")


@models_group.command("show")
@click.argument("version")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write its files there: a backup, or for --model-dir.",
)
@with_settings(*WHERE)
def show(settings: Settings, *, version: str, as_json: bool, out: Path | None) -> None:
    """Show one version; with --out, write its files.

    \b
    Examples:
      genrecast models show lstm-0123456789ab
      genrecast models show lstm-0123456789ab --out backup/
    """  # noqa: D301
    from consumer.models import RegistryError, check_model, write_model

    with _registry(settings) as models:
        registry, notes = models.read(), models.read_notes()
        entry = registry.entries.get(version)
        if entry is None:
            known = ", ".join(registry.entries) or "none"
            raise RegistryError(f"there is no model {version!r}; there are: {known}")
        if out is not None:
            files = models.read_bytes(version)
            if files is None:
                raise RegistryError(f"the files of {version} are not in the registry")
            check_model(version, files)
            write_model(files, out)
    told = describe(entry, registry, notes)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        from rich.console import Console

        Console(highlight=False).print(_details(told))
    if out is not None:
        click.echo(f"wrote {out}: weights.npz, manifest.json", err=as_json)


@models_group.command("add")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@with_settings(*WHERE, *FITTING)
def add(settings: Settings, *, directory: Path) -> None:
    """Check a trained model and register it as the candidate: it begins to run in shadow.

    A broken model is refused, and what is wrong with it named; so is one for other buckets or
    fewer steps than the deployment's.

    \b
    Example:
      genrecast models add models/today
    """  # noqa: D301
    from consumer.models import add_model

    with _registry(settings) as models:
        entry = add_model(models, directory, settings, wall_clock_ms())
    click.echo(f"{entry.version} is the candidate")


@models_group.command("promote")
@click.argument("version")
@with_settings(*WHERE)
def promote_version(settings: Settings, *, version: str) -> None:
    """Have a version publish, from the next bucket on (`built-in`: the shipped model).

    One that does not run in shadow yet is made ready first and publishes some buckets later.

    \b
    Example:
      genrecast models promote lstm-0123456789ab
    """  # noqa: D301
    from consumer.models import promote

    with _registry(settings) as models:
        registry = promote(models, version, wall_clock_ms())
    click.echo(f"{registry.champion} is the champion, {registry.previous} was before it")


@models_group.command("rollback")
@with_settings(*WHERE)
def rollback(settings: Settings) -> None:
    """Go back to the champion before this one; a second time goes forward again.

    Within GENRECAST_ROLLBACK_SECONDS of the promotion its forecasts go on as if it had never been
    away; later it is warmed over the windows first.

    \b
    Example:
      genrecast models rollback
    """  # noqa: D301
    from consumer.models import roll_back

    with _registry(settings) as models:
        registry = roll_back(models, wall_clock_ms())
    click.echo(f"{registry.champion} is the champion, {registry.previous} was before it")


@models_group.command("retire")
@click.argument("version")
@with_settings(*WHERE)
def retire_version(settings: Settings, *, version: str) -> None:
    """Take a candidate or a former champion out of use.

    \b
    Example:
      genrecast models retire lstm-0123456789ab
    """  # noqa: D301
    from consumer.models import retire

    with _registry(settings) as models:
        retire(models, version)
    click.echo(f"{version} is retired")


def describe(entry: ModelEntry, registry: Registry, notes: Notes) -> dict[str, Any]:
    """Return all that is known of a version as plain values."""
    figures = notes.figures.get(entry.version)
    live = None
    if figures is not None:
        live = {
            **figures.model_dump(exclude={"model_version", "drift"}),
            "wql": figures.wql,
            "champion_wql": figures.champion_wql,
        }
    status = registry.status_of(entry.version)
    return {"status": status, **entry.model_dump(), "live": live}


def _pointers(registry: Registry) -> dict[str, Any]:
    return {
        "champion": registry.champion,
        "candidate": registry.candidate,
        "previous": registry.previous,
        "moved_at": registry.moved_at_ms or None,
    }


def _table(registry: Registry, notes: Notes) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("version", no_wrap=True)
    for head in ("architecture", "status", "registered"):
        table.add_column(head)
    heads = ("held-out WQL", "live WQL", "live coverage", "shadow buckets", "beside champion")
    for head in heads:
        table.add_column(head, justify="right")
    for entry in sorted(registry.entries.values(), key=lambda e: -e.registered_at):
        figures = notes.figures.get(entry.version, LiveFigures())
        table.add_row(
            entry.version,
            escape(entry.architecture) or "-",
            registry.status_of(entry.version),
            moment_text(entry.registered_at),
            _number(entry.metrics.get("wql")),
            _number(figures.rolling.get("wql")),
            _number(figures.rolling.get("coverage")),
            str(figures.buckets) if figures.buckets else "-",
            _beside(figures),
        )
        reason = entry.refused or figures.suspended
        if reason:
            table.add_row("", f"[dim]{escape(reason)}[/]", end_section=True)
    return table


def _details(told: dict[str, Any]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    live = told["live"] or {}
    rows = {
        "version": told["version"],
        "architecture": told["architecture"] or "-",
        "status": told["status"],
        "refused": told["refused"] or "-",
        "registered": moment_text(told["registered_at"]),
        "trained on": told["source"] or "-",
        **{f"held-out {name}": _number(told["metrics"].get(name)) for name in _HELD_OUT},
        **{f"live {name}": _number(live.get("rolling", {}).get(name)) for name in _LIVE},
        "shadow buckets": str(live.get("buckets") or "-"),
        "shadow WQL": f"{_number(live.get('wql'))}, champion {_number(live.get('champion_wql'))}",
        "suspended": live.get("suspended") or "-",
    }
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", escape(value))
    return table


def _beside(figures: LiveFigures) -> str:
    """Return a candidate's loss beside the champion's, as a difference."""
    if not figures.champion_loss:
        return "-"
    return f"{figures.loss / figures.champion_loss - 1:+.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"
