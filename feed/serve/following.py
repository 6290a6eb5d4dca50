"""One thread follows the topic and hands whole buckets to the event loop."""

import asyncio
from typing import Final

from contracts.clock import to_ms
from feed.client import ForecastFeed
from feed.errors import FeedRefusedError, FeedUnavailableError
from feed.serve.kept import GenreRows, keep
from feed.serve.service import Service
from feed.serve.side_thread import SideThread

POLL_SECONDS: Final = 0.25
"""How long a look for records may take, seconds: how soon the thread sees that it shall end."""

RETRY_SECONDS: Final = 1.0
"""Pause before Kafka is asked again, seconds."""


class Follower(SideThread):
    """Reads from the newest buckets that the board can hold to its end, then what comes."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("follower", service, loop)
        self._genres: GenreRows | None = None
        self._has_caught_up = False

    def _run(self) -> None:
        feed: ForecastFeed | None = None
        while not self._stop.is_set():
            try:
                feed = feed or self._open()
                self._follow(feed)
            except (FeedUnavailableError, FeedRefusedError) as error:
                self._call(self._service.trouble, "kafka", str(error))
                self._stop.wait(RETRY_SECONDS)
        if feed is not None:
            feed.close()

    def _open(self) -> ForecastFeed:
        """Return a feed that begins with the oldest bucket that the board has room for."""
        settings = self._service.settings
        count = settings.window_buckets
        with ForecastFeed(settings) as newest:
            buckets = newest.poll(to_ms(POLL_SECONDS))
            while not buckets and not self._stop.is_set() and not newest.is_at_end():
                buckets = newest.poll(to_ms(POLL_SECONDS))
            if buckets:
                # Genres, and with them the size of a bucket, only grow.
                size = max(1, keep(buckets[-1]).nbytes)
                count = max(1, min(count, settings.board_bytes // size))
        return ForecastFeed(settings, begin=count)

    def _follow(self, feed: ForecastFeed) -> None:
        while not self._stop.is_set():
            for bucket in feed.poll(to_ms(POLL_SECONDS)):
                kept = keep(bucket, self._genres)
                self._genres = kept.genres
                self._call(self._service.add, kept)
            self._has_caught_up = self._has_caught_up or feed.is_at_end()
            if self._has_caught_up:
                self._call(self._service.filled)
