"""Running a backtest: the model chosen, rolled, scored, shown and written."""

import json
import math
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.backtest_task import Asked, Task, with_changes
from model.candidates import METHOD, Candidate, candidate_as_is, fine_tuned, model_directory
from model.command_parts import metrics_table, progress_bar, shown_number
from model.comparison import Comparison, Observer, compare
from model.forecast_file import FORECAST_ENDINGS, Timing, write_timing, writing_forecasts
from model.plans import fine_tuning
from model.report import METRIC_HEADS, FanKeeper, ReportContent, series_rows, write_report
from model.scores import Metrics

METRICS_ENDING: Final = ".json"
"""What the name of a file of metrics ends in."""

_MOST_SERIES_SHOWN: Final = 30
"""Series in the terminal's table, the busiest first; the report has them all."""

_SERIES_HEADS: Final = (
    "mean", "MASE", "RMSSE", "WQL", "coverage", "width", "naive WQL", "baseline WQL",
)  # fmt: skip


def run_backtest(console: Console, task: Task, asked: Asked) -> None:
    """Run the backtest, show its tables, write what was asked for.

    Raises:
        ModelRefusedError: When the model named is broken or does not fit.
        OSError: When something cannot be written.
    """
    candidate = _candidate(console, task, asked)
    out, report = asked.out, asked.report
    if candidate.baseline_reason is not None:
        console.print(f"[yellow]baseline[/]: {escape(candidate.baseline_reason)}")
    keeper = FanKeeper(task.history, task.plan.rows)
    comparison = _compared(console, task, candidate, keeper, out)
    _show(console, task, candidate, comparison)
    written = _write_beside(task, candidate, comparison, out)
    if report is None and out is not None:
        report = out.with_suffix(".html")
    if report is not None:
        content = ReportContent(
            split=task.split,
            history=task.history,
            comparison=comparison,
            fans=keeper.fans,
            model_version=candidate.forecaster.version,
            note=candidate.note,
            fit_seconds=candidate.fit_seconds,
            losses=candidate.losses,
        )
        write_report(report, content)
        written.append(report)
    if written:
        console.print("wrote " + ", ".join(escape(str(path)) for path in written))


def _candidate(console: Console, task: Task, asked: Asked) -> Candidate:
    if asked.model is not None:
        settings = with_changes(task.settings, model_dir=asked.model)
        return candidate_as_is(settings, METHOD, f"model {asked.model.name}, as it is")
    if asked.as_shipped:
        return candidate_as_is(task.settings, METHOD, "the shipped model, as it is")
    past = task.history.rows(0, task.train_rows)
    with progress_bar(console) as bar, model_directory(asked.save_model) as directory:
        levels = task.settings.quantiles
        epochs = fine_tuning([past], levels, epochs=asked.epochs).epochs
        shown = bar.add_task("fine-tuning", total=epochs, note="")

        def note(epoch: int, loss: float) -> None:
            bar.update(shown, completed=epoch, note=f"loss {loss:.4f}")

        try:
            return fine_tuned(
                past, task.settings, epochs=epochs, directory=directory, progress=note
            )
        except ValueError as error:
            reason = f"not fine-tuned: {error}"
    console.print(f"[yellow]{escape(reason)}[/]")
    return candidate_as_is(task.settings, METHOD, f"the shipped model, {reason}")


def _compared(
    console: Console, task: Task, candidate: Candidate, keeper: FanKeeper, out: Path | None
) -> Comparison:
    observers: list[Observer] = [keeper.keep]
    with ExitStack() as stack:
        if out is not None and out.suffix in FORECAST_ENDINGS:
            writer = stack.enter_context(
                writing_forecasts(
                    out,
                    task.split,
                    task.plan.rows,
                    candidate.forecaster.quantiles,
                    candidate.method,
                )
            )
            observers.append(writer.write)
        bar = stack.enter_context(progress_bar(console))
        shown = bar.add_task("backtest", total=None, note="")
        return compare(
            task.history,
            candidate.forecaster,
            task.plan,
            season=task.split.season,
            train_rows=task.train_rows,
            observers=observers,
            progress=lambda done, total: bar.update(shown, completed=done, total=total),
        )


def _show(console: Console, task: Task, candidate: Candidate, comparison: Comparison) -> None:
    rows = {
        candidate.forecaster.version: comparison.model.metrics(),
        "seasonal naive": comparison.naive.metrics(),
        "baseline": comparison.baseline.metrics(),
    }
    console.print(metrics_table(rows, METRIC_HEADS, f"{escape(task.split.name)}: overall"))
    listed = series_rows(comparison, task.history.names)
    table = Table(title=f"{escape(task.split.name)}: series")
    table.add_column("")
    for head in _SERIES_HEADS:
        table.add_column(head, justify="right")
    for name, values in listed[:_MOST_SERIES_SHOWN]:
        table.add_row(escape(name), *(shown_number(value) for value in values))
    console.print(table)
    if len(listed) > _MOST_SERIES_SHOWN:
        console.print(f"and {len(listed) - _MOST_SERIES_SHOWN:,} quieter series")
    console.print(
        f"{comparison.origins} origins, {len(task.history.names)} series,"
        f" {rows[candidate.forecaster.version].points} points;"
        f" one step of all series {1000 * comparison.median_step_seconds:.2f} ms (median)"
    )


def _write_beside(
    task: Task, candidate: Candidate, comparison: Comparison, out: Path | None
) -> list[Path]:
    """Write what belongs to `--out` once all is scored; return what is there then."""
    if out is None:
        return []
    if out.suffix == METRICS_ENDING:
        _write_metrics(out, task, candidate, comparison)
        return [out]
    timing = Timing(candidate.fit_seconds, comparison.median_step_seconds, candidate.note)
    return [out, write_timing(out, task.split, candidate.method, timing)]


def _write_metrics(path: Path, task: Task, candidate: Candidate, comparison: Comparison) -> None:
    def known(metrics: Metrics) -> dict[str, float | None]:
        # JSON has no NaN: what could not be measured is null.
        return {key: v if math.isfinite(v) else None for key, v in asdict(metrics).items()}

    content = {
        "model_version": candidate.forecaster.version,
        "dataset": task.split.name,
        "note": candidate.note,
        "origins": comparison.origins,
        "fit_seconds": candidate.fit_seconds,
        "step_seconds": comparison.median_step_seconds,
        "model": known(comparison.model.metrics()),
        "naive": known(comparison.naive.metrics()),
        "baseline": known(comparison.baseline.metrics()),
        "series": {
            name: known(metrics)
            for name, metrics in zip(task.history.names, comparison.model.per_series(), strict=True)
        },
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
