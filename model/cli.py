"""`genrecast train` and `genrecast backtest`. TensorFlow is imported when they run, not before."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from contracts.options import load_settings, with_settings
from contracts.settings import Settings
from model.artifact import Manifest, ModelRefusedError, TrainMetrics
from model.backtest import BacktestPlan, BacktestResult, held_out_plan
from model.backtest import backtest as run_backtest
from model.history import History
from model.loading import HistoryError, load_history
from model.registry import SHIPPED_DIRECTORY, load_forecaster
from model.scores import Metrics

if TYPE_CHECKING:
    from model.fit import FitPlan

SIMULATED_SIZES: Final = (
    (60, 4000),
    (300, 3500),
    (600, 3200),
    (900, 3000),
    (1800, 2800),
    (3600, 2600),
)
"""Bucket seconds and buckets per simulated history: enough for two days or more of each."""

LEAST_HORIZON: Final = 24
"""Models are trained for at least so many steps; serving takes as many of them as it needs."""

_METRIC_HEADS: Final = {
    "mse": "MSE",
    "mae": "MAE",
    "mase": "MASE",
    "wql": "WQL",
    "coverage": "coverage",
}


class ModelCommandError(click.ClickException):
    """What was asked cannot be done: one clear sentence, exit status 1."""


def parse_duration(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Turn `90s`, `5m`, `1h`, `1d` or plain seconds into seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd]?)", text.strip())
    if match is None or int(match[1]) == 0:
        raise click.BadParameter("must be such as 300, 5m, 1h or 1d", context, option)
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


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
    default=30,
    show_default=True,
    help="Epochs of 25 batches.",
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
@click.option("--fresh", is_flag=True, help="Begin anew, not from the shipped model's weights.")
@with_settings()
@click.pass_context
def train(
    ctx: click.Context,
    /,
    *,
    settings: Settings,
    out: Path,
    epochs: int,
    head: str,
    seed: int,
    series: int,
    fresh: bool,
    **sources: object,
) -> None:
    """Train a model and score it on the latest 15 % of buckets, which it has not seen.

    Writes weights.npz, manifest.json, loss.png and forecasts.png. Serve it with --model-dir DIR.

    \b
    Examples:
      genrecast train --from-topic --out models/today
      genrecast train --from-file clicks.csv.gz --bucket-seconds 3600 --horizon 24 --out models/a
      genrecast train --from-simulated --epochs 5 --out models/try
    """  # noqa: D301 (click reads the control character)
    histories, source = _histories(ctx, settings, sources, series=series, seed=seed)
    # TensorFlow takes seconds to import: only after the histories are known to be good.
    from model.fit import FitPlan
    from model.training import TrainingPlan

    plan = FitPlan(
        training=TrainingPlan(levels=settings.quantiles, epochs=epochs, seed=seed),
        horizon=max(settings.horizon, LEAST_HORIZON),
        head="point" if head == "point" else "quantile",
        window_buckets=settings.window_buckets,
        source=source,
        start=None if fresh else SHIPPED_DIRECTORY,
    )
    console = Console()
    manifest = _fit_and_draw(histories, plan, out, console)
    console.print(metrics_table(manifest.metrics, manifest.naive_metrics, manifest.model_version))
    console.print(f"wrote {out}: weights.npz, manifest.json, loss.png, forecasts.png")


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
            simulate_history(seed, bucket_seconds=size, bucket_count=count, genre_count=series)
            for size, count in SIMULATED_SIZES
        ]
        return histories, f"simulated, seed {seed}"
    path = sources["from_file"]
    if isinstance(path, Path):
        return [_from_file(path, settings.bucket_seconds)], f"file {path.name}"
    load: Callable[[Settings], History] | None = (ctx.obj or {}).get(named[0])
    if load is None:
        raise ModelCommandError(f"--from-{named[0]} works in `genrecast train` only")
    history = load(settings)
    if not len(history.starts_ms) or not history.names:
        raise ModelCommandError(f"there are no closed buckets to train on ({named[0]})")
    return [history], named[0]


def _from_file(path: Path, bucket_seconds: int) -> History:
    try:
        return load_history(path, bucket_seconds)
    except HistoryError as error:
        raise ModelCommandError(str(error)) from None


def _fit_and_draw(
    histories: list[History], plan: "FitPlan", out: Path, console: Console
) -> Manifest:
    from model.fit import fit
    from model.lstm import LstmForecaster
    from model.plots import plot_forecasts, plot_losses

    with _progress_bar(console) as bar:
        task = bar.add_task("training", total=plan.training.epochs, note="")

        def note(epoch: int, loss: float) -> None:
            bar.update(task, completed=epoch, note=f"loss {loss:.4f}")

        try:
            fitted = fit(histories, plan, out, note)
        except ValueError as error:
            raise ModelCommandError(str(error)) from None
    manifest = fitted.artifact.manifest
    plot_losses(fitted.losses, out / "loss.png")
    forecaster = LstmForecaster(fitted.artifact, plan.horizon, manifest.quantiles)
    drawn = histories[-1]
    last_row = len(drawn.starts_ms) - plan.horizon - 1
    plot_forecasts(
        drawn,
        forecaster,
        BacktestPlan(last_row, window_buckets=plan.window_buckets),
        out / "forecasts.png",
    )
    return manifest


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Click events or counts: .csv, .jsonl, .parquet.",
)
@click.option(
    "--bucket",
    callback=parse_duration,
    metavar="LENGTH",
    help="Bucket length, such as 5m or 1h; --bucket-seconds otherwise.",
)
@click.option(
    "--model",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="A trained model; the shipped one otherwise.",
)
@click.option(
    "--share",
    type=click.FloatRange(0.01, 0.95),
    default=0.15,
    show_default=True,
    help="Share of the latest buckets that is scored.",
)
@click.option(
    "--origins",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="About how many origins in it.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the metrics as JSON.",
)
@with_settings("bucket_seconds", "horizon", "quantiles", "window_buckets")
def backtest(
    *,
    settings: Settings,
    data: Path,
    bucket: int | None,
    model: Path | None,
    share: float,
    origins: int,
    out: Path | None,
) -> None:
    """Score a model on history, rolling origin, by the code that runs live.

    \b
    Examples:
      genrecast backtest --data clicks.csv.gz --bucket 1h --horizon 24
      genrecast backtest --data counts.parquet --bucket 5m --model models/today --out scores.json
    """  # noqa: D301
    settings = _with_model(settings, bucket, model)
    history = _from_file(data, settings.bucket_seconds)
    console = Console()
    try:
        forecaster, reason = load_forecaster(settings)
        if reason is not None:
            console.print(f"[yellow]baseline[/]: {reason}")
        plan = held_out_plan(history, settings.horizon, share=share, origins=origins)
        plan = BacktestPlan(plan.first_row, plan.stride, settings.window_buckets)
        with _progress_bar(console) as bar:
            task = bar.add_task("backtest", total=None, note="")
            result = run_backtest(
                history,
                forecaster,
                plan,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (ModelRefusedError, ValueError) as error:
        raise ModelCommandError(str(error)) from None
    console.print(metrics_table(result.model, result.naive, forecaster.version))
    console.print(
        f"{result.origins} origins, {len(history.names)} series, {result.model.points} points"
    )
    if out is not None:
        _write_scores(out, result, forecaster.version)


def _with_model(settings: Settings, bucket: int | None, model: Path | None) -> Settings:
    changed: dict[str, object] = {"model_dir": model} if model is not None else {}
    if bucket is not None:
        changed["bucket_seconds"] = bucket
    # Built anew, not copied: the bucket must pass the settings' own checks.
    return load_settings(**(settings.model_dump() | changed))


def _write_scores(path: Path, result: BacktestResult, version: str) -> None:
    scores = {"model_version": version, "origins": result.origins}
    content = {**scores, "model": asdict(result.model), "naive": asdict(result.naive)}
    try:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelCommandError(f"{path}: cannot be written: {error.strerror}") from None


def _progress_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def metrics_table(
    model: Metrics | TrainMetrics, naive: Metrics | TrainMetrics, version: str
) -> Table:
    """Return the metrics of a model beside seasonal naive's."""
    table = Table(title="Held-out buckets")
    table.add_column("")
    for head in _METRIC_HEADS.values():
        table.add_column(head, justify="right")
    for name, metrics in ((version, model), ("seasonal naive", naive)):
        values = (getattr(metrics, key) for key in _METRIC_HEADS)
        table.add_row(name, *("-" if v is None else f"{v:,.4g}" for v in values))
    return table
