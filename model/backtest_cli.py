"""`genrecast backtest`. TensorFlow is imported when it runs, not before."""

from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from contracts.options import with_settings
from contracts.settings import Settings
from model.artifact import ModelRefusedError
from model.backtest_run import METRICS_ENDING, run_backtest
from model.backtest_task import Asked, task_of
from model.command_parts import ModelCommandError, interruptible, parse_duration
from model.forecast_file import FORECAST_ENDINGS
from model.splits import SplitError

_TABLE_COLUMNS: Final = 120
"""Columns of the tables where no terminal says how wide it is."""


class _Origins(click.ParamType[int | Path]):
    """A number of origins, or a file of splits."""

    name = "COUNT|FILE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Path:
        if isinstance(value, int | Path):
            return value
        text = str(value).strip()
        if not text.lstrip("-").isdecimal():
            return Path(text)
        if not 1 <= int(text) <= 1_000_000:
            self.fail("must be between 1 and 1,000,000, or a file of splits", param, ctx)
        return int(text)


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
    help="Bucket length, such as 5m or 1h; else that of the splits, or --bucket-seconds.",
)
@click.option(
    "--origins",
    type=_Origins(),
    default=200,
    show_default=True,
    help="About how many origins in the latest --share of buckets; or a file of splits (JSON).",
)
@click.option("--dataset", metavar="NAME", help="Data set in the splits; else the data file's.")
@click.option(
    "--share",
    type=click.FloatRange(0.01, 0.95),
    default=0.15,
    show_default=True,
    help="Share of the latest buckets that is scored, with a number of origins.",
)
@click.option(
    "--model",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Score this trained model as it is.",
)
@click.option("--as-shipped", is_flag=True, help="Score the shipped model as it is.")
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=None,
    help="Epochs of fine-tuning; as many as the data are worth when not given.",
)
@click.option(
    "--save-model",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the fine-tuned model here.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Forecasts: .parquet or .csv, with a .timing.csv beside it. Metrics: .json.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Report with plots (.html); beside --out when not named.",
)
@with_settings("bucket_seconds", "horizon", "quantiles", "window_buckets")
@interruptible
def backtest(*, settings: Settings, **options: Any) -> None:  # noqa: ANN401 (see Asked)
    """Score a model on history, rolling origin, by the code that runs live.

    The shipped model is fine-tuned on the buckets up to the first origin, then frozen and
    advanced bucket by bucket. Seasonal naive and the baseline run beside it.

    \b
    Examples:
      genrecast backtest --data counts.parquet --bucket 1h --horizon 24
      genrecast backtest --data counts.parquet --origins splits.json --out forecasts.parquet
      genrecast backtest --data clicks.csv.gz --bucket 5m --model models/today --out scores.json
    """  # noqa: D301 (click reads the control character)
    asked = Asked(**options)
    _check(asked)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_TABLE_COLUMNS)
    try:
        run_backtest(console, task_of(asked, settings, console), asked)
    except (ModelRefusedError, SplitError, ValueError) as error:
        raise ModelCommandError(str(error)) from None
    except OSError as error:
        raise ModelCommandError(f"{error.filename}: cannot be written: {error.strerror}") from None


def _check(asked: Asked) -> None:
    """Refuse what could not be done or written, before the work rather than after."""
    if asked.model is not None and asked.as_shipped:
        raise click.UsageError("--model and --as-shipped: name one of them")
    if asked.out is not None and asked.out.suffix not in (*FORECAST_ENDINGS, METRICS_ENDING):
        raise click.UsageError(f"--out {asked.out}: must end in .parquet, .csv or .json")
    for path in (asked.out, asked.report):
        if path is not None and not path.parent.is_dir():
            raise ModelCommandError(f"{path}: there is no directory {path.parent}")
