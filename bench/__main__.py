"""The speed benchmark: `python -m bench`, or `make bench`."""

import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table as Shown

from bench import compare as comparing
from bench import sizing
from bench.drawing import write_plots
from bench.lab import SIZE_OF_HOUR, BenchError, Lab, services
from bench.machine import describe_machine
from bench.page import FOLDER, shown, write_pages
from bench.parts import PARTS, QUICK
from bench.results import Results, read_results, write_results
from bench.screen import Bars

RESULTS: Final = FOLDER / "results.json"
"""Figures of the last full run."""

QUICK_RESULTS: Final = Path("build/bench/quick.json")
"""Figures of the last quick run: they are for comparing only."""

EXIT_WORSE: Final = 1
EXIT_WRONG: Final = 3


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Beside it: python -m bench.dedup, bench.many_consumers, bench.memory, bench.page_load, "
        "bench.recommending, bench.simulate, bench.sizing, bench.step."
    ),
)
@click.option("--quick", is_flag=True, help="Small sizes, a few parts, under two minutes.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(PARTS)), help="Only this part; repeatable."
)
@click.option(
    "--hour", type=click.FloatRange(0.0001, 1.0), default=SIZE_OF_HOUR, show_default="1/72",
    metavar="SHARE", help="How much of an hour's outage at 20,000 events/s catchup works off.",
)  # fmt: skip
@click.option("--compare", is_flag=True, help="Compare with baseline.json; exit 1 when worse.")
@click.option(
    "--learn", type=click.IntRange(min=1), metavar="RUNS",
    help="Do so many quick runs and store their ratios and noise in baseline.json.",
)  # fmt: skip
@click.option("--page", is_flag=True, help="Measure nothing: write page and plots anew.")
@click.option("--kafka", metavar="HOST:PORT", help="With --redis: services that run already.")
@click.option("--redis", metavar="URL", help="By default both are started, and ended.")
def main(
    *,
    quick: bool,
    only: tuple[str, ...],
    hour: float,
    compare: bool,
    learn: int | None,
    page: bool,
    kafka: str | None,
    redis: str | None,
) -> None:
    """Measure ingest, latency, step, growth, scale-out, catch-up, subscribers, recommendations.

    A full run writes bench/results.json, bench/RESULTS.md and bench/plots, and the tables of
    docs/comparison.md. Parts given by --only replace those in the results. Quick runs are for
    --compare: they leave their figures in build/bench/quick.json only.

    \b
    Examples:
      python -m bench                       everything
      python -m bench --only ingest         one part, the others stay as they were
      python -m bench --quick --compare     ratios beside the stored ones, as CI does
      python -m bench --learn 5             store ratios and their noise anew
      python -m bench --only catchup --hour 0.1
    """  # noqa: D301 (click reads the control character)
    console = Console(stderr=True)
    if page:
        write_all(known_results(), console)
        return
    is_quick = quick or compare or learn is not None
    failed: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-bench-") as folder,
        services(kafka, redis, Path(folder)) as (kafka_at, redis_at),
    ):
        lab = Lab(kafka_at, redis_at, Path(folder), is_quick, hour)
        names = only or (QUICK if is_quick else tuple(PARTS))
        runs: list[Results] = []
        for _ in range(learn or 1):
            runs.append(run_parts(lab, names, console, failed))
            if learn is not None:
                # After each run: what an interrupted one has learned is kept.
                stored = comparing.learn([run.comparable for run in runs])
                comparing.write_stored(stored, describe_machine(), comparing.BASELINE)
                console.print(f"stored {len(stored)} ratios of {len(runs)} runs", highlight=False)
    show_ratios(runs[-1], Console())
    if is_quick:
        write_results(runs[-1], QUICK_RESULTS)
    else:
        write_all(runs[-1].merged_into(read_results(RESULTS), PARTS), console)
    if failed:
        sys.exit(EXIT_WRONG)
    if compare:
        sys.exit(0 if show_comparison(runs[-1], only, Console()) else EXIT_WORSE)


def run_parts(lab: Lab, names: tuple[str, ...], console: Console, failed: list[str]) -> Results:
    """Measure parts one after the other; note those that could not be measured."""
    machine, parts = describe_machine(), {}
    with Bars(console) as bars:
        lab.teller = bars
        for name in names:
            taken_at, began = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), time.monotonic()
            try:
                part = PARTS[name](lab)
            except BenchError as error:
                # What the other parts found is kept.
                console.print(f"bench: {name}: {error}", style="red", highlight=False)
                failed.append(name)
                continue
            parts[name] = replace(part, taken_at=taken_at, seconds=time.monotonic() - began)
    return Results(machine, lab.is_quick, parts)


def known_results() -> Results:
    """Return the results of the last full run.

    Raises:
        click.UsageError: There are none.
    """
    found = read_results(RESULTS)
    if found is None:
        raise click.UsageError(f"there are no results yet: {RESULTS}")
    return found


def write_all(results: Results, console: Console) -> None:
    """Write results, page, plots, and the comparison's tables."""
    write_results(results, RESULTS)
    write_pages(results)
    plots = write_plots(results)
    sizing.write()
    console.print(f"wrote {RESULTS}, RESULTS.md, {len(plots)} plots", highlight=False)


def show_ratios(results: Results, console: Console) -> None:
    """Print every ratio beside what is wanted of it."""
    table = Shown("", "measured", "wanted", "", "spread", box=None, pad_edge=False)
    for ratio in results.ratios.values():
        wanted = "" if ratio.wanted is None else shown(ratio.wanted)
        sign = "≥ " if ratio.better == "higher" else "≤ "
        mark = "" if ratio.wanted is None else "[green]✓" if ratio.is_held else "[red]✗"
        noise = "" if ratio.noise is None else f"{ratio.noise:.0%}"
        table.add_row(ratio.says, shown(ratio.value), wanted and sign + wanted, mark, noise)
    console.print(table)
    for part in results.parts.values():
        for name, reason in part.missing.items():
            console.print(f"not measured: {name}: {reason}", style="yellow", highlight=False)


def show_comparison(results: Results, only: tuple[str, ...], console: Console) -> bool:
    """Print the ratios beside the stored ones; return whether none is too much worse."""
    stored = {
        key: one
        for key, one in comparing.read_stored(comparing.BASELINE).items()
        if not only or key.split(".")[0] in only
    }
    compared = comparing.compare(results.comparable, stored)
    table = Shown("ratio", "now", "stored", "tolerance", "change", "", box=None, pad_edge=False)
    for one in compared:
        kept = one.stored
        table.add_row(
            one.key, shown(one.now), shown(kept.value) if kept else "",
            f"±{kept.tolerance:.0%}" if kept else "", f"{one.change:+.0%}" if kept else "",
            one.verdict,
        )  # fmt: skip
    console.print(table)
    return comparing.is_fine(compared)


if __name__ == "__main__":
    main()
