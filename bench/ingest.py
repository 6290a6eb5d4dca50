"""Ingest: from a full topic into Redis windows, beside a bare `poll()` loop and other frameworks.

A real `genrecast consume` loads its model and closes its first buckets, so that start-up is over.
It is stopped (SIGSTOP) while the simulator fills the topic, and goes on over the full topic. Its
CPU seconds are those of the whole process, forecasting included, until Redis holds the last record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.consumers import SESSION_SECONDS, Members
from bench.filling import FAULTS, close_windows, simulate
from bench.lab import START_MS, BenchError, Lab, wait_until
from bench.results import Cell, Part, Plot, Ratio, Table
from bench.spread import ratios_of, spread_of
from bench.venvs import PeerMissingError, python_of

HOW: Final = (
    "CPU seconds, user and system, of one whole process from its first event to its last, start-up "
    "excluded: two cores are shared with the broker, so wall time says less. Everybody counts the "
    "simulator's sound traffic per genre and one-minute bucket of event time; the counts of each "
    "are compared with the simulator's truth before its time counts. One partition: the kindest "
    "case for the frameworks, which then need no repartitioning; slower peers read fewer events. "
    "Each does it as its documentation shows (`bench/peers/`): pydantic for validation, Faust its "
    "own records. The bare loop is kafka-python's `poll()` with our client options and nothing "
    "done with the records; genrecast validates, judges lateness, keeps exact offsets in Redis, "
    "closes buckets and publishes forecasts meanwhile. Of everybody's costs the least of the "
    "rounds counts: what else a shared machine does can only add to it. The spreads are those of "
    "all rounds."
)

WARM_UP_MS: Final = 360_000
"""Event time given to the warm-up, ms: six buckets."""

VARIANTS: Final[dict[str, dict[str, object]]] = {
    "genrecast": {},
    "genrecast, poll() alone": {"reader": "public"},
}
"""Settings of the consumers that are measured, by name; the first are the defaults."""

WANTED: Final = {"genrecast": (1.0, 220_000), "genrecast, poll() alone": (0.65, 150_000)}
"""What each must reach: of the bare loop, and events per CPU second."""

BARE: Final = "kafka-python poll(), nothing done"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another way to do the job: its name, its environment, events it reads."""

    title: str
    name: str
    events: int
    is_framework: bool = True


PEERS: Final = (
    Peer("confluent-kafka loop, pydantic", "confluent", 200_000, is_framework=False),
    Peer("Bytewax", "bytewax", 60_000),
    Peer("Quix Streams", "quix", 60_000),
    Peer("Faust", "faust", 10_000),
)
"""Those that do the same job."""


@dataclass(slots=True)
class Times:
    """CPU microseconds an event of everybody, round by round."""

    of: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, microseconds: float) -> None:
        """Note a round's figure."""
        self.of.setdefault(name, []).append(microseconds)

    def least(self, name: str) -> float:
        """Return the least of the rounds: noise only adds to a cost."""
        return min(self.of[name])

    def faster(self, name: str, other: str) -> tuple[float, float]:
        """Return how many times faster than another it is, and the spread round by round."""
        spread = ratios_of(self.of[other], self.of[name])[1]
        return self.least(other) / self.least(name), spread


def measure(lab: Lab) -> Part:
    """Measure everything, in interleaved rounds."""
    rounds, one, many = lab.pick(5, 3), Times(), Times()
    missing: dict[str, str] = {}
    if lab.is_quick:
        lab.expect("ingest", 2 * rounds + 1)
    else:
        lab.expect("ingest", 1 + rounds * (3 + len(VARIANTS) + len(PEERS)) + 1)
        missing = _all_on_one_partition(lab, rounds, one)
    _many_partitions(lab, rounds, many)
    return _part(one, many, rounds, missing)


