"""AsyncForecastFeed: `ForecastFeed` for asyncio, with the same names.

The Kafka client blocks, so the feed lives on a thread of its own; the event loop only waits.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from contracts.forecasts import GenreForecast
from contracts.settings import Settings
from feed.assembly import Bucket
from feed.client import POLL_MS, RETRY_SECONDS, Begin, Complaint, ForecastFeed
from feed.errors import FeedUnavailableError

T = TypeVar("T")


class AsyncForecastFeed:
    """Whole buckets of committed forecasts, in order; used from one task.

    Example:
        ```python
        async with AsyncForecastFeed(Settings(), genres=["crime"]) as feed:
            async for forecast in feed:
                print(forecast.genre, forecast.horizon[0].quantiles["0.5"])
        ```
    """

    def __init__(
        self,
        settings: Settings,
        *,
        genres: Collection[str] | None = None,
        begin: Begin | int = "newest",
        position: Path | str | int | None = None,
    ) -> None:
        """Prepare to subscribe, see `ForecastFeed`; it connects on `async with`."""
        self._open = partial(ForecastFeed, settings, genres=genres, begin=begin, position=position)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forecast-feed")
        self._feed: ForecastFeed | None = None

    async def __aenter__(self) -> Self:
        """Subscribe; raises what `ForecastFeed` raises."""
        try:
            self._feed = await self._on_thread(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _on_thread(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    def _opened(self) -> ForecastFeed:
        if self._feed is None:
            raise RuntimeError("the feed is not open: use it in `async with`")
        return self._feed

    async def poll(self, timeout_ms: int) -> list[Bucket]:
        """See `ForecastFeed.poll`."""
        return await self._on_thread(partial(self._opened().poll, timeout_ms))

    async def is_at_end(self) -> bool:
        """See `ForecastFeed.is_at_end`."""
        return await self._on_thread(self._opened().is_at_end)

    async def buckets(self) -> AsyncIterator[Bucket]:
        """See `ForecastFeed.buckets`."""
        complain = Complaint()
        while True:
            try:
                whole = await self.poll(POLL_MS)
            except FeedUnavailableError as error:
                complain(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for bucket in whole:
                yield bucket
                await self.done(bucket)

    async def done(self, bucket: Bucket) -> None:
        """See `ForecastFeed.done`."""
        await self._on_thread(partial(self._opened().done, bucket))

    async def __aiter__(self) -> AsyncIterator[GenreForecast]:
        """Yield the forecasts of whole buckets without end."""
        async for bucket in self.buckets():
            for forecast in bucket.forecasts.values():
                yield forecast

    async def close(self) -> None:
        """Close the connections, once a look that is under way has ended."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            await self._on_thread(feed.close)
        self._thread.shutdown(wait=False)
