"""The stream: server-sent events to one reader, who may be slow.

A reader has no queue. It has a place, the last bucket that it was sent, and takes the next one from
the board when its connection has room. So a slow reader costs one block of bytes, whatever happens
meanwhile: when it is far behind it gets a `gap` and the newest bucket, which has the latest
forecast of every genre.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from contracts.clock import MS_PER_SECOND
from feed.serve import metrics
from feed.serve.events import HEARTBEAT, event
from feed.serve.kept import KeptBucket
from feed.serve.service import Service
from feed.serve.standing import Standing

HEARTBEAT_SECONDS: Final = 15.0
"""A reader to whom nothing was sent for so long is sent a comment, seconds."""

HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
"""Of the answer; the last one keeps nginx from collecting events."""


class Reader:
    """One reader's place, and what it is sent next.

    Args:
        service: Where buckets and standing are.
        genres: What it wants, None for all.
        last_start_ms: The last bucket that it says it has; None to begin with the newest.
    """

    def __init__(
        self, service: Service, genres: Collection[str] | None, last_start_ms: int | None
    ) -> None:
        self._service = service
        self._genres = genres
        self._place = last_start_ms
        self._caught_up_at: int | None = None
        self._told: Standing | None = None
        self._alerts_told = service.alerts.told

    def standing(self) -> bytes | None:
        """Return the standing as an event, when it has changed."""
        standing = self._service.standing
        if standing == self._told:
            return None
        self._told = standing
        return event("status", {"is_stale": standing.is_stale, "problem": standing.problem})

    def alerts(self) -> bytes | None:
        """Return what was raised and cleared since the last look, as events."""
        board, place = self._service.alerts, self._alerts_told
        if board.told == place:
            return None
        self._alerts_told = board.told
        wanted = (
            event("alert", alert.model_dump(mode="json"))
            for alert in board.after(place)
            if self._genres is None or alert.genre in self._genres
        )
        return b"".join(wanted) or None

    def advance(self) -> tuple[bytes | None, KeptBucket | None]:
        """Go on to the next bucket: return a gap before it, if there is one, and it."""
        board, newest = self._service.board, self._service.board.newest
        if newest is None or not self._service.is_filled:
            return None, None
        if self._caught_up_at is None:
            self._begin(newest)
        if self._place is None:
            self._place = newest.start_ms
            return None, newest
        following = board.after(self._place)
        if following is None:
            return None, None
        if self._is_too_far_behind():
            return self._skip_to(newest)
        self._place = following.start_ms
        return None, following

    def _begin(self, newest: KeptBucket) -> None:
        """Take up to here what was asked for; an id that is yet to come is of another topic."""
        self._caught_up_at = newest.start_ms
        if self._place is not None and self._place > newest.start_ms:
            self._place = None

    def _is_too_far_behind(self) -> bool:
        """Say whether what follows is kept no more, or too much for a live reader."""
        board, place = self._service.board, self._place or 0
        oldest = board.oldest
        if oldest is not None and place < oldest.start_ms - oldest.bucket_ms:
            return True
        is_live = place >= (self._caught_up_at or 0)
        return (
            is_live and board.count_after(place) > self._service.settings.serve_max_buckets_behind
        )

    def _skip_to(self, newest: KeptBucket) -> tuple[bytes | None, KeptBucket]:
        """Leave out what lies before the newest bucket, and say so."""
        first = (self._place or 0) + newest.bucket_ms
        count = max(0, (newest.start_ms - first) // newest.bucket_ms)
        self._place = newest.start_ms
        if not count:
            return None, newest
        self._service.note_conflated(count)
        last = newest.start_ms - newest.bucket_ms
        return event("gap", {"from": first, "to": last, "buckets": count}), newest

    def is_live(self, bucket: KeptBucket) -> bool:
        """Say whether a bucket came while the reader was there, not before."""
        return bucket.start_ms > (self._caught_up_at or 0)

    def blocks(self, bucket: KeptBucket) -> tuple[bytes, ...]:
        """Return a bucket's events for this reader."""
        return self._service.board.events(bucket).blocks(self._genres)


class ForecastStream(Response):
    """Sends what the reader is to have until it goes, or the service ends."""

    def __init__(self, service: Service, reader: Reader, address: str) -> None:
        super().__init__()
        self._service = service
        self._reader = reader
        self._address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: see `starlette.responses.Response`."""
        self._send = send
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": list(HEADERS)})
        sending = asyncio.create_task(self._run())
        leaving = asyncio.create_task(_left(receive))
        self._service.enter(self._address)
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._service.leave(self._address)
            leaving.cancel()
            sending.cancel()
        if sending.done():
            sending.result()

    async def _run(self) -> None:
        while not self._service.is_closing:
            news = self._service.news.next
            if not await self._send_next():
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await news.wait()
                except TimeoutError:
                    await self._write(HEARTBEAT)
        await self._write(b"", is_last=True)

    async def _send_next(self) -> bool:
        """Send what is new; False when nothing is."""
        standing = self._reader.standing()
        if standing is not None:
            await self._write(standing)
        alerts = self._reader.alerts()
        if alerts is not None:
            await self._write(alerts)
        gap, bucket = self._reader.advance()
        if gap is not None:
            await self._write(gap)
        if bucket is None:
            return standing is not None or alerts is not None
        for block in self._reader.blocks(bucket):
            if self._service.is_closing:
                return False
            await self._write(block)
        if self._reader.is_live(bucket):
            late_ms = self._service.wall_clock_ms() - bucket.emitted_at_ms
            metrics.SENT_SECONDS.observe(max(0, late_ms) / MS_PER_SECOND)
        return True

    async def _write(self, block: bytes, *, is_last: bool = False) -> None:
        """Hand bytes to the connection; waits while it is full. The guard ends a wait too long."""
        await self._send({"type": "http.response.body", "body": block, "more_body": not is_last})


async def _left(receive: Receive) -> None:
    """Return when the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