def _all_on_one_partition(lab: Lab, rounds: int, one: Times) -> dict[str, str]:
    """Measure ourselves, the bare loop and the peers in turns; return who is missing, and why."""
    missing: dict[str, str] = {}
    pythons: dict[Peer, str] = {}
    lab.step("environments of the peers")
    for peer in PEERS:
        try:
            pythons[peer] = python_of(peer.name)
        except PeerMissingError as reason:
            missing[peer.title] = str(reason)
    topics = {peer: _peer_topic(lab, peer.events) for peer in pythons}
    for _ in range(rounds):
        for variant in VARIANTS:
            _one_partition(lab, variant, one)
        for peer in list(pythons):
            lab.step(f"{peer.title}: {peer.events:,} events")
            try:
                one.add(peer.title, _peer_microseconds(lab, peer, pythons[peer], *topics[peer]))
            except PeerFailedError as reason:
                missing[peer.title] = str(reason)
                del pythons[peer]
                one.of.pop(peer.title, None)
    return missing


def _one_partition(lab: Lab, variant: str, times: Times) -> None:
    events = 300_000
    lab.step(f"{variant}: {events:,} events, one partition")
    options = {"bucket_seconds": 60, "session_timeout_seconds": SESSION_SECONDS}
    with lab.deployment(partitions=1, **options, **VARIANTS[variant]) as d:
        members = warmed_up(Members(d, 1))
        start_ms = START_MS + WARM_UP_MS
        truth: dict[str, Any] = {}
        slice_ = members.piled_up(lambda: truth.update(simulate(d, events, start_ms)))
        expected = truth["events_per_bucket"]
        wait_until(lambda: members.counts(start_ms) == expected, "counts equal to the truth", 0.5)
        members.close()
        if variant == next(iter(VARIANTS)):
            lab.step("the same records, bare poll()")
            cpu = lab.bare_poll(d.settings.topic_clicks, slice_.spans)
            times.add(BARE, 1e6 * cpu / slice_.events)
    times.add(variant, slice_.microseconds)


def warmed_up(members: Members) -> Members:
    """Return the members once the model is loaded and two buckets are published."""
    members.wait_for_model()
    simulate(members.deployment, 20_000, START_MS, rate=100)
    members.wait_for_buckets(2)
    members.wait_for_applied(20_000)
    return members


def _peer_topic(lab: Lab, events: int) -> tuple[str, Any]:
    with lab.deployment(partitions=1) as d:
        truth = simulate(d, events, START_MS)
        last_ms = max(int(start) for row in truth["events_per_bucket"].values() for start in row)
        close_windows(lab.kafka, d.settings.topic_clicks, last_ms + 600_000)
        return d.settings.topic_clicks, truth["events_per_bucket"]


class PeerFailedError(Exception):
    """A peer did not do the job, or not rightly; the message says how."""


def _peer_microseconds(lab: Lab, peer: Peer, python: str, topic: str, truth: object) -> float:
    try:
        found = lab.run_module(
            f"bench.peers.{peer.name}_app", lab.kafka, topic, peer.events, python=python
        )
    except BenchError as error:
        raise PeerFailedError(str(error)[-300:]) from error
    if found["counts"] != truth:
        raise PeerFailedError("its counts differ from the simulator's truth")
    return 1e6 * float(found["cpu_seconds"]) / peer.events


def _many_partitions(lab: Lab, rounds: int, times: Times) -> None:
    events = lab.pick(300_000, 100_000)
    options = {"bucket_seconds": 60, "session_timeout_seconds": SESSION_SECONDS}
    lab.step("a consumer of 8 partitions starts")
    with lab.deployment(partitions=8, **options) as d:
        members = warmed_up(Members(d, 1))
        start_ms = START_MS + WARM_UP_MS
        for _ in range(rounds):
            for kind, faults in (("sound", ()), ("faults", FAULTS)):
                lab.step(f"8 partitions, {kind}: {events:,} events")
                slice_ = members.piled_up(lambda f=faults, s=start_ms: simulate(d, events, s, *f))  # type: ignore[misc]
                start_ms = time_after(members)
                times.add(kind, slice_.microseconds)
                times.add(f"{kind} wall", 1e6 * slice_.wall_seconds / slice_.events)
                cpu = lab.bare_poll(d.settings.topic_clicks, slice_.spans)
                times.add(f"{kind} bare", 1e6 * cpu / slice_.events)
        members.close()


