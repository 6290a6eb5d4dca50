"""Growth: what an event costs with more genres, partitions, genres an event and bytes."""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import redis

from bench.consumers import SESSION_SECONDS, Members, MemorySeries, Slice
from bench.filling import Shape, fill, simulate
from bench.lab import START_MS, Lab
from bench.results import Part, Plot, Ratio, Table
from bench.spread import ratios_of

HOW: Final = (
    "CPU of one `genrecast consume` per event, whole process, over slices that piled up while it "
    "was stopped; one thing is varied at a time from 8 partitions, 10 genres (the n-th is clicked "
    "1/n as often as the first), one genre an event, 150 bytes, 500 records a batch, in turns. "
    "Of each cost the least of the rounds counts: what else a shared machine does can only add to "
    "it. The spread is that of the ratios round by round. "
    "No bucket closes inside a slice: this is the cost of an event, and that of a close is "
    "above. Every third round a bare `poll()` reads the same records, too, which shows what larger "
    "ones cost in the client alone. Redis bytes are `MEMORY USAGE` of every key of a deployment "
    "whose window is full of the simulator's traffic, every measure in it, over genres times "
    "buckets; its consumer's memory is taken over an hour of event time at 60 times its speed."
)

BASE: Final = Shape(events=300_000, genres=10, value_bytes=150)
"""What is varied, one thing at a time."""

ROUNDS: Final = 15
"""The least of fewer is too often that of a slow moment."""

BARE_EVERY: Final = 3
"""Every so many rounds the bare loop reads the records, too: it varies less than we do."""

HOUR_SECONDS: Final = 3_600
SPAN_MS: Final = 20_000
"""Event time of one slice, ms: all slices of a reader lie in one hour."""

WANTED_RATIO: Final = 1.2
"""How many times the smallest cost the largest may be, over a range but that of bytes."""

WANTED_REDIS_BYTES: Final = 200.0
"""Per genre and bucket, everything included."""

WINDOW_BUCKETS: Final = 288
"""Window of the deployment whose memory is measured."""

BUCKET_MS: Final = 60_000
"""Its buckets: the shortest that the shipped model serves, ms."""

PAST_EVENTS: Final = 20_000
"""Events of its past that are sent at once."""

PAST_RATE: Final = 6.0
"""Events per second of its past, on average over a week."""

HOUR: Final = ("--speed=60", "--seconds=60")
"""Options of the simulator for an hour of event time, 60 times as fast."""

HOUR_RATE: Final = 167.0
"""Events per second of that hour, on average over a week: 10,000 a second of wall time."""


@dataclass(frozen=True, slots=True)
class Range:
    """One thing that grows."""

    name: str
    says: str
    shapes: tuple[tuple[int, Shape], ...]


