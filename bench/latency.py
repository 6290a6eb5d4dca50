"""Latency: from the record that closes a bucket to its forecasts at a `read_committed` subscriber.

Beside every bucket, in turns: a transaction of as many records and bytes that nobody computed.
"""

import statistics
import time
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.consumers import Members
from bench.lab import START_MS, BenchError, Lab, make_topic
from bench.results import Cell, Part, Plot, Ratio, Table
from bench.spread import percentile
from contracts.forecasts import GenreForecast
from contracts.settings import Settings

HOW: Final = (
    "A real `genrecast consume` with the shipped model; a producer writes a bucket's events over 8 "
    "partitions, then the records that close it. *Close to visible* runs from Kafka's "
    "acknowledgement of these until a `read_committed` subscriber holds the forecasts of every "
    "genre: reading, applying, closing, the LSTM's step, the messages and the transaction. "
    "*End to end* runs from before the closing records are sent until every forecast is parsed. "
    "The *empty transaction* has the same messages and as many bytes, of which nobody computed "
    "anything, to a topic of as many partitions and the same kind of subscriber, in turns with the "
    "buckets. *Event to window* runs from the acknowledgement of one event until Redis has "
    "counted it, *event to subscriber* until a plain `poll()` returns it."
)

PARTITIONS: Final = 8
WARM_UP: Final = 5
PAUSE_SECONDS: Final = 0.1
"""Time for a bucket's events to be read before it is closed, seconds."""

MOST_EVENTS: Final = 400
"""Events of one bucket, but for the first, in which every genre is clicked."""

BUCKETS: Final = {20: 120, 200: 60, 2_000: 40, 10_000: 15}
"""Genres, and buckets that are measured with so many."""

WANTED_MS: Final = {20: 50.0, 2_000: 250.0}
"""Genres, and what the 99th percentile must stay under, ms."""

WANTED_TRANSACTIONS: Final = 3.0
"""What the 99th percentile must stay under, in those of the empty transaction."""


@dataclass(slots=True)
class Times:
    """Milliseconds of every bucket, transaction or event."""

    visible: list[float] = field(default_factory=list)
    parsed: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


class Subscriber:
    """A `read_committed` reader of a topic, from its end on."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=kafka,
            isolation_level="read_committed",
            enable_auto_commit=False,
            check_crcs=False,
            max_poll_records=20_000,
            max_partition_fetch_bytes=16 * 1024 * 1024,
        )
        tps = [TopicPartition(topic, p) for p in self._consumer.partitions_for_topic(topic)]
        self._consumer.assign(tps)
        self._consumer.seek_to_end(*tps)
        for tp in tps:
            self._consumer.position(tp)

    def wait_for(self, mark: bytes, count: int) -> list[bytes]:
        """Return the values that hold a mark, once there are so many of them."""
        seen: list[bytes] = []
        deadline = time.monotonic() + 60
        while len(seen) < count:
            if time.monotonic() > deadline:
                raise BenchError(f"{len(seen)} of {count} messages with {mark!r} in 60 s")
            for records in self._consumer.poll(timeout_ms=1000).values():
                seen += [record.value for record in records if mark in record.value]
        return seen

    def close(self) -> None:
        self._consumer.close()


class Clicks:
    """Writes the events of buckets."""

    def __init__(self, settings: Settings, genres: int) -> None:
        self._settings = settings
        self._genres = genres
        self._producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap, linger_ms=0)

    def send(self, number: int, at_ms: int, partition: int) -> Any:  # noqa: ANN401 (a future)
        event = {
            "event_id": str(number), "event_time": at_ms, "user_id": f"u{number % 97}",
            "show_id": "s", "genres": [f"genre {number % self._genres}"],
        }  # fmt: skip
        return self._producer.send(
            self._settings.topic_clicks, orjson.dumps(event), partition=partition
        )

    def fill_bucket(self, index: int) -> int:
        """Write a bucket's events; return its start."""
        start_ms = START_MS + index * self._settings.bucket_ms
        count = self._genres if index == 0 else min(self._genres, MOST_EVENTS)
        for number in range(count):
            self.send(index * MOST_EVENTS + number, start_ms + number, number % PARTITIONS)
        self._producer.flush()
        return start_ms

    def close_bucket(self, index: int) -> tuple[float, float]:
        """Write what closes it; return when that was begun and when it was acknowledged."""
        settings = self._settings
        closing_ms = START_MS + (index + 1) * settings.bucket_ms + settings.max_out_of_orderness_ms
        began = time.perf_counter()
        futures = [self.send(p, closing_ms, p) for p in range(PARTITIONS)]
        for future in futures:
            future.get(timeout=30)
        return began, time.perf_counter()

    def close(self) -> None:
        self._producer.close()


class Transactions:
    """Transactions of messages that are there already."""

    def __init__(self, lab: Lab, topic: str) -> None:
        self._topic = topic
        make_topic(lab.kafka, topic, PARTITIONS)
        self._subscriber = Subscriber(lab.kafka, topic)
        self._producer = KafkaProducer(
            bootstrap_servers=lab.kafka, linger_ms=0, transactional_id=topic
        )
        self._producer.init_transactions()

    def milliseconds(self, messages: list[bytes]) -> float:
        """Return how long one takes from its begin to the subscriber."""
        began = time.perf_counter()
        self._producer.begin_transaction()
        for number, message in enumerate(messages):
            self._producer.send(self._topic, message, key=f"genre {number}".encode())
        self._producer.commit_transaction()
        self._subscriber.wait_for(b"", len(messages))
        return (time.perf_counter() - began) * 1000

    def close(self) -> None:
        self._producer.close()
        self._subscriber.close()


