"""Catch-up: an outage's events are worked off at once, with forecasts, in bounded memory."""

import statistics
from typing import Final

from bench.consumers import SESSION_SECONDS, Members, MemorySeries, Slice
from bench.filling import Shape, fill
from bench.lab import START_MS, Lab
from bench.results import Part, Plot, Ratio, Table

EVENTS_PER_HOUR: Final = 20_000 * 3600
"""An hour's outage at 20,000 events a second."""

HOUR_MS: Final = 3_600_000
PARTITIONS: Final = 8
WANTED_MEMORY: Final = 1.15
"""How many times the peak of a quarter the peak of the whole may be."""


def how(share: float) -> str:
    """Say what was measured, with the size that was taken."""
    return (
        f"A consumer is stopped while an hour of event time piles up, {share * 20_000:,.0f} events "
        f"a second of it: {share * EVENTS_PER_HOUR:,.0f} events, {share:.3g} of an hour's outage "
        "at 20,000 events a second (`--hour 1` takes all of it). It goes on and works it off, all "
        "60 one-minute buckets forecast and published on the way; before that, the same with a "
        "quarter of the events. Memory is resident memory, every 0.2 s: bounded means that four "
        "times the backlog takes no more. Real time is how many seconds of an outage at "
        "20,000 events a second one second works off, by wall time, the broker on the same cores."
    )


def measure(lab: Lab) -> Part:
    """Measure the catch-up after a quarter, then after the whole."""
    events = int(lab.pick(lab.hour, 1 / 360) * EVENTS_PER_HOUR)
    lab.expect("catchup", 2)
    options = {"bucket_seconds": 60, "session_timeout_seconds": SESSION_SECONDS}
    with lab.deployment(partitions=PARTITIONS, **options) as d:
        members = Members(d, 1)
        members.wait_for_model()
        fill(lab.kafka, d.settings.topic_clicks, Shape(20_000, start_ms=START_MS, span_ms=120_000))
        members.wait_for_buckets(1)
        found = []
        for number, size in enumerate((events // 4, events)):
            lab.step(f"an outage of {size:,} events")
            start_ms = START_MS + HOUR_MS * (number + 1)
            shape = Shape(size, start_ms=start_ms, span_ms=HOUR_MS - 60_000)
            found.append(_work_off(lab, members, shape))
        members.close()
    return _part(found, events / EVENTS_PER_HOUR)


def _work_off(lab: Lab, members: Members, shape: Shape) -> tuple[Slice, MemorySeries]:
    series = MemorySeries(members.processes[0])

    def pile_up() -> None:
        fill(lab.kafka, members.settings.topic_clicks, shape)
        series.__enter__()

    slice_ = members.piled_up(pile_up)
    # All but the buckets that only later events close.
    last_ms = shape.start_ms + shape.span_ms - 2 * members.settings.bucket_ms
    members.wait_for_published(last_ms - last_ms % members.settings.bucket_ms)
    series.__exit__()
    return slice_, series


def _part(found: list[tuple[Slice, MemorySeries]], share: float) -> Part:
    (quarter, before), (whole, after) = found
    per_second = whole.events / whole.wall_seconds
    ratios = (
        Ratio(
            "catchup.real_time", "outage worked off, over real time at 20,000 events a second",
            per_second / 20_000, "higher",
        ),
        Ratio(
            "catchup.memory", "peak memory after the whole outage, over a quarter of it",
            after.peak / before.peak, "lower", WANTED_MEMORY,
        ),
        Ratio(
            "catchup.cpu", "CPU of an event in the whole outage, over a quarter of it",
            whole.microseconds / quarter.microseconds, "lower",
        ),
    )  # fmt: skip
    rows = tuple(
        (
            f"{slice_.events:,} events",
            slice_.wall_seconds,
            slice_.events / slice_.wall_seconds,
            slice_.microseconds,
            statistics.median(mb for _, mb in series.points),
            series.peak,
        )
        for slice_, series in found
    )
    columns = ("", "seconds", "events per second", "CPU µs an event", "MB, median", "MB, peak")
    lines = {f"{slice_.events:,} events": series.thinned() for slice_, series in reversed(found)}
    title = "Catch-up: resident memory of the consumer while an outage is worked off"
    plot = Plot("lines", title, "seconds", "MB", lines)
    return Part(
        "catchup", "Catch-up", how(share), ratios, (Table("Worked off", columns, rows),), (plot,)
    )