def ranges(lab: Lab) -> list[Range]:
    """Return what is varied: smallest first, the base among them."""
    base = replace(BASE, events=lab.pick(BASE.events, 60_000))
    genres = lab.pick((10, 100, 1_000, 10_000), (10, 1_000))
    found = [Range("genres", "genres", tuple((g, replace(base, genres=g)) for g in genres))]
    if lab.is_quick:
        return found
    sizes = ((100, base.events), (500, base.events), (5_000, base.events // 5))
    return [
        *found,
        Range(
            "partitions", "partitions",
            tuple((p, replace(base, partitions=p)) for p in (1, 8, 64)),
        ),
        Range(
            "per_event", "genres an event",
            tuple((k, replace(base, per_event=k)) for k in (1, 3)),
        ),
        Range(
            "bytes", "bytes an event",
            tuple((b, replace(base, value_bytes=b, events=n)) for b, n in sizes),
        ),
    ]  # fmt: skip


Costs = dict[Shape, list[float]]
"""CPU microseconds an event, per shape and round."""


def measure(lab: Lab) -> Part:
    """Measure every range, then memory."""
    varied, rounds = ranges(lab), lab.pick(ROUNDS, 3)
    shapes = list(dict.fromkeys(shape for one in varied for _, shape in one.shapes))
    lab.expect("growth", rounds * len(shapes) + lab.pick(2, 0))
    own: Costs = {shape: [] for shape in shapes}
    bare: Costs = {shape: [] for shape in shapes}
    with ExitStack() as stack:
        # All at once: a round's shapes follow each other, whatever their partitions.
        readers = {
            partitions: stack.enter_context(_reader(lab, partitions))
            for partitions in dict.fromkeys(shape.partitions for shape in shapes)
        }
        for number in range(rounds):
            # To and fro: what the process has seen before falls on every shape alike.
            for shape in shapes if number % 2 == 0 else shapes[::-1]:
                lab.step(_told(shape))
                reader = readers[shape.partitions]
                slice_ = reader.read(lab, shape)
                own[shape].append(slice_.microseconds)
                if number % BARE_EVERY == 0:
                    seconds = lab.bare_poll(reader.members.settings.topic_clicks, slice_.spans)
                    bare[shape].append(1e6 * seconds / slice_.events)
    memory = None if lab.is_quick else _memory(lab)
    return _part(varied, own, bare, memory)


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer of a topic, and event times of slices for it."""

    members: Members
    starts: Iterator[int]

    def read(self, lab: Lab, shape: Shape) -> Slice:
        """Have events of a shape pile up and be read."""
        placed = replace(shape, start_ms=next(self.starts), span_ms=SPAN_MS)
        topic = self.members.settings.topic_clicks
        return self.members.piled_up(lambda: fill(lab.kafka, topic, placed))


@contextmanager
def _reader(lab: Lab, partitions: int) -> Iterator[Reader]:
    options = {"bucket_seconds": HOUR_SECONDS, "session_timeout_seconds": SESSION_SECONDS}
    with lab.deployment(partitions=partitions, **options) as d:
        reader = Reader(Members(d, 1), _starts())
        reader.members.wait_for_model()
        warm = replace(BASE, events=20_000, partitions=partitions, start_ms=next(reader.starts))
        fill(lab.kafka, d.settings.topic_clicks, warm)
        reader.members.wait_for_applied(warm.events)
        yield reader
        reader.members.close()


def _starts() -> Iterator[int]:
    """Yield event times of slices, one after the other, all in one bucket of an hour."""
    at_ms = START_MS
    while True:
        yield at_ms
        at_ms += SPAN_MS


def _told(shape: Shape) -> str:
    return (
        f"{shape.events:,} events: {shape.genres:,} genres, {shape.per_event} an event, "
        f"{shape.value_bytes:,} bytes, {shape.partitions} partitions"
    )


@dataclass(frozen=True, slots=True)
class Memory:
    """A deployment's memory: Redis bytes by genres, the consumer's MB over time."""

    redis_bytes: float
    genres: int
    series: tuple[tuple[float, float], ...]
    grown: float


def _memory(lab: Lab) -> Memory:
    options = {"bucket_seconds": BUCKET_MS // 1000, "window_buckets": WINDOW_BUCKETS}
    with lab.deployment(partitions=8, **options) as d:
        members = Members(d, 1)
        members.wait_for_model()
        lab.step(f"{WINDOW_BUCKETS} buckets of the past")
        sent, start_ms = _fill_window(members)
        lab.step("an hour of event time at 60 times its speed: memory")
        with MemorySeries(members.processes[0]) as series:
            truth = simulate(d, None, start_ms, *HOUR, rate=HOUR_RATE)
            members.wait_for_applied(sent + truth["sent"])
            members.wait_for_published(_reached_ms(members) - 2 * BUCKET_MS)
        genres = len(members.store.read_genres())
        kept = len(members.store.read_window().starts_ms)
        used = redis_bytes(lab.redis, d.settings.app)
        members.close()
    tenth = max(1, len(series.points) // 10)
    after = statistics.median(mb for _, mb in series.points[-tenth:])
    before = statistics.median(mb for _, mb in series.points[tenth : 2 * tenth])
    per_cell = used / (genres * min(kept, WINDOW_BUCKETS))
    return Memory(per_cell, genres, series.thinned(), after / before)


def _fill_window(members: Members) -> tuple[int, int]:
    """Have more buckets published than the window holds; return events sent, and where to go on.

    How much event time a number of events takes depends on the hour, so it is looked at.
    """
    sent, start_ms = 0, START_MS
    while start_ms < START_MS + (WINDOW_BUCKETS + 2) * BUCKET_MS:
        simulate(members.deployment, PAST_EVENTS, start_ms, rate=PAST_RATE)
        sent += PAST_EVENTS
        members.wait_for_applied(sent)
        start_ms = _reached_ms(members)
    members.wait_for_published(START_MS + (WINDOW_BUCKETS - 1) * BUCKET_MS)
    return sent, start_ms


def _reached_ms(members: Members) -> int:
    """Return the first bucket's start that no event was in yet."""
    watermark_ms = max(members.store.read_progress().watermarks.values())
    newest_ms = watermark_ms + members.settings.max_out_of_orderness_ms
    return newest_ms - newest_ms % BUCKET_MS + BUCKET_MS


def redis_bytes(url: str, app: str) -> int:
    """Return `MEMORY USAGE` of every key of a deployment."""
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter(match=f"{{genrecast:{app}}}*", count=1000))
        return sum(int(client.memory_usage(key, samples=0) or 0) for key in keys)


def _part(varied: list[Range], own: Costs, bare: Costs, memory: Memory | None) -> Part:
    ratios, rows, series = [], [], {}
    for one in varied:
        grown = _grown(one, own)
        ratios.append(_flatness(one, grown))
        series[one.says] = tuple((float(at), times) for at, (times, _) in grown.items())
        for at, shape in one.shapes:
            ours, theirs = min(own[shape]), min(bare[shape])
            rows.append((f"{at:,} {one.says}", ours, grown[at][0], theirs, ours / theirs))
    columns = ("", "CPU µs an event", "over the first", "bare poll(), µs", "over bare poll()")
    plots = [_cost_plot(series)]
    if memory is not None:
        ratios += _memory_ratios(memory)
        title = "Memory of the consumer over an hour of event time, 60 times as fast"
        points = {"resident memory": memory.series}
        plots.append(Plot("lines", title, "seconds", "MB", points))
    return Part(
        "growth", "Growth", HOW, tuple(ratios),
        (Table("What one event costs", columns, tuple(rows)),), tuple(plots),
    )  # fmt: skip


def _grown(one: Range, own: Costs) -> dict[int, tuple[float, float]]:
    """Return how many times the first an event costs, and the spread of that over the rounds."""
    costs = {at: own[shape] for at, shape in one.shapes}
    first = costs[one.shapes[0][0]]
    return {at: (min(each) / min(first), ratios_of(each, first)[1]) for at, each in costs.items()}


def _flatness(one: Range, grown: dict[int, tuple[float, float]]) -> Ratio:
    first, last = one.shapes[0][0], one.shapes[-1][0]
    is_wanted = one.name != "bytes"
    if is_wanted:  # flat: at none of them may it cost more
        says = f"an event's CPU with {first:,} to {last:,} {one.says}, the most, over {first:,}"
        value, noise = max(grown.values())
    else:
        says = f"an event's CPU with {last:,} {one.says}, over {first:,}"
        value, noise = grown[last]
    wanted = WANTED_RATIO if is_wanted else None
    return Ratio(f"growth.{one.name}", says, value, "lower", wanted, noise)


def _memory_ratios(memory: Memory) -> list[Ratio]:
    says = f"Redis bytes per genre and bucket, all keys, {memory.genres} genres"
    return [
        Ratio(
            "growth.redis_bytes", says, memory.redis_bytes, "lower", WANTED_REDIS_BYTES,
            is_ratio=False,
        ),
        Ratio(
            "growth.memory", "consumer's memory at an hour's end, over its beginning",
            memory.grown, "lower", 1.05,
        ),
    ]  # fmt: skip


def _cost_plot(series: dict[str, tuple[tuple[float, float], ...]]) -> Plot:
    title = "Growth: CPU of an event, over that of the smallest"
    return Plot("lines", title, "how many", "times", series, log="x", line=WANTED_RATIO)
