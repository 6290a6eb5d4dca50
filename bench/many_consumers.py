"""One Redis slot under the calls of 1,000 consumers of a topic with 4,096 partitions.

    python -m bench.many_consumers

The real scripts on a real Redis with an append-only file. One process makes the calls that the
consumers would make, each on a connection of its own, and a forecaster's; the counts are exact at
the end, or it fails. CPU is Redis's own (`INFO cpu`, user and system, all threads): with it fully
used the slot is full.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import click

from bench.drawing import write_plots
from bench.lab import START_MS, BenchError
from bench.machine import describe_machine
from bench.page import FOLDER, markdown
from bench.redis_load import FIRST_OFFSET, gather, written
from bench.redis_memory import memory_table
from bench.results import Cell, Part, Plot, Ratio, Results, Table, write_results
from bench.slot import CELLS, GENRES, Closings, Run, Slot, crowded, opened, slot
from stack.ports import HOST

RESULTS: Final = FOLDER / "many_consumers.json"
"""Figures of the last full run; `python -m bench.sizing` takes them into the sizing page."""

MEMBERS, PARTITIONS = 1_000, 4_096

TIMES: Final = 500
"""How often a single call is made."""

CLOSINGS: Final = 5
"""Buckets closed for the cost of closing."""

HOW: Final = (
    f"{MEMBERS:,} consumers share {PARTITIONS:,} partitions. Each reads where its own stand, then "
    f"applies a batch of {CELLS} (bucket, genre) cells to each of them, and begins again as "
    "soon as it is answered; a forecaster closes a bucket a turn. The calls are those of the "
    "store, byte for byte, on one connection per consumer; *full at* is how many of them one "
    "second of Redis's CPU takes (user and system, all threads), with a core of its own: wall time "
    "says nothing on a machine that is shared. Counts are compared with what was sent."
)


def calls_by_partitions(on: Slot, counts: Sequence[int]) -> Table:
    """Measure each call with ever more partitions: Redis's CPU, microseconds."""
    rows: list[tuple[Cell, ...]] = [
        (f"{count:,} partitions", *call_costs(on, count)) for count in counts
    ]
    columns = (
        "µs of Redis's CPU", "read, own partitions", "read, all", "idle lease",
        f"apply, {CELLS} cells", "seal, nothing due", "seal, a bucket closes", "commit",
    )  # fmt: skip
    return Table("One call, by partitions of the topic", columns, tuple(rows))


