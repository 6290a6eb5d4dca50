"""A load test from beginning to end: one run, or the search for the highest rate that holds."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from producer_sim.load.crew import Crew, Measured, Run
from producer_sim.load.latencies import Latencies
from producer_sim.load.profiles import Profile, constant
from producer_sim.load.runner import Progress
from producer_sim.load.search import Found, find_highest

GIVE_UP_SECONDS: Final = 30.0
"""How late sending may become in a run whose latency is only measured."""

PROBE_GIVE_UP: Final = 8.0
"""How many times the bound a probe may be late before it is broken off."""

LEAST_GIVE_UP_SECONDS: Final = 2.0
"""And at least so late: the first events wait for connections."""


class _StoppedError(Exception):
    """Asked to stop between two probes, or in one: what it measured is of no use."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One rate tried.

    Attributes:
        rate: Events per second.
        measured: What came of it.
        does_hold: Whether it held the bound.
    """

    rate: float
    measured: Measured
    does_hold: bool


@dataclass(slots=True)
class LoadResult:
    """What a test measured.

    Attributes:
        runs: Every probe, or the one run.
        found: What the search found; None for one run, and where it was ended early.
    """

    runs: list[Probe] = field(default_factory=list)
    found: Found | None = None
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """What has to hold: this percentile is at most so much, s."""

    percentile: float
    seconds: float


def judged(measured: Measured) -> Latencies:
    """Return the latencies that a bound is about: to counted where that was measured."""
    return measured.latencies if measured.counted is None else measured.counted


def holds(measured: Measured, bound: Bound) -> bool:
    """Return whether a run held the bound: all was sent, acknowledged (and counted) in time."""
    if measured.has_given_up or measured.total("uncounted"):
        return False
    if measured.total("acknowledged") < measured.total("planned"):
        return False
    latencies = judged(measured)
    return latencies.count > 0 and latencies.percentile_s(bound.percentile) <= bound.seconds


def measure_once(
    crew: Crew,
    profile: Profile,
    *,
    warmup_s: float,
    linger_s: float,
    bound: Bound | None,
    on_progress: Callable[[list[Progress]], None],
) -> LoadResult:
    """Do one run."""
    measured = crew.run(Run(profile, warmup_s, linger_s, GIVE_UP_SECONDS), on_progress)
    does_hold = bound is None or holds(measured, bound)
    return LoadResult([Probe(profile.events / profile.seconds, measured, does_hold)],
                  is_stopped=measured.is_stopped)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a search: events per second, and how long each probe is, s."""

    lowest: float
    highest: float
    probe_s: float


def find_max(
    crew: Crew,
    limits: Limits,
    *,
    warmup_s: float,
    linger_s: float,
    bound: Bound,
    stop: threading.Event,
    on_probe: Callable[[float, Probe | None], Callable[[list[Progress]], None]],
) -> LoadResult:
    """Search for the highest rate that holds the bound.

    Args:
        crew: Sends.
        limits: Between which rates, and how long.
        warmup_s: Part of each probe that does not count.
        linger_s: How long sending waits.
        bound: What has to hold.
        stop: Ends the search.
        on_probe: Is told the rate when a probe begins and the probe when it has ended; returns who
            takes its progress.
    """
    result = LoadResult()
    give_up_s = max(LEAST_GIVE_UP_SECONDS, bound.seconds * PROBE_GIVE_UP)

    def does_hold(rate: float) -> bool:
        if stop.is_set():
            raise _StoppedError
        run = Run(constant(rate, limits.probe_s), warmup_s, linger_s, give_up_s)
        measured = crew.run(run, on_probe(rate, None))
        probe = Probe(rate, measured, holds(measured, bound))
        result.runs.append(probe)
        if measured.is_stopped:
            raise _StoppedError
        on_probe(rate, probe)
        return probe.does_hold

    try:
        result.found = find_highest(does_hold, lowest=limits.lowest, highest=limits.highest)
    except _StoppedError:
        result.is_stopped = True
    return result


def shown_run(probe: Probe) -> dict[str, Any]:
    """Return a run as JSON values."""
    measured = probe.measured
    cpu_s = measured.total("cpu_seconds")
    acknowledged = int(measured.total("acknowledged"))
    counted = measured.counted
    return {
        "rate": probe.rate,
        "holds": probe.does_hold,
        "is_stopped": measured.is_stopped,
        "has_given_up": measured.has_given_up,
        "planned": int(measured.total("planned")),
        "sent": int(measured.total("sent")),
        "acknowledged": acknowledged,
        "uncounted": int(measured.total("uncounted")),
        "cpu_seconds": round(cpu_s, 3),
        "making_cpu_seconds": round(measured.total("making_seconds"), 3),
        "events_per_cpu_second": round(acknowledged / cpu_s) if cpu_s else 0,
        "acknowledged_ms": measured.latencies.summary_ms(),
        "counted_ms": None if counted is None else counted.summary_ms(),
        "by_second": _by_second(measured),
    }


def _by_second(measured: Measured) -> dict[str, dict[str, float]]:
    planned = measured.profile
    sent, came = measured.by_second("sent_by_second"), measured.by_second("acknowledged_by_second")
    last = max([*sent, *came, 0])
    columns = {f"p{each:g}_ms": judged(measured).by_second_ms(each) for each in (50.0, 99.0, 100.0)}
    return {
        str(second): {
            "planned": round(planned.events_until(second + 1) - planned.events_until(second), 1),
            "sent": sent.get(second, 0),
            "acknowledged": came.get(second, 0),
            **{
                name: round(column[second], 2)
                for name, column in columns.items()
                if second in column
            },
        }
        for second in range(last + 1)
    }


def run_cells(run: Mapping[str, Any]) -> list[str]:
    """Return a run as the cells of a table's row."""
    latency = run["acknowledged_ms"] if run["counted_ms"] is None else run["counted_ms"]
    told = [f"{latency[name]:,.1f}" if latency else "-" for name in ("p50", "p99", "p99.9", "max")]
    return [
        f"{run['rate']:,.0f}",
        "yes" if run["holds"] else "no",
        f"{run['planned']:,}",
        f"{run['acknowledged']:,}",
        *told,
        f"{run['events_per_cpu_second']:,}",
    ]
