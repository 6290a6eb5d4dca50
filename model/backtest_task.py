"""What a backtest runs on: the buckets, the origins, the settings, from what was asked."""

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from contracts.options import load_settings
from contracts.settings import Settings
from model.backtest import BacktestPlan
from model.candidates import backtest_levels
from model.command_parts import history_from_file
from model.history import History
from model.splits import (
    Split,
    SplitError,
    data_set_name,
    fit_to_split,
    held_out_split,
    missing_from,
    read_split,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `genrecast backtest`, see there."""

    data: Path
    bucket: int | None
    origins: int | Path
    dataset: str | None
    share: float
    model: Path | None
    as_shipped: bool
    epochs: int | None
    save_model: Path | None
    out: Path | None
    report: Path | None


@dataclass(frozen=True, slots=True)
class Task:
    """What to run.

    Attributes:
        history: The buckets, of exactly the split's series.
        split: The origins; its series are named.
        settings: Bucket length, horizon and levels of the run.
        plan: The origins as rows.
    """

    history: History
    split: Split
    settings: Settings
    plan: BacktestPlan

    @property
    def train_rows(self) -> int:
        """Buckets up to and including the last that training may see."""
        first_ms = int(self.history.starts_ms[0])
        return (self.split.train_end_ms - first_ms) // self.history.bucket_ms + 1


def with_changes(settings: Settings, **changes: object) -> Settings:
    """Return the settings with some changed."""
    # Built anew, not copied: every value must pass the settings' own checks.
    return load_settings(Settings, **(settings.model_dump() | changes))


def task_of(asked: Asked, settings: Settings, console: Console) -> Task:
    """Return what to run; what is unusual about it is said on the console.

    Raises:
        ModelCommandError: When the data are no history.
        SplitError: When the file of splits does not fit.
        ValueError: When the history is too short.
    """
    if isinstance(asked.origins, Path):
        split = read_split(asked.origins, asked.data, asked.dataset)
        settings = _settings_of_split(asked, settings, split, console)
        return _task_of_split(asked, settings, split, console)
    settings = with_changes(
        settings,
        bucket_seconds=asked.bucket or settings.bucket_seconds,
        quantiles=backtest_levels(settings.quantiles),
    )
    history = history_from_file(asked.data, settings.bucket_seconds)
    history = history.with_holidays(settings.holidays_ms)
    name = asked.dataset or data_set_name(asked.data)
    split = held_out_split(
        history, name, settings.horizon, share=asked.share, origins=asked.origins
    )
    return Task(history, split, settings, split.plan(history, settings.window_buckets))


def _settings_of_split(
    asked: Asked, settings: Settings, split: Split, console: Console
) -> Settings:
    seconds = asked.bucket
    if seconds is None and "bucket_seconds" not in settings.model_fields_set:
        seconds = split.bucket_seconds
    seconds = seconds or settings.bucket_seconds
    if split.bucket_seconds not in (None, seconds):
        raise SplitError(
            f"{split.name}: its buckets have {split.bucket_seconds} s, not {seconds} s"
        )
    if "horizon" in settings.model_fields_set and settings.horizon != split.horizon:
        console.print(
            f"[yellow]{escape(split.name)} is scored to step {split.horizon},"
            f" not {settings.horizon}[/]"
        )
    return with_changes(
        settings,
        bucket_seconds=seconds,
        horizon=split.horizon,
        quantiles=backtest_levels(settings.quantiles),
    )


def _task_of_split(asked: Asked, settings: Settings, split: Split, console: Console) -> Task:
    loaded = history_from_file(asked.data, settings.bucket_seconds)
    absent, buckets = missing_from(loaded, split)
    if absent:
        listed = escape(", ".join(absent[:5]))
        console.print(f"[yellow]{len(absent)} series have no row, counted as 0[/]: {listed}")
    if buckets:
        console.print(f"[yellow]{buckets} buckets after the last row count as 0[/]")
    history = fit_to_split(loaded, split).with_holidays(settings.holidays_ms)
    split = replace(split, series=history.names)
    return Task(history, split, settings, split.plan(history, settings.window_buckets))
