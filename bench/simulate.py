"""How fast the simulator makes events, alone and with sending, beside what it builds on.

Run `uv run python bench/simulate.py`; with `--kafka HOST:PORT` it measures sending too.
"""

import argparse
import json
import threading
import time
import uuid
from collections.abc import Callable

import orjson

from contracts.settings import Settings
from producer_sim.faults import FaultPlan
from producer_sim.genres import BUILT_IN
from producer_sim.run import rules_of
from producer_sim.sender import ClickSender
from producer_sim.sources import Simulation
from producer_sim.traffic import Traffic
from producer_sim.truth import Truth
from producer_sim.wire import Renderer

START_MS = 1_767_571_200_000
FAULTS = FaultPlan(disorder_ms=5_000, late=0.01, duplicates=0.01, malformed=0.005)
PARTITIONS = 8


def a_traffic() -> Traffic:
    return Traffic(BUILT_IN, seed=1, events_per_second=200.0, start_ms=START_MS, slice_ms=40_000)


def per_cpu_second(make: Callable[[], int]) -> float:
    """Return what `make` counts per CPU second of this process; the best of three."""
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        count = make()
        best = max(best, count / (time.process_time() - began))
    return best


def generation(events: int) -> None:
    def plain() -> int:
        traffic = a_traffic()
        renderer, made, index = Renderer(traffic, 1), 0, 0
        while made < events:
            made += len(renderer.render(traffic.slice(index)))
            index += 1
        return made

    def with_faults() -> int:
        simulation = Simulation(
            a_traffic(), FAULTS, Settings(), seed=1, partition_for=lambda key: key[-1] % PARTITIONS
        )
        return sum(len(portion.make(START_MS)) for portion in simulation.portions(events))

    traffic = a_traffic()
    sample = [orjson.loads(value) for value in Renderer(traffic, 1).render(traffic.slice(0))]

    def peer(dump: Callable[[object], object]) -> Callable[[], int]:
        def dumps() -> int:
            rounds = events // len(sample) + 1
            for _ in range(rounds):
                for event in sample:
                    dump(event)
            return rounds * len(sample)

        return dumps

    ours, faulty = per_cpu_second(plain), per_cpu_second(with_faults)
    print(f"generation, events to bytes      {ours:12,.0f} events per CPU second")
    print(f"generation with faults           {faulty:12,.0f} events per CPU second")
    for name, dump in (("orjson.dumps", orjson.dumps), ("json.dumps", json.dumps)):
        theirs = per_cpu_second(peer(dump))
        print(f"{name + ' alone, ready dicts':<32} {theirs:12,.0f} events per CPU second", end="")
        print(f"   ratio {ours / theirs:.2f}, with faults {faulty / theirs:.2f}")


def sending(bootstrap: str, events: int) -> None:
    settings = Settings(kafka_bootstrap=bootstrap, topic_clicks=f"bench-{uuid.uuid4().hex[:8]}")
    truth = Truth(rules_of(settings))
    sender = ClickSender(settings, truth, threading.Event())
    sender.connect(create_partitions=PARTITIONS)
    simulation = Simulation(
        a_traffic(), FAULTS, settings, seed=1, partition_for=sender.partition_for
    )
    began, cpu = time.perf_counter(), time.process_time()
    for portion in simulation.portions(events):
        sender.send(portion.make(time.time_ns() // 1_000_000))
    sender.flush(60)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    sender.close()
    if truth.sent != events or truth.doubts:
        raise SystemExit(f"sent {truth.sent} of {events}: {list(truth.doubts)}")
    print(f"simulate, truth included         {events / wall:12,.0f} events/s ", end="")
    print(f"({events / cpu:,.0f} per CPU second)")
    bare_wall, bare_cpu = bare_producer(settings, events)
    print(f"bare KafkaProducer.send loop     {events / bare_wall:12,.0f} events/s ", end="")
    print(f"({events / bare_cpu:,.0f} per CPU second)", end="")
    print(f"   ratio {bare_wall / wall:.2f} wall, {bare_cpu / cpu:.2f} CPU")


def bare_producer(settings: Settings, events: int) -> tuple[float, float]:
    """Return wall and CPU seconds of a plain keyed send loop over ready bytes, then flush."""
    from kafka import KafkaProducer

    simulation = Simulation(
        a_traffic(), FaultPlan(), settings, seed=1, partition_for=lambda key: key[-1] % PARTITIONS
    )
    portions = [portion.make(START_MS) for portion in simulation.portions(events)]
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=20,
        batch_size=256 * 1024,
        compression_type="lz4",
    )
    began, cpu = time.perf_counter(), time.process_time()
    for portion in portions:
        for key, value in zip(portion.keys, portion.values, strict=True):
            producer.send(settings.topic_clicks, value, key)
    producer.flush()
    spent = time.perf_counter() - began, time.process_time() - cpu
    producer.close()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--kafka", metavar="HOST:PORT")
    arguments = parser.parse_args()
    generation(arguments.events)
    if arguments.kafka:
        sending(arguments.kafka, arguments.events)


if __name__ == "__main__":
    main()
