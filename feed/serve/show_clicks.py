"""Follows the clicks topic for the shows' rates: a bounded number a second, the newest of them."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import ValidationError

from contracts.events import IMPRESSION, ClickEvent
from feed.consumers import open_consumer, partitions_of
from feed.errors import (
    FeedLinkRefusedError,
    FeedRefusedError,
    FeedUnavailableError,
    translated,
)
from feed.recommend.shows import RecentShows
from feed.serve import metrics
from feed.serve.recommending import MOST_SHOWS
from feed.serve.service import Service
from feed.serve.settings import ServeSettings
from feed.serve.side_thread import SideThread
from feed.topics import absence

log = logging.getLogger(__name__)

HALF_LIFE_BUCKETS: Final = 30
"""After so many buckets a click counts half: half an hour of minutes."""

PART: Final = "shows"
"""What the service calls this part when it tells what does not work."""

LOOK_SECONDS: Final = 1.0
"""Between two looks, seconds."""

LOOKS_PER_SHOWING: Final = 5
"""Looks after which the rates are shown anew."""

POLL_MS: Final = 200
"""How long one fetch may take, ms."""

FETCH_BYTES: Final = 256 * 1024
"""What is fetched of a partition at once, bytes: most of it may be skipped."""

REQUEST_TIMEOUT_MS: Final = 5_000
"""How long one request to Kafka may take, ms."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the topic found.

    Attributes:
        records: The newest ones, so many at most.
        skipped: How many before them were left out.
    """

    records: list[Any]
    skipped: int


class ClicksTail:
    """Reads the newest clicks of all partitions, what is over the bound left out.

    Raises:
        FeedUnavailableError: Kafka does not answer, or the topic is not there yet.
        FeedRefusedError: Kafka refuses us.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._most = max(1, round(settings.serve_show_clicks_per_second * LOOK_SECONDS))
        topic = settings.topic_clicks
        with translated("connecting to Kafka"):
            self._consumer = open_consumer(
                settings,
                "shows",
                auto_offset_reset="latest",
                max_partition_fetch_bytes=FETCH_BYTES,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
        try:
            with translated(f"reading topic {topic}", "Read", topic):
                self._partitions = partitions_of(self._consumer, topic)
                if not self._partitions:
                    raise FeedUnavailableError(absence(settings, topic))
                self._consumer.assign(self._partitions)
                begins = self._consumer.beginning_offsets(
                    self._partitions, timeout_ms=REQUEST_TIMEOUT_MS
                )
                for partition, offset in begins.items():
                    self._consumer.seek(partition, offset)
                self._skip()
        except BaseException:
            self._consumer.close()
            raise

    def look(self) -> Look:
        """Return what came since the last look."""
        with translated("reading clicks", "Read"):
            records: list[Any] = []
            skipped = self._skip()
            while len(records) < self._most:
                left = self._most - len(records)
                polled = self._consumer.poll(timeout_ms=POLL_MS, max_records=left)
                if not polled:
                    break
                records += [record for some in polled.values() for record in some]
        return Look(records, skipped)

    def _skip(self) -> int:
        """Go on so near to the ends that a look reads the rest; return what is left out."""
        ends = self._consumer.end_offsets(self._partitions, timeout_ms=REQUEST_TIMEOUT_MS)
        places = {tp: self._consumer.position(tp) or 0 for tp in self._partitions}
        waiting = {tp: max(0, ends[tp] - place) for tp, place in places.items()}
        total: int = sum(waiting.values())
        if total <= self._most:
            return 0
        for tp, count in waiting.items():
            # Of each partition the same share, the newest of it.
            self._consumer.seek(tp, ends[tp] - count * self._most // total)
        return total - self._most

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def count_clicks(shows: RecentShows, look: Look, max_event_bytes: int) -> None:
    """Count a look's clicks; those read stand for those skipped, what is no click is none."""
    clicks = 1 + look.skipped / len(look.records) if look.records else 1.0
    for record in look.records:
        if record.value is None or len(record.value) > max_event_bytes:
            continue
        try:
            event = ClickEvent.model_validate_json(record.value)
        except ValidationError:
            continue
        if event.action == IMPRESSION:
            continue
        # A clock ahead must not make all others' clicks old ones.
        time_ms = min(event.event_time, record.timestamp)
        shows.add(event.show_id, event.genres, time_ms, clicks)


class ShowFollower(SideThread):
    """A thread that follows the clicks and hands the shows' rates to the event loop."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("shows", service, loop)
        self._settings = service.settings

    def _run(self) -> None:
        shows = RecentShows(HALF_LIFE_BUCKETS * self._settings.bucket_ms)
        while not self._stop.is_set():
            try:
                with ClicksTail(self._settings) as tail:
                    self._follow(tail, shows)
            except (FeedUnavailableError, FeedLinkRefusedError) as error:
                log.debug("%s", error)  # the follower of forecasts tells of Kafka
                self._stop.wait(LOOK_SECONDS)
            except FeedRefusedError as error:
                self._call(self._service.trouble, PART, str(error))
                self._stop.wait(LOOK_SECONDS)

    def _follow(self, tail: ClicksTail, shows: RecentShows) -> None:
        looks = 0
        while not self._stop.is_set():
            began = time.monotonic()
            look = tail.look()
            metrics.SHOW_CLICKS.labels("read").inc(len(look.records))
            metrics.SHOW_CLICKS.labels("skipped").inc(look.skipped)
            count_clicks(shows, look, self._settings.max_event_bytes)
            if looks % LOOKS_PER_SHOWING == 0:
                self._call(self._service.note_shows, shows.top(MOST_SHOWS))
                self._call(self._service.fine, PART)
            looks += 1
            self._stop.wait(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))
