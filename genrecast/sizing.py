"""How much a deployment takes, from what was measured. Pure functions of demand and figures."""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from genrecast.sizing_figures import Figures
from state.store import MOST_STATE_BYTES, SPARE_BUCKETS

BASE_BYTES: Final = 150
"""Size of an event that the CPU of one was measured with."""

LOOKS_PER_SECOND: Final = 10.0
"""How often a member looks at Redis, and the forecaster for a due bucket, while nothing comes."""

SLOWEST_TURN: Final = 1.0
"""Turns a second below which a full Redis is no matter of some delay any more."""

OPEN_BUCKETS: Final = 2
"""Buckets open at a time in live traffic, besides those that partitions may run ahead."""

MOST_CONSUMERS: Final = 1_000_000
"""Most consumers that are looked for."""

PARTITIONS_PER_CONSUMER: Final = 2
"""Partitions recommended for each consumer: room to double them."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a deployment; `target` is the share of a core that may be busy."""

    events_per_second: float
    genres: int
    partitions: int | None = None
    bucket_seconds: int = 60
    window_buckets: int = 2016
    horizon: int = 12
    quantiles: int = 5
    genres_per_event: float = 1.0
    event_bytes: int = BASE_BYTES
    retention_hours: float = 72.0
    replication: int = 3
    drift_buckets: int = 10
    models: int = 2
    target: float = 0.6


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a plan; `figures` name what it rests on."""

    name: str
    value: float
    unit: str
    how: str
    figures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes, and what to heed."""

    demand: Demand
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]

    def __getitem__(self, name: str) -> float:
        return next(line.value for line in self.lines if line.name == name)


@dataclass(frozen=True, slots=True)
class _Readers:
    """The consumers."""

    cores: float
    consumers: int
    partitions: int

    @property
    def busy(self) -> float:
        """Share of a core, each."""
        return self.cores / self.consumers


@dataclass(frozen=True, slots=True)
class _Turns:
    """What members ask of Redis when each takes so many turns a second.

    Attributes:
        looks: Of all members, per second; `batches`: applied by all of them.
        busy: Share of Redis's core.
    """

    per_second: float
    looks: float
    batches: float
    busy: float


def plan_for(demand: Demand, figures: Figures) -> Plan:
    """Return what a demand takes."""
    readers = _readers(demand, figures)
    turns = _turns(demand, readers, figures)
    lines = (
        *_reading(demand, readers),
        *_forecasting(demand, figures),
        *_memory(demand, figures),
        *_calls(turns),
        *_kafka(demand, figures),
    )
    plan = Plan(demand, lines, ())
    heed = (*_too_few_partitions(demand, readers), *_too_slow(demand, turns),
            *_too_many_genres(plan, figures))  # fmt: skip
    return Plan(demand, lines, heed)


def _readers(demand: Demand, figures: Figures) -> _Readers:
    """Find consumers and partitions: an event costs more where a member has more partitions."""

    def partitions(consumers: int) -> int:
        return demand.partitions or _rounded(PARTITIONS_PER_CONSUMER * consumers)

    def cores(consumers: int) -> float:
        each_us = _event_us(demand, figures, partitions(consumers) / consumers)
        return demand.events_per_second * each_us / 1e6

    possible = range(1, demand.partitions or MOST_CONSUMERS)
    is_enough = bisect_left(possible, True, key=lambda n: cores(n) <= n * demand.target)
    consumers = 1 + is_enough
    return _Readers(cores(consumers), consumers, partitions(consumers))


def _turns(demand: Demand, readers: _Readers, figures: Figures) -> _Turns:
    """Find how often members have their turn: as often as events come, or as Redis can."""
    each = demand.events_per_second / readers.consumers
    # A turn is begun by what has come; one takes as long as an event needs to its window.
    per_second = min(max(each, LOOKS_PER_SECOND), 1000 / figures["event_to_window_ms"].value)
    while True:
        turns = _asked(demand, readers, figures, per_second)
        if turns.busy <= demand.target or per_second < SLOWEST_TURN:
            return turns
        per_second *= 0.9  # Redis is full: a turn takes longer, and the next one brings more


def _asked(demand: Demand, readers: _Readers, figures: Figures, per_second: float) -> _Turns:
    events = demand.events_per_second / readers.consumers / per_second
    batches = min(readers.partitions / readers.consumers, events)
    cells = min(demand.genres, max(1.0, events / batches) * demand.genres_per_event)
    looks = readers.consumers * per_second
    spent_us = (
        looks * figures["read_us"].value
        + looks * batches * figures["apply_us_by_cells"].at(cells)
        + LOOKS_PER_SECOND * figures["seal_wait_us_by_partitions"].at(readers.partitions)
        + figures["closing_us_by_partitions"].at(readers.partitions) / demand.bucket_seconds
    )
    return _Turns(per_second, looks, looks * batches, spent_us / 1e6)


def _rounded(count: int) -> int:
    return int(2 ** math.ceil(math.log2(max(1, count))))


def _event_us(demand: Demand, figures: Figures, own_partitions: float) -> float:
    """Return the CPU of an event: the cost by genres, times what the rest costs over its base."""
    by_bytes, by_partitions = figures["event_us_by_bytes"], figures["event_us_by_partitions"]
    by_lists = figures["event_us_by_genres_per_event"]
    return (
        figures["event_us_by_genres"].at(demand.genres)
        * (by_bytes.at(demand.event_bytes) / by_bytes.at(BASE_BYTES))
        * (by_partitions.at(max(8.0, own_partitions)) / by_partitions.at(8.0))
        * (by_lists.at(demand.genres_per_event) / by_lists.at(1.0))
    )


