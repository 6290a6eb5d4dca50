"""`genrecast serve` under load: its topic filled a bucket a second, users with tastes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

import numpy as np

from bench.lab import BenchError
from state.redis_tastes import RedisTastes
from state.taste_store import ENTRY, HEAD, TasteBatch
from tests.forecast_topic import Published

GENRES: Final = tuple(f"genre {number}" for number in range(20))
"""Of every bucket that is published."""

BUCKET_EVERY_SECONDS: Final = 1.0

USERS_AT_ONCE: Final = 2_000
"""Users whose tastes are written in one call, about as many as a poll has."""


@contextmanager
def buckets_coming(published: Published) -> Iterator[None]:
    """Publish a bucket a second beside the block."""
    stop = Event()

    def publish() -> None:
        while not stop.wait(BUCKET_EVERY_SECONDS):
            published.publish(GENRES)

    thread = Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def write_tastes(
    tastes: RedisTastes, users: Sequence[str], genres: Sequence[str], latest_ms: int
) -> None:
    """Write a taste for each user as the consumer does, into a store that has none yet.

    Args:
        tastes: The store.
        users: Whose.
        genres: Of every taste; affinities are drawn from 0 to 1.
        latest_ms: Everybody's latest click, epoch ms.

    Raises:
        BenchError: The store does not take them.
    """
    draw = np.random.default_rng(len(genres))
    for begin in range(0, len(users), USERS_AT_ONCE):
        some = users[begin : begin + USERS_AT_ONCE]
        records = np.empty((len(some), len(genres) + 1), ENTRY)
        records["number"] = [HEAD, *range(len(genres))]
        records["amount"] = draw.random(records.shape)
        records["amount"][:, 0] = latest_ms
        batch = TasteBatch(
            "0",
            begin or None,
            begin + len(some),
            genres=genres if begin else (),
            new_genres=() if begin else genres,
            users=some,
            entries=records.ravel(),
        )
        written = tastes.write(batch)
        if written != "written":
            raise BenchError(f"tastes are not written: {written}")