def time_after(members: Members) -> int:
    """Return an event time that is late on no partition."""
    settings = members.settings
    reached_ms = max(members.store.read_progress().watermarks.values())
    return reached_ms + settings.max_out_of_orderness_ms + settings.bucket_ms


def _part(one: Times, many: Times, rounds: int, missing: dict[str, str]) -> Part:
    says = "events per CPU second, over bare poll()"
    ratios = []
    for kind, where in (("sound", "8 partitions"), ("faults", "8 partitions, faulty traffic")):
        name = f"{where}: {says}"
        ratios.append(_ratio(many, kind, f"{kind} bare", f"ingest.bare_{kind}", name, None))
    if not one.of:
        return Part("ingest", "Ingest", HOW, tuple(ratios), (_many_table(many),))
    return Part(
        "ingest", "Ingest", HOW, (*_peer_ratios(one), *ratios),
        (_table(one, rounds), _many_table(many)), (_plot(one),), missing,
    )  # fmt: skip


def _peer_ratios(one: Times) -> list[Ratio]:
    ratios = []
    for number, (variant, (share, rate)) in enumerate(WANTED.items()):
        key = f"ingest.bare{'' if number == 0 else '_public'}"
        says = f"{variant}: events per CPU second, over bare poll()"
        ratios.append(_ratio(one, variant, BARE, key, says, share))
        says = f"{variant}: events per CPU second"
        figure = 1e6 / one.least(variant)
        key = f"ingest.rate{'' if number == 0 else '_public'}"
        noise = spread_of(one.of[variant])
        ratios.append(Ratio(key, says, figure, "higher", rate, noise, is_ratio=False))
    ours = next(iter(VARIANTS))
    for peer in PEERS:
        if peer.title in one.of and not peer.is_framework:
            says = f"events per CPU second, over a {peer.title}"
            ratios.append(_ratio(one, ours, peer.title, f"ingest.{peer.name}", says, 1.0))
    frameworks = [peer.title for peer in PEERS if peer.is_framework and peer.title in one.of]
    if frameworks:
        best = min(frameworks, key=one.least)
        says = f"events per CPU second, over the best framework ({best})"
        ratios.append(_ratio(one, ours, best, "ingest.frameworks", says, 3.0))
    return ratios


def _ratio(times: Times, name: str, other: str, key: str, says: str, wanted: float | None) -> Ratio:
    value, noise = times.faster(name, other)
    return Ratio(key, says, value, "higher", wanted, noise)


def _table(times: Times, rounds: int) -> Table:
    ours = next(iter(VARIANTS))
    rows: list[tuple[Cell, ...]] = []
    for name in sorted(times.of, key=times.least):
        each = times.of[name]
        ratio = times.least(name) / times.least(ours)
        spread = f"{spread_of(each):.0%}"
        rows.append((name, 1e6 / times.least(name), times.least(name), ratio, spread))
    columns = (
        "one partition", "events per CPU second", "CPU seconds per million events",
        "CPU beside genrecast", "spread",
    )  # fmt: skip
    return Table(f"The same job, least of {rounds} rounds", columns, tuple(rows))


def _many_table(times: Times) -> Table:
    rows = tuple(
        (
            says,
            1e6 / times.least(kind),
            times.least(kind),
            1e6 / times.least(f"{kind} bare"),
            1e6 / times.least(f"{kind} wall"),
        )
        for kind, says in (("sound", "sound traffic"), ("faults", "late, repeated, broken ones"))
    )
    columns = (
        "8 partitions", "events per CPU second", "CPU seconds per million events",
        "bare poll() per CPU second", "events per second of wall time",
    )  # fmt: skip
    return Table("genrecast on a topic of 8 partitions", columns, rows)


def _plot(times: Times) -> Plot:
    names: Sequence[str] = sorted(times.of, key=times.least)
    series: dict[str, tuple[tuple[float, float], ...]]
    series = {name: ((1e6 / times.least(name), 0.0),) for name in names}
    return Plot("bars", "Ingest: events per CPU second, one process", "", "", series, log="x")
