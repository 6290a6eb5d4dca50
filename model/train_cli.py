"""`genrecast train`. TensorFlow is imported when it runs, not before."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click
from rich.console import Console

from contracts.options import with_settings
from contracts.settings import Settings
from model.artifact import Manifest, ModelRefusedError, load_artifact
from model.backtest import BacktestPlan
from model.command_parts import (
    ModelCommandError,
    history_from_file,
    interruptible,
    metrics_table,
    progress_bar,
)
from model.history import History
from model.registry import SHIPPED_DIRECTORY
from model.shape import Architecture, default_sizes

if TYPE_CHECKING:
    from model.fit import FitPlan

SIMULATED_SIZES: Final = (
    (60, 20_000, 8),
    (60, 4000, 50),
    (300, 9000, 25),
    (600, 4500, 40),
    (900, 3800, 50),
    (1800, 3500, 50),
    (3600, 3000, 80),
)
"""Bucket seconds, buckets and series of the simulated histories: weeks of most, days of minutes."""

LEAST_HORIZON: Final = 24
"""Models are trained for at least so many steps; serving takes as many of them as it needs."""


@click.command()
@click.option(
    "--from-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Click events or counts: .csv, .jsonl, .parquet.",
)
@click.option("--from-topic", is_flag=True, help="The retained clicks topic.")
@click.option("--from-redis", is_flag=True, help="The windows in Redis.")
@click.option(
    "--from-simulated",
    is_flag=True,
    help="Simulated series of six bucket lengths, as the shipped model.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to write the model.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=None,
    help="Epochs of 25 batches; 30 from scratch, else as many as the data are worth.",
)
@click.option(
    "--head",
    type=click.Choice(["quantile", "point"]),
    default="quantile",
    show_default=True,
    help="point: one output, squared error, for comparison.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights and batches.")
@click.option(
    "--series",
    type=click.IntRange(1, 1000),
    default=40,
    show_default=True,
    help="Series per bucket length, with --from-simulated.",
)
@click.option(
    "--from",
    "start",
    metavar="pretrained|scratch|DIR",
    default="pretrained",
    show_default=True,
    help="Go on from the shipped model, from nothing, or from a model of yours.",
)
@click.option(
    "--architecture",
    type=click.Choice(["lstm", "transformer"]),
    default=None,
    help="What reads the buckets; that of the model that training goes on from when not given."
    " No Transformer ships: without --from DIR it begins with nothing.",
)
@click.option("--register", is_flag=True, help="Make it the deployment's candidate: in shadow.")
@with_settings()
@click.pass_context
@interruptible
def train(
    ctx: click.Context,
    /,
    *,
    settings: Settings,
    out: Path,
    epochs: int | None,
    head: str,
    seed: int,
    start: str,
    architecture: Architecture | None,
    **sources: object,
) -> None:
    """Train a model and score it on the latest 15 % of buckets, which it has not seen.

    Writes weights.npz, manifest.json, loss.png and forecasts.png. Serve it with --model-dir DIR.

    \b
    Examples:
      genrecast train --from-topic --out models/today --register
      genrecast train --from-file clicks.csv.gz --bucket-seconds 3600 --horizon 24 --out models/a
      genrecast train --from-topic --from models/today --out models/tomorrow
      genrecast train --from-simulated --from scratch --epochs 5 --out models/try
      genrecast train --from-topic --architecture transformer --out models/attentive
    """  # noqa: D301 (click reads the control character)
    put: Callable[[Settings, Path], str] | None = (ctx.obj or {}).get("register")
    register, series = bool(sources.pop("register")), cast("int", sources.pop("series"))
    if register and put is None:
        raise ModelCommandError("--register works in `genrecast train` only")
    begin = _start(start, architecture)
    histories, source = _histories(ctx, settings, sources, series=series, seed=seed)
    # TensorFlow takes seconds to import: only after the histories are known to be good.
    from model.fit import FitPlan
    from model.plans import TrainingPlan, fine_tuning, levels_to_train

    if begin is None:
        training = TrainingPlan(settings.quantiles, epochs=epochs or 30, seed=seed)
    else:
        training = fine_tuning(
            histories, levels_to_train(begin, settings.quantiles), epochs=epochs, seed=seed
        )
    plan = FitPlan(
        training=training,
        horizon=max(settings.horizon, LEAST_HORIZON),
        head="point" if head == "point" else "quantile",
        window_buckets=settings.window_buckets,
        source=source,
        start=begin,
        core=None if begin else default_sizes(architecture or "lstm"),
    )
    console = Console()
    manifest = _fit_and_draw(histories, plan, out, console)
    rows = {manifest.model_version: manifest.metrics, "seasonal naive": manifest.naive_metrics}
    console.print(metrics_table(rows))
    console.print(f"wrote {out}: weights.npz, manifest.json, loss.png, forecasts.png")
    if register and put is not None:
        console.print(f"{put(settings, out)} is the candidate")


def _start(name: str, architecture: Architecture | None) -> Path | None:
    """Return the directory of the model that training goes on from; None to begin with nothing."""
    if name == "scratch" or (name == "pretrained" and architecture == "transformer"):
        return None
    directory = SHIPPED_DIRECTORY if name == "pretrained" else Path(name)
    if not directory.is_dir():
        raise click.UsageError(f"--from: {name} is no directory, nor pretrained or scratch")
    if architecture is None:
        return directory
    try:
        found = load_artifact(directory).manifest.architecture
    except ModelRefusedError as error:
        raise ModelCommandError(str(error)) from None
    if found != architecture:
        raise click.UsageError(f"--architecture: the model in {name} is of another, {found}")
    return directory


def _histories(
    ctx: click.Context,
    settings: Settings,
    sources: dict[str, object],
    *,
    series: int,
    seed: int,
) -> tuple[list[History], str]:
    """Return the histories of the one source that was named, and its name."""
    named = [name.removeprefix("from_") for name, value in sources.items() if value]
    if len(named) != 1:
        raise click.UsageError(
            "name one source: --from-file FILE, --from-topic, --from-redis or --from-simulated"
        )
    if named[0] == "simulated":
        from model.synthetic import simulate_history

        histories = [
            simulate_history(
                seed, bucket_seconds=size, bucket_count=count, genre_count=min(series, most)
            )
            for size, count, most in SIMULATED_SIZES
        ]
        return histories, f"simulated, seed {seed}"
    path = sources["from_file"]
    if isinstance(path, Path):
        history = history_from_file(path, settings.bucket_seconds)
        return [history.with_holidays(settings.holidays_ms)], f"file {path.name}"
    load: Callable[[Settings], History] | None = (ctx.obj or {}).get(named[0])
    if load is None:
        raise ModelCommandError(f"--from-{named[0]} works in `genrecast train` only")
    history = load(settings)
    if not len(history.starts_ms) or not history.names:
        raise ModelCommandError(f"there are no closed buckets to train on ({named[0]})")
    return [history.with_holidays(settings.holidays_ms)], named[0]


def _fit_and_draw(
    histories: list[History], plan: "FitPlan", out: Path, console: Console
) -> Manifest:
    from model.fit import fit
    from model.network_forecaster import NetworkForecaster
    from model.plots import plot_forecasts, plot_losses

    with progress_bar(console) as bar:
        task = bar.add_task("training", total=plan.training.epochs, note="")

        def note(epoch: int, loss: float) -> None:
            bar.update(task, completed=epoch, note=f"loss {loss:.4f}")

        try:
            fitted = fit(histories, plan, out, note)
        except ValueError as error:
            raise ModelCommandError(str(error)) from None
    manifest = fitted.artifact.manifest
    plot_losses(fitted.losses, out / "loss.png")
    forecaster = NetworkForecaster(fitted.artifact, plan.horizon, manifest.quantiles)
    drawn = histories[-1]
    last_row = len(drawn.starts_ms) - plan.horizon - 1
    plot_forecasts(
        drawn,
        forecaster,
        BacktestPlan(last_row, window_buckets=plan.window_buckets),
        out / "forecasts.png",
    )
    return manifest
