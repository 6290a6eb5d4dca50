"""What `dedup` costs: CPU per event, bytes per event id in the consumer and in Redis.

    python -m bench.dedup --events 400000

The same events are aggregated with and without it, 20,000 at a time as the loop does, round by
round in one process; what Redis holds is asked before and after the batches are applied to it.
"""

import argparse
import gc
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import redis
from pydantic import SecretStr

from bench.lab import Teller
from consumer.aggregate import aggregate_records
from consumer.dedup import Seen
from contracts.settings import Settings
from stack.runner import Stack
from state.redis_store import RedisStore
from state.store import Batch

START_MS: Final = 1_767_571_200_000
POLL: Final = 20_000


@dataclass(slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def polls(events: int) -> Iterator[list[Rec]]:
    """Events of ten minutes, none of them repeated."""
    step = 600_000 / events
    for first in range(0, events, POLL):
        yield [
            Rec(
                offset=n,
                timestamp=START_MS + int(n * step),
                key=None,
                value=orjson.dumps(
                    {
                        "event_id": f"{n:032x}", "event_time": START_MS + int(n * step),
                        "user_id": f"u{n % 997}", "show_id": "s", "genres": ["crime", "noir"],
                    }
                ),
            )
            for n in range(first, min(first + POLL, events))
        ]  # fmt: skip


def count(batches: list[list[Rec]], settings: Settings, seen: Seen | None) -> list[Batch]:
    made, watermark = [], None
    for records in batches:
        span = (records[0].offset, records[-1].offset + 1)
        batch = aggregate_records(
            records, partition=0, span=span, watermark_ms=watermark, settings=settings, seen=seen
        ).batch
        if seen is not None:
            seen.add(batch.event_ids)
        watermark = batch.watermark_ms
        made.append(batch)
    return made


def cpu_microseconds(batches: list[list[Rec]], settings: Settings, *, dedup: bool) -> float:
    gc.collect()
    began = time.process_time()
    count(batches, settings, Seen() if dedup else None)
    return (time.process_time() - began) * 1e6 / sum(map(len, batches))


def consumer_bytes(batches: list[list[Rec]], settings: Settings) -> float:
    ids = [batch.event_ids for batch in count(batches, settings, Seen())]
    tracemalloc.start()
    seen = Seen()
    for some in ids:
        seen.add(some)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / sum(map(len, batches))


def redis_bytes(batches: list[list[Rec]], settings: Settings) -> float:
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-bench-") as directory,
        Stack(Path(directory), 0, redis_port=0, dies_with_parent=True) as stack,
    ):
        url = stack.endpoints.redis_url
        store = RedisStore.connect(settings.model_copy(update={"redis_url": SecretStr(url)}))
        store.open()
        with redis.Redis.from_url(url) as client:
            before = int(client.info("memory")["used_memory"])
            for batch in count(batches, settings, Seen()):
                store.apply(batch)
            after = int(client.info("memory")["used_memory"])
        store.close()
    return (after - before) / sum(map(len, batches))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    settings = Settings()
    teller = Teller()
    teller.step(f"making {asked.events:,} events")
    batches = list(polls(asked.events))
    rounds = [
        (
            cpu_microseconds(batches, settings, dedup=False),
            cpu_microseconds(batches, settings, dedup=True),
        )
        for _ in range(asked.rounds)
    ]
    without = statistics.median(a for a, _ in rounds)
    with_it = statistics.median(b for _, b in rounds)
    ratio = statistics.median(b / a for a, b in rounds)
    teller.step("asking Redis")
    figures = {
        "microseconds_without": without,
        "microseconds_with": with_it,
        "ratio": ratio,
        "consumer_bytes_per_id": consumer_bytes(batches, settings),
        "redis_bytes_per_id": redis_bytes(batches, settings),
    }
    print(f"decode and aggregate, CPU µs an event: {without:.2f} without, {with_it:.2f} with dedup")
    print(f"ratio: {ratio:.2f}")
    print("bytes per event id of open buckets:", end=" ")
    print("{consumer_bytes_per_id:.0f} consumer, {redis_bytes_per_id:.0f} Redis".format(**figures))


if __name__ == "__main__":
    main()
