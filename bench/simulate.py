"""The simulator: how fast one process makes events and gets them into Kafka, truth included.

python -m bench.simulate --kafka HOST:PORT
"""

import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import orjson

from bench.lab import START_MS, BenchError, Lab, make_topic
from bench.results import Cell, Part, Plot, Ratio, Table
from contracts.settings import Settings
from producer_sim.faults import FaultPlan
from producer_sim.genres import BUILT_IN
from producer_sim.outgoing import Outgoing
from producer_sim.run import rules_of
from producer_sim.sender import ClickSender
from producer_sim.sources import Simulation
from producer_sim.traffic import Traffic
from producer_sim.truth import Truth

HOW: Final = (
    "One process of the simulator: traffic model, faults, JSON, partitions, compression, sending, "
    "and folding every acknowledgement into the exact truth. Beside it in the same process a plain "
    "loop of kafka-python's `send`, keyed, over events that are bytes already, and `json.dumps` of "
    "ready dictionaries. CPU of the whole process; wall time beside the broker on the same cores."
)

FAULTS: Final = FaultPlan(disorder_ms=5_000, late=0.01, duplicates=0.01, malformed=0.005)
PARTITIONS: Final = 8
WANTED_PER_SECOND: Final = 150_000.0
"""Events a second of one process into Kafka, generation included."""

SENT: Final = "into Kafka, truth included"
MADE: Final = "made, with faults"
LOOP: Final = "kafka-python send(), ready bytes"
DUMPS: Final = "json.dumps of ready dicts"


def a_simulation(partition_for: Callable[[bytes], int], faults: FaultPlan = FAULTS) -> Simulation:
    """Return traffic, as fast as it can be made."""
    traffic = Traffic(BUILT_IN, seed=1, events_per_second=200.0, start_ms=START_MS, slice_ms=40_000)
    return Simulation(traffic, faults, Settings(), seed=1, partition_for=partition_for)


def outgoing(events: int) -> list[Outgoing]:
    """Return the events, made."""
    simulation = a_simulation(lambda key: key[-1] % PARTITIONS)
    return [portion.make(START_MS) for portion in simulation.portions(events)]


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Return CPU and wall seconds of something."""
    began, cpu = time.perf_counter(), time.process_time()
    act()
    return time.process_time() - cpu, time.perf_counter() - began


def send(settings: Settings, events: int) -> tuple[float, float]:
    """Return CPU and wall seconds of making and sending events, until all are acknowledged.

    Raises:
        BenchError: The truth does not hold every event.
    """
    truth = Truth(rules_of(settings))
    sender = ClickSender(settings, truth, threading.Event())
    sender.connect(create_partitions=None)
    simulation = a_simulation(sender.partition_for)

    def act() -> None:
        for portion in simulation.portions(events):
            sender.send(portion.make(time.time_ns() // 1_000_000))
        sender.flush(60)

    spent = timed(act)
    sender.close()
    if truth.sent != events or truth.doubts:
        raise BenchError(f"sent {truth.sent} of {events}: {list(truth.doubts)}")
    return spent


def send_in_a_loop(settings: Settings, events: int) -> tuple[float, float]:
    """Return CPU and wall seconds of a plain keyed send loop over ready bytes, then flush."""
    from kafka import KafkaProducer

    portions = outgoing(events)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=20,
        batch_size=256 * 1024,
        compression_type="lz4",
    )

    def act() -> None:
        for portion in portions:
            for key, value in zip(portion.keys, portion.values, strict=True):
                producer.send(settings.topic_clicks, value, key)
        producer.flush()

    spent = timed(act)
    producer.close()
    return spent


def dump(events: int) -> tuple[float, float]:
    """Return CPU and wall seconds of `json.dumps` over as many ready events."""
    simulation = a_simulation(lambda key: key[-1] % PARTITIONS, FaultPlan())
    values = next(iter(simulation.portions(events))).make(START_MS).values
    ready = [orjson.loads(value) for value in values if value]
    spent = timed(lambda: [json.dumps(event) for event in ready])
    return spent[0] * events / len(ready), spent[1] * events / len(ready)


def measure_here(kafka: str, events: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the best CPU and wall seconds of each way over interleaved rounds."""
    settings = Settings(kafka_bootstrap=kafka, topic_clicks=f"bench-{uuid.uuid4().hex[:8]}")
    make_topic(kafka, settings.topic_clicks, PARTITIONS)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        # The truth is exact on a topic that nobody else writes to.
        own = settings.model_copy(update={"topic_clicks": f"{settings.topic_clicks}-{number}"})
        make_topic(kafka, own.topic_clicks, PARTITIONS)
        found.setdefault(SENT, []).append(send(own, events))
        found.setdefault(MADE, []).append(timed(lambda: outgoing(events)))
        found.setdefault(LOOP, []).append(send_in_a_loop(settings, events // 4))
        found.setdefault(DUMPS, []).append(dump(events))
    best = {way: (min(cpu for cpu, _ in each), min(wall for _, wall in each))
            for way, each in found.items()}  # fmt: skip
    best[LOOP] = (4 * best[LOOP][0], 4 * best[LOOP][1])
    return best


def measure(lab: Lab) -> Part:
    """Measure in a process of its own."""
    events = 400_000
    lab.expect("simulator", 1)
    lab.step(f"{events:,} events")
    found = lab.run_module(
        "bench.simulate", "--kafka", lab.kafka, "--events", events, "--rounds", 3, "--out"
    )
    per_second = {way: events / wall for way, (_, wall) in found.items()}
    per_cpu = {way: events / cpu for way, (cpu, _) in found.items()}
    ratios = (
        Ratio(
            "simulator.rate", "simulator: events a second into Kafka, truth included",
            per_second[SENT], "higher", WANTED_PER_SECOND, is_ratio=False,
        ),
        Ratio(
            "simulator.loop", "simulator: events per CPU second, over a plain send() loop",
            per_cpu[SENT] / per_cpu[LOOP], "higher",
        ),
        Ratio(
            "simulator.dumps", "simulator: events made per CPU second, over json.dumps alone",
            per_cpu[MADE] / per_cpu[DUMPS], "higher",
        ),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (way, per_second[way], per_cpu[way]) for way in found
    )
    table = Table(
        "One process, best of 3 rounds", ("", "events per second", "per CPU second"), rows
    )
    series: dict[str, tuple[tuple[float, float], ...]] = {
        ("genrecast: " if way in (SENT, MADE) else "") + way: ((per_cpu[way], 0.0),)
        for way in found
    }
    plot = Plot("bars", "Simulator: events per CPU second, one process", "", "", series)
    return Part("simulator", "Simulator", HOW, ratios, (table,), (plot,))


@click.command()
@click.option("--kafka", metavar="HOST:PORT", required=True)
@click.option("--events", type=int, default=400_000, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write seconds as JSON.")
def main(kafka: str, events: int, rounds: int, out: Path | None) -> None:
    """Print how many events a second one process makes and sends."""
    found = measure_here(kafka, events, rounds)
    for way, (cpu, wall) in found.items():
        print(f"{way:<34} {events / wall:>10,.0f} a second {events / cpu:>12,.0f} per CPU second")
    if out is not None:
        out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