def call_costs(on: Slot, partitions: int) -> tuple[float, ...]:
    """Return the cost of each call of a deployment with so many partitions."""
    settings = on.settings(f"calls-{partitions}")
    store = opened(settings, partitions)
    shape = (min(MEMBERS, partitions), partitions)
    own = range(-(-partitions // MEMBERS))
    asked = (
        (lambda one: one.read_progress(own), TIMES),
        (lambda one: one.read_progress(), TIMES // 10),
        (lambda one: one.renew_idle(0, FIRST_OFFSET, 0), TIMES),
    )  # fmt: skip
    reading, *others = (on.cost_of(written(settings, ask), times) for ask, times in asked)
    crowd, clock = gather(settings, (HOST, on.server.port), shape, CELLS, GENRES)
    closings, applies = Closings(on, store, partitions), []
    with crowd:
        for number in range(CLOSINGS + 1):
            clock.start_ms = START_MS + number * settings.bucket_ms
            with on.counted() as spent:
                crowd.take_turn()
            applies.append((spent[0] - reading * shape[0]) / partitions)
            closings.close_next()
        waiting = on.cost_of(
            written(
                settings,
                lambda one: one.seal(
                    partition_count=partitions, now_ms=0, expect_published_ms=closings.published_ms
                ),
            ),
            TIMES // 10,
        )
    store.close()
    medians = map(statistics.median, (applies, [waiting], closings.seals, closings.commits))
    return (reading, *others, *medians)


def crowds(on: Slot) -> tuple[Table, dict[str, Run]]:
    """Measure the whole crowd, with larger batches, and as it is when members read all."""
    shape = (MEMBERS, PARTITIONS)
    runs = {
        f"{cells} cells a batch": crowded(on, f"crowd-{cells}", shape, cells=cells)
        for cells in (1, 10, 100)
    }
    everything = f"{CELLS} cells a batch, each member reads all partitions"
    runs[everything] = crowded(on, "crowd-all", shape, reads_all=True)
    rows = tuple(
        (
            name, run.full_at, run.batches / run.cpu_seconds, 1e6 / run.full_at,
            run.calls_a_turn / run.full_at, run.closing_ms,
        )
        for name, run in runs.items()
    )  # fmt: skip
    columns = (
        f"{MEMBERS:,} consumers, {PARTITIONS:,} partitions", "full at, calls/s",
        "of them batches/s", "µs of Redis's CPU a call", "a turn of all, s of Redis's CPU",
        "closing a bucket, ms of Redis's CPU",
    )  # fmt: skip
    return Table("The crowd", columns, rows), runs


def spread_out(counts: Sequence[int]) -> Table:
    """Measure the same crowd as several deployments, each on a Redis of its own, or all on one."""
    rows: list[tuple[Cell, ...]] = []
    for count in counts:
        shape = (MEMBERS // count, PARTITIONS // count)
        with slot() as on:
            alone = crowded(on, "alone", shape)
        with slot() as on:
            each = [crowded(on, f"one-{n}", shape) for n in range(count)]
        together = sum(run.calls for run in each) / sum(run.cpu_seconds for run in each)
        apart = count * alone.full_at
        rows.append((f"{count} deployments", *shape, apart, together, alone.closing_ms))
    columns = (
        "", "consumers each", "partitions each", "full at, calls/s, a Redis each",
        "full at, calls/s, one Redis", "closing a bucket, ms of Redis's CPU",
    )  # fmt: skip
    return Table("The same crowd as several deployments", columns, tuple(rows))


def plot_of(table: Table) -> Plot:
    """Draw what `spread_out` found."""
    series = {
        name: tuple(
            (float(str(row[0]).split()[0]), float(row[at] or 0) / 1000) for row in table.rows
        )
        for name, at in (("a Redis each", 3), ("one Redis", 4))
    }
    title = "What fills Redis: the same crowd as one deployment or several"
    return Plot("lines", title, "deployments", "thousand calls/s", series, log="x")


def measure(counts: Sequence[int]) -> Part:
    """Measure everything."""
    began = time.monotonic()
    with slot() as on:
        told("one call at a time")
        calls = calls_by_partitions(on, counts)
    with slot() as on:
        told(f"{MEMBERS:,} members")
        crowd, runs = crowds(on)
    told("several deployments")
    apart = spread_out((1, 2, 4, 8))
    with slot() as on:
        told("memory")
        memory = memory_table(on.client, on.settings("memory"))
    usual, everything = runs[f"{CELLS} cells a batch"], list(runs.values())[-1]
    ratios = (
        Ratio("slot.full_at", "calls a second that fill one Redis slot", usual.full_at, "higher",
              is_ratio=False),
        Ratio("slot.own_over_all", "calls that fill it, members read their own partitions over all",
              usual.full_at / everything.full_at, "higher"),
        Ratio("slot.closing_ms", "closing a bucket of 4,096 partitions, ms of Redis's CPU",
              usual.closing_ms, "lower", is_ratio=False),
    )  # fmt: skip
    return Part(
        "many-consumers", "Many consumers", HOW, ratios, (calls, crowd, apart, memory),
        (plot_of(apart),), seconds=time.monotonic() - began,
    )  # fmt: skip


def told(text: str) -> None:
    """Say on stderr how far it is."""
    print(f"  … {text}", file=sys.stderr, flush=True)


@click.command()
@click.option("--keep", is_flag=True, help="Write the figures, the plot and the sizing page.")
def main(*, keep: bool) -> None:
    """Print what fills one Redis slot; exit 1 when counts are not exact."""
    try:
        part = measure((8, 64, 512, PARTITIONS))
    except BenchError as error:
        raise click.ClickException(str(error)) from None
    for table in part.tables:
        print(f"\n{table.title}\n\n{markdown(table)}")
    if keep:
        taken_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        part = replace(part, taken_at=taken_at)
        results = Results(describe_machine(), is_quick=False, parts={part.name: part})
        write_results(results, RESULTS)
        write_plots(results)


if __name__ == "__main__":
    main()
