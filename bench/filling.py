"""Topics filled with events of a chosen shape, or with the simulator's traffic."""

import datetime
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from kafka import KafkaProducer

from bench.lab import BenchError
from bench.peers.meter import CLOSER
from contracts.settings import Settings
from producer_sim.outgoing import NO_EVENT, Outgoing
from producer_sim.run import rules_of
from producer_sim.sender import ClickSender
from producer_sim.truth import Truth
from tests.deployment import Deployment

CHUNK: Final = 5_000
"""Events made at once."""

FAULTS: Final = ("--disorder-seconds=4", "--late=0.01", "--duplicates=0.01", "--malformed=0.005")
"""Traffic as it comes, options of the simulator."""

BLOCK: Final = 500
"""Events that go to one partition together: batches are of one size however many partitions."""

PADDING: Final = ',"note":"'
"""Begin of the field that fills an event up."""

NAME_OF_GENRE: Final = "g{:05d}"
"""Names of equal length: a genre's name must not change an event's size."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a slice of events is like.

    Attributes:
        events: How many.
        genres: How many there are; the n-th is clicked 1/n as often as the first.
        per_event: Genres of one event.
        users: How many; they click one after the other.
        value_bytes: Size of an event as JSON; under 101 it comes out larger.
        partitions: Blocks of events go round over them.
        start_ms: Event time of the first.
        span_ms: Event time from the first to the last.
    """

    events: int
    genres: int = 20
    per_event: int = 1
    users: int = 997
    value_bytes: int = 150
    partitions: int = 8
    start_ms: int = 0
    span_ms: int = 60_000


def values(shape: Shape) -> Iterator[bytes]:
    """Yield the events of a shape, in order of their event time."""
    rng = np.random.default_rng(shape.events + shape.genres)
    weights = 1 / np.arange(1, shape.genres + 1)
    times = shape.start_ms + np.linspace(0, shape.span_ms, shape.events).astype(np.int64)
    for begin in range(0, shape.events, CHUNK):
        some = times[begin : begin + CHUNK].tolist()
        firsts = rng.choice(shape.genres, len(some), p=weights / weights.sum()).tolist()
        for number, (at, first) in enumerate(zip(some, firsts, strict=True), begin):
            chosen = ((first + k) % shape.genres for k in range(shape.per_event))
            names = '","'.join(map(NAME_OF_GENRE.format, chosen))
            event = (
                f'{{"event_id":"{number:x}","event_time":{at},"user_id":"u{number % shape.users}",'
                f'"show_id":"s{number % 97}","genres":["{names}"]'
            )
            yield padded(event, shape.value_bytes).encode()


def padded(event: str, size: int) -> str:
    """Close a JSON object so that it has a size: by a field nobody knows, or by spaces."""
    if len(event) + len(PADDING) + 2 <= size:
        return f'{event + PADDING:x<{size - 2}}"}}'
    return f"{event:<{max(0, size - 1)}}}}"


def fill(kafka: str, topic: str, shape: Shape) -> None:
    """Write a shape's events, the way the simulator sends its own.

    Raises:
        BenchError: Not all of them were taken.
    """
    settings = Settings(kafka_bootstrap=kafka, topic_clicks=topic)
    truth = Truth(rules_of(settings))
    sender = ClickSender(settings, truth, threading.Event())
    sender.connect(create_partitions=None)
    events = values(shape)
    for begin in range(0, shape.events, CHUNK):
        some = list(itertools.islice(events, CHUNK))
        numbers = np.arange(begin, begin + len(some))
        nothing = np.zeros(len(some), np.int64)
        partitions = numbers // BLOCK % shape.partitions
        sender.send(Outgoing([None] * len(some), some, partitions, nothing, nothing + NO_EVENT))
    sender.flush(60)
    sender.close()
    if truth.sent != shape.events:
        raise BenchError(f"sent {truth.sent} of {shape.events} events")


def simulate(
    d: Deployment, events: int | None, start_ms: int, *options: str, rate: float = 2000
) -> dict[str, Any]:
    """Fill a deployment's topic with the simulator's traffic; return its truth.

    Args:
        d: The deployment.
        events: How many; None where the options say when it ends.
        start_ms: Event time to begin at.
        options: Further ones of `genrecast simulate`, such as `FAULTS`.
        rate: Events per second of event time, on average over a week.

    Raises:
        BenchError: Not all of them were sent.
    """
    report = d.logs / "truth.json"
    d.logs.mkdir(parents=True, exist_ok=True)
    start = datetime.datetime.fromtimestamp(start_ms / 1000, datetime.UTC).isoformat()
    count = [] if events is None else [f"--events={events}"]
    d.run(
        "simulate", *count, f"--start={start}", f"--rate={rate:g}", "--speed=max",
        f"--report={report}", *options,
    )  # fmt: skip
    truth: dict[str, Any] = json.loads(Path(report).read_text(encoding="utf-8"))
    if (events is not None and truth["sent"] != events) or truth["trouble"]:
        raise BenchError(f"the simulator sent {truth['sent']} of {events}: {truth['trouble']}")
    return truth


def close_windows(kafka: str, topic: str, at_ms: int) -> None:
    """Write two events, later than all before, that let event-time windows close."""
    producer = KafkaProducer(bootstrap_servers=kafka)
    for number in range(2):
        event = {
            "event_id": f"closer-{number}", "event_time": at_ms + number, "user_id": "u",
            "show_id": "s", "genres": [CLOSER],
        }  # fmt: skip
        producer.send(topic, json.dumps(event).encode(), partition=0).get(30)
    producer.close()
