"""What a deployment keeps in Redis, by what it grows with."""

from typing import Final

import numpy as np
import redis

from bench.results import Cell, Table
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from model.registry import load_live_forecaster
from state.redis_store import RedisStore
from state.scripted import key_prefix
from state.store import Batch, Sealed

BUCKETS: Final = 48
"""Closed buckets that the window's bytes are taken over."""

SIZES: Final = (100, 1_000, 10_000)
"""Genres."""

CLICKS: Final = 20.0
"""Mean clicks of a genre and bucket; every measure is there."""


def memory_table(client: "redis.Redis", settings: Settings) -> Table:
    """Fill deployments of some sizes and ask Redis for the bytes of their keys."""
    forecaster, _ = load_live_forecaster(settings)
    state_bytes = forecaster.state_width * 4
    rows: list[tuple[Cell, ...]] = []
    for genres in SIZES:
        own = settings.model_copy(update={"app": f"{settings.app}-{genres}"})
        store = RedisStore.connect(own)
        store.open()
        _fill(store, own, genres)
        used = _bytes_of(client, key_prefix(own.app))
        newest = store.read_open()
        names = used["genres"] + used["genre_order"]
        rows.append(
            (
                f"{genres:,} genres", used["window"] / (genres * BUCKETS),
                used["bucket"] / (genres * len(newest)), names / genres, state_bytes,
            )
        )  # fmt: skip
        store.close()
    columns = (
        "bytes", "window, a genre and bucket", "open bucket, a genre", "names, a genre",
        "model's state, a genre",
    )  # fmt: skip
    return Table("Redis memory", columns, tuple(rows))


def _fill(store: RedisStore, settings: Settings, genres: int) -> None:
    """Close buckets, and leave one open."""
    rng = np.random.default_rng(0)
    names = [f"genre-{n:05d}" for n in range(genres)]
    published: int | None = None
    for number in range(BUCKETS + 1):
        start_ms = number * settings.bucket_ms
        clicks = rng.poisson(CLICKS, genres)
        cells = np.zeros((genres, MEASURE_COUNT), np.int64)
        cells[:, 0] = clicks
        cells[:, 1] = rng.poisson(600_000 * clicks)
        cells[:, 2], cells[:, 4] = clicks, clicks
        cells[:, 3] = rng.poisson(35 * clicks)
        cells[:, 5] = rng.binomial(clicks, 0.5)
        cells[:, 6] = clicks - cells[:, 5]
        for first in range(0, genres, 2_000):
            own = {
                (start_ms, names[g]): tuple(cells[g].tolist())
                for g in range(first, min(first + 2_000, genres))
            }
            at = number * 100 + first // 2_000
            expected = store.read_progress().offsets.get(0, 0)
            store.apply(Batch(0, expected, at + 1, None, start_ms, cells=own))
        sealed = store.seal(partition_count=1, now_ms=0, expect_published_ms=published)
        if isinstance(sealed, Sealed):
            store.commit(sealed)
            published = sealed.bucket_ms


def _bytes_of(client: "redis.Redis", prefix: str) -> dict[str, int]:
    """Return `MEMORY USAGE` of a deployment's keys, by what comes before a colon in their names."""
    used: dict[str, int] = {}
    for key in client.scan_iter(match=f"{prefix}*", count=1000):
        name = key.decode().removeprefix(prefix).partition(":")[0]
        used[name] = used.get(name, 0) + int(client.memory_usage(key, samples=0) or 0)
    return used