def measure(lab: Lab) -> Part:
    """Measure closes with every number of genres, then single events."""
    sizes = lab.pick(BUCKETS, {20: 50})
    lab.expect("latency", len(sizes) + lab.pick(1, 0))
    closes = {genres: _closes(lab, genres, buckets) for genres, buckets in sizes.items()}
    return _part(closes, None if lab.is_quick else _events(lab, 200))


def _closes(lab: Lab, genres: int, buckets: int) -> Times:
    lab.step(f"{genres:,} genres: {buckets} buckets")
    times = Times()
    with lab.deployment(partitions=PARTITIONS, bucket_seconds=300) as d:
        members = Members(d, 1)
        members.wait_for_model()
        subscriber = Subscriber(lab.kafka, d.settings.topic_forecasts)
        bare = Transactions(lab, f"{d.settings.topic_forecasts}-bare")
        clicks = Clicks(d.settings, genres)
        for index in range(WARM_UP + buckets):
            start_ms = clicks.fill_bucket(index)
            time.sleep(PAUSE_SECONDS)
            began, acknowledged = clicks.close_bucket(index)
            messages = subscriber.wait_for(b'"bucket_start":%d,' % start_ms, genres)
            times.visible.append((time.perf_counter() - acknowledged) * 1000)
            for message in messages:
                GenreForecast.model_validate_json(message)
            times.parsed.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE_SECONDS / 2)
            times.bare.append(bare.milliseconds(messages))
        for part in (clicks, bare, subscriber, members):
            part.close()
    return Times(times.visible[WARM_UP:], times.parsed[WARM_UP:], times.bare[WARM_UP:])


def _events(lab: Lab, count: int) -> Times:
    """Return milliseconds from an event's acknowledgement to Redis, and to a plain `poll()`."""
    lab.step(f"{count} single events to their window")
    times = Times()
    with lab.deployment(partitions=PARTITIONS, bucket_seconds=300) as d:
        members = Members(d, 1)
        members.wait_for_model()
        subscriber = Subscriber(lab.kafka, d.settings.topic_clicks)
        clicks = Clicks(d.settings, 20)
        for number in range(WARM_UP + count):
            time.sleep(0.02)
            partition = number % PARTITIONS
            clicks.send(number, START_MS, partition).get(timeout=30)
            began = time.perf_counter()
            while members.applied() <= number:
                time.sleep(0.0005)
            times.visible.append((time.perf_counter() - began) * 1000)
            # Alone, the subscriber not waiting beside it: the same kind of event again.
            subscriber.wait_for(b"", 1)
        for number in range(WARM_UP + count):
            time.sleep(0.02)
            clicks.send(number, START_MS, number % PARTITIONS).get(timeout=30)
            began = time.perf_counter()
            subscriber.wait_for(b"", 1)
            times.bare.append((time.perf_counter() - began) * 1000)
        for part in (clicks, subscriber, members):
            part.close()
    return Times(times.visible[WARM_UP:], [], times.bare[WARM_UP:])


def _part(closes: dict[int, Times], events: Times | None) -> Part:
    ratios = []
    for genres, times in closes.items():
        p99, bare99 = percentile(times.visible, 99), percentile(times.bare, 99)
        says = f"{genres:,} genres: close to visible p99, ms"
        if genres in WANTED_MS:
            ratios.append(
                Ratio(
                    f"latency.close_{genres}", says, p99, "lower", WANTED_MS[genres], is_ratio=False
                )
            )
        says = f"{genres:,} genres: close to visible p99, over the empty transaction's"
        ratios.append(
            Ratio(f"latency.transaction_{genres}", says, p99 / bare99, "lower", WANTED_TRANSACTIONS)
        )
        medians = statistics.median(times.visible) / statistics.median(times.bare)
        says = f"{genres:,} genres: close to visible median, over the empty transaction's"
        ratios.append(Ratio(f"latency.median_{genres}", says, medians, "lower"))
    if events is not None:
        to_window = statistics.median(events.visible) / statistics.median(events.bare)
        says = "event to window median, over event to subscriber"
        ratios.append(Ratio("latency.window", says, to_window, "lower"))
    return Part(
        "latency", "Latency", HOW, tuple(ratios), (_table(closes, events),), (_plot(closes),)
    )


def _table(closes: dict[int, Times], events: Times | None) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for genres, times in closes.items():
        name = f"{genres:,} genres"
        rows += [
            _row(f"{name}: close to visible", times.visible),
            _row(f"{name}: end to end, parsed", times.parsed),
            _row(f"{name}: empty transaction", times.bare),
        ]
    if events is not None:
        rows.append(_row("event to window", events.visible))
        rows.append(_row("event to subscriber", events.bare))
    return Table("Milliseconds", ("", "p50", "p99", "largest", "times"), tuple(rows))


def _row(name: str, values: list[float]) -> tuple[Cell, ...]:
    figures = (statistics.median(values), percentile(values, 99), max(values))
    return (name, *figures, len(values))


def _plot(closes: dict[int, Times]) -> Plot:
    series = {
        "close to visible, p99": [(g, percentile(t.visible, 99)) for g, t in closes.items()],
        "close to visible, p50": [(g, statistics.median(t.visible)) for g, t in closes.items()],
        "empty transaction, p99": [(g, percentile(t.bare, 99)) for g, t in closes.items()],
        "empty transaction, p50": [(g, statistics.median(t.bare)) for g, t in closes.items()],
    }
    points = {name: tuple((float(g), ms) for g, ms in each) for name, each in series.items()}
    title = "Latency: from a bucket's close to its forecasts at a subscriber"
    return Plot("lines", title, "genres", "milliseconds", points, log="xy")
