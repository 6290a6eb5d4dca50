"""From the record that closes a bucket to its forecasts at a `read_committed` subscriber.

    uv run python -m bench.latency --genres 20 --buckets 150

A real `genrecast consume` with the shipped model; one producer writes a bucket's events over all
partitions, then the records that close it. The clock runs from Kafka's acknowledgement of these
until a subscriber holds the forecasts of every genre: reading, applying, closing, the LSTM's step
and the transaction. Beside it, in the same run: a transaction with as many records and bytes that
nobody computed anything for, until the same kind of subscriber holds it.
"""

import statistics
import time
from typing import Final

import orjson
from kafka import KafkaProducer

from bench._running import options_of, percentile, running, say, write_figures
from contracts.settings import Settings
from feed.client import ForecastFeed
from tests.deployment import Deployment

START_MS: Final = 1_767_571_200_000
BUCKET_SECONDS: Final = 300
PARTITIONS: Final = 8
WARM_UP: Final = 10
PAUSE_SECONDS: Final = 0.15


def event(number: int, time_ms: int, genre: str) -> bytes:
    return orjson.dumps(
        {
            "event_id": str(number), "event_time": time_ms, "user_id": f"u{number % 97}",
            "show_id": "s", "genres": [genre],
        }
    )  # fmt: skip


def close_bucket(producer: KafkaProducer, settings: Settings, index: int, genres: int) -> None:
    """Write a bucket's events and what closes it; return when Kafka has acknowledged all."""
    start = START_MS + index * settings.bucket_ms
    for g in range(genres):
        value = event(g, start + 1000 * g, f"genre {g}")
        producer.send(settings.topic_clicks, value, partition=g % PARTITIONS)
    producer.flush()
    time.sleep(PAUSE_SECONDS)
    closing_ms = start + settings.bucket_ms + settings.max_out_of_orderness_ms
    futures = [
        producer.send(
            settings.topic_clicks, event(p, closing_ms, f"genre {p % genres}"), partition=p
        )
        for p in range(PARTITIONS)
    ]
    for future in futures:
        future.get(timeout=30)


def wait_for(feed: ForecastFeed, bucket_ms: int, genres: int) -> list[bytes]:
    """Return a bucket's forecasts, as JSON, once all of them were seen."""
    seen: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(seen) < genres:
        if time.monotonic() > deadline:
            raise SystemExit(f"bucket {bucket_ms}: {len(seen)} of {genres} forecasts in 60 s")
        for forecast in feed.poll(1000):
            if forecast.bucket_start == bucket_ms:
                seen.append(forecast.model_dump_json().encode())
    return seen


def measure(d: Deployment, genres: int, buckets: int) -> tuple[list[float], list[float]]:
    """Return milliseconds of every bucket, and of as many bare transactions."""
    settings = d.settings
    d.start("consume")
    producer = KafkaProducer(bootstrap_servers=d.kafka_bootstrap, linger_ms=0)
    took: list[float] = []
    messages: list[bytes] = []
    with ForecastFeed(settings) as feed:
        say("waiting for the forecaster to load its model")
        for index in range(WARM_UP + buckets):
            close_bucket(producer, settings, index, genres)
            began = time.perf_counter()
            messages = wait_for(feed, START_MS + index * settings.bucket_ms, genres)
            took.append((time.perf_counter() - began) * 1000)
    producer.close()
    d.end()
    return took[WARM_UP:], bare_transactions(d, messages, buckets)


def bare_transactions(d: Deployment, messages: list[bytes], count: int) -> list[float]:
    say("the same bytes in transactions that nobody computed")
    topic = d.settings.topic_forecasts
    producer = KafkaProducer(
        bootstrap_servers=d.kafka_bootstrap, linger_ms=0, transactional_id=f"bench-{topic}"
    )
    producer.init_transactions()
    took = []
    with ForecastFeed(d.settings) as feed:
        for _ in range(count):
            time.sleep(PAUSE_SECONDS)
            began = time.perf_counter()
            producer.begin_transaction()
            for number, message in enumerate(messages):
                producer.send(topic, message, key=f"genre {number}".encode())
            producer.commit_transaction()
            seen = 0
            while seen < len(messages):
                seen += len(feed.poll(1000))
            took.append((time.perf_counter() - began) * 1000)
    producer.close()
    return took


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--genres", type=int, default=20)
    parser.add_argument("--buckets", type=int, default=150)
    asked = parser.parse_args()
    with running(asked, bucket_seconds=BUCKET_SECONDS) as d:
        closed, bare = measure(d, asked.genres, asked.buckets)
    print(f"{asked.genres} genres, {asked.buckets} buckets, ms")
    print(f"{'':<36} {'median':>7} {'p99':>7}")
    for name, values in (("close to published, seen", closed), ("bare transaction, seen", bare)):
        print(f"{name:<36} {statistics.median(values):>7.1f} {percentile(values, 99):>7.1f}")
    ratio = statistics.median(closed) / statistics.median(bare)
    print(f"{'ratio of medians':<36} {ratio:>7.2f}")
    figures = {"genres": asked.genres, "close_ms": closed, "bare_transaction_ms": bare}
    write_figures("latency", figures)


if __name__ == "__main__":
    main()
