"""The board: the newest buckets, as many as fit into a budget of bytes; one thread's own."""

import bisect
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from feed.serve.events import BucketEvents
from feed.serve.kept import KeptBucket

READY_BUCKETS: Final = 4
"""Buckets whose events are kept ready to send, beside the budget: readers are mostly at these."""


@dataclass(slots=True)
class Board:
    """Buckets in order, without doubles; the oldest go when the budget is used up.

    The newest bucket always stays: it has the latest forecast of every genre.

    Attributes:
        budget_bytes: What the buckets may take.
        most_buckets: How many are kept at most.
    """

    budget_bytes: int
    most_buckets: int
    _kept: deque[KeptBucket] = field(default_factory=deque)
    _nbytes: int = 0
    _ready: OrderedDict[int, BucketEvents] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[KeptBucket]:
        """Iterate from the oldest to the newest."""
        return iter(self._kept)

    @property
    def nbytes(self) -> int:
        """What the buckets take, bytes."""
        return self._nbytes

    @property
    def newest(self) -> KeptBucket | None:
        """The newest bucket; None before the first one."""
        return self._kept[-1] if self._kept else None

    @property
    def oldest(self) -> KeptBucket | None:
        """The oldest bucket that is kept."""
        return self._kept[0] if self._kept else None

    def add(self, bucket: KeptBucket) -> bool:
        """Take up the next bucket; False when it is not newer than the newest."""
        if self.newest is not None and bucket.start_ms <= self.newest.start_ms:
            return False
        self._kept.append(bucket)
        self._nbytes += bucket.nbytes
        while len(self._kept) > 1 and self._is_over():
            self._nbytes -= self._kept.popleft().nbytes
        return True

    def _is_over(self) -> bool:
        return self._nbytes > self.budget_bytes or len(self._kept) > self.most_buckets

    def at(self, moment_ms: int) -> KeptBucket | None:
        """Return the bucket that contains a moment; None when it is not kept."""
        place = bisect.bisect_right(self._kept, moment_ms, key=lambda kept: kept.start_ms) - 1
        if place < 0:
            return None
        found = self._kept[place]
        return found if moment_ms < found.start_ms + found.bucket_ms else None

    def after(self, start_ms: int) -> KeptBucket | None:
        """Return the first kept bucket that begins after `start_ms`."""
        place = bisect.bisect_right(self._kept, start_ms, key=lambda kept: kept.start_ms)
        return self._kept[place] if place < len(self._kept) else None

    def count_after(self, start_ms: int) -> int:
        """Return how many kept buckets begin after `start_ms`."""
        place = bisect.bisect_right(self._kept, start_ms, key=lambda kept: kept.start_ms)
        return len(self._kept) - place

    def last(self, count: int) -> list[KeptBucket]:
        """Return the newest `count` buckets, or all, oldest first."""
        skipped = max(0, len(self._kept) - count)
        return [kept for place, kept in enumerate(self._kept) if place >= skipped]

    def events(self, bucket: KeptBucket) -> BucketEvents:
        """Return a bucket's events, the same object for all who ask while it is in use."""
        ready = self._ready.get(bucket.start_ms)
        if ready is None:
            ready = self._ready[bucket.start_ms] = BucketEvents(bucket)
            while len(self._ready) > READY_BUCKETS:
                self._ready.popitem(last=False)
        self._ready.move_to_end(bucket.start_ms)
        return ready