def _reading(demand: Demand, readers: _Readers) -> Iterator[Line]:
    used = ("event_us_by_genres", "event_us_by_bytes", "event_us_by_partitions",
            "event_us_by_genres_per_event")  # fmt: skip
    target = f"{demand.target:.0%}"
    yield Line("consumer cores", readers.cores, "cores", "events/s times the CPU of one", used)
    yield Line(
        "consumers", readers.consumers, "processes", f"none more than {target} busy, one core each"
    )
    yield Line("consumers, one lost", readers.consumers + 1, "processes", "the others hold on")
    how = "as given" if demand.partitions else "two for each consumer, a power of two"
    yield Line("partitions of clicks", readers.partitions, "", how)
    yield Line("headroom of consumers", 1 - readers.busy, "share", "of a core, each, when all run")


def _forecasting(demand: Demand, figures: Figures) -> Iterator[Line]:
    close, step = figures["close_ms_by_genres"], figures["step_ms_by_genres"]
    share = close.at(demand.genres) / 1000 / demand.bucket_seconds
    yield Line(
        "close to visible", close.at(demand.genres), "ms", "median, from a bucket's last event",
        ("close_ms_by_genres",),
    )  # fmt: skip
    yield Line(
        "of it the model's step", step.at(demand.genres), "ms", "CPU", ("step_ms_by_genres",)
    )
    yield Line("forecaster busy", share, "share", "close to visible over the bucket's length")
    yield Line(
        "forecast messages", demand.genres / demand.bucket_seconds, "per s", "a genre, a bucket"
    )


def _memory(demand: Demand, figures: Figures) -> Iterator[Line]:
    kept, genres = demand.window_buckets + SPARE_BUCKETS, demand.genres
    opened = OPEN_BUCKETS + demand.drift_buckets
    state = genres * figures["state_bytes"].value * demand.models
    window = genres * kept * figures["window_bytes_by_genres"].at(genres)
    others = genres * (
        opened * figures["open_bytes_by_genres"].at(genres)
        + figures["name_bytes_by_genres"].at(genres)
    )
    yield Line(
        "Redis memory", (window + others + state) / 1e6, "MB", "with all that is below",
        ("window_bytes_by_genres", "open_bytes_by_genres", "name_bytes_by_genres", "state_bytes"),
    )  # fmt: skip
    yield Line("of it the window", window / 1e6, "MB", f"{kept:,} buckets of each genre")
    yield Line(
        "of it models' states", state / 1e6, "MB", f"{demand.models} models", ("state_bytes",)
    )


def _calls(turns: _Turns) -> Iterator[Line]:
    yield Line(
        "a member's turn", 1000 / turns.per_second, "ms", "about what an event waits to be counted",
        ("event_to_window_ms",),
    )  # fmt: skip
    yield Line(
        "Redis calls", turns.looks + turns.batches, "per s", "a look a turn, a batch a partition"
    )
    yield Line(
        "Redis busy", turns.busy, "share", "of its one core",
        ("read_us", "apply_us_by_cells", "seal_wait_us_by_partitions", "closing_us_by_partitions"),
    )  # fmt: skip


def _kafka(demand: Demand, figures: Figures) -> Iterator[Line]:
    clicks = demand.events_per_second * demand.event_bytes
    numbers = demand.horizon * (1 + demand.quantiles)
    message = figures["message_bytes"].value + numbers * figures["message_number_bytes"].value
    forecasts = demand.genres * message / demand.bucket_seconds
    used = ("message_bytes", "message_number_bytes")
    yield Line("Kafka, clicks in", clicks / 1e6, "MB/s", "before compression and replication")
    yield Line("Kafka, forecasts in", forecasts / 1e6, "MB/s", f"{message:,.0f} bytes each", used)
    disk = clicks * demand.retention_hours * 3600 * demand.replication
    yield Line(
        "Kafka, disk for clicks", disk / 1e9, "GB",
        f"{demand.retention_hours:g} h, {demand.replication} replicas, before compression",
    )  # fmt: skip


def _too_few_partitions(demand: Demand, readers: _Readers) -> Iterator[str]:
    if readers.busy > demand.target:
        enough = _rounded(math.ceil(readers.cores / demand.target))
        yield (
            f"{readers.partitions} partitions are too few: a partition has one consumer, and "
            f"{readers.consumers} would each be {readers.busy:.0%} busy. {enough} would do"
        )


def _too_slow(demand: Demand, turns: _Turns) -> Iterator[str]:
    if turns.busy > demand.target:
        yield (
            f"Redis would be {turns.busy:.0%} busy though a turn takes "
            f"{1 / turns.per_second:.1f} s: {math.ceil(turns.busy / demand.target)} deployments "
            "on a Redis each, by region or by genre, see docs/sizing.md"
        )


def _too_many_genres(plan: Plan, figures: Figures) -> Iterator[str]:
    genres, share = plan.demand.genres, plan["forecaster busy"]
    state = genres * figures["state_bytes"].value
    shares = math.ceil(max(share / plan.demand.target, state / MOST_STATE_BYTES))
    if shares > 1:
        yield (
            f"one deployment is too few for the genres: its forecaster {share:.0%} busy, a model's "
            f"state of {state / 1e6:,.0f} MB where Redis takes {MOST_STATE_BYTES / 1e6:,.0f}. "
            f"Share them among {shares}: GENRECAST_GENRE_SHARE, see docs/sizing.md"
        )
    most = figures["close_ms_by_genres"].points[-1][0]
    if genres > most:
        yield f"more than {most:,.0f} genres were not measured: what grows with them is drawn out"
