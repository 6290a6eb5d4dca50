"""Whole buckets out of committed records that come partition by partition.

A bucket is published in one transaction over several partitions, and a reader gets to its parts
one after the other. The bucket journal's record, in the same transaction, names every genre of the
bucket: once it has been read the bucket is committed, and once a forecast of each genre has been
read too the bucket is whole.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.forecasts import BucketRecord, GenreForecast

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A closed bucket, whole: what the deployment published about it in one transaction.

    Attributes:
        start_ms: Where it begins, epoch ms UTC.
        bucket_seconds: How long it is.
        model_version: Which model forecast from it.
        emitted_at_ms: When it was published, epoch ms UTC.
        forecasts: Per genre its forecast, in the order in which genres first appeared.
        messages: The same as the topic has them, byte for byte, in the same order.
    """

    start_ms: int
    bucket_seconds: int
    model_version: str
    emitted_at_ms: int
    forecasts: Mapping[str, GenreForecast]
    messages: tuple[bytes, ...]


@dataclass(slots=True)
class Assembly:
    """Collects parts of buckets until they are whole.

    Attributes:
        after_ms: Buckets up to this one have been returned, or are not wanted; None for none.
    """

    after_ms: int | None = None
    _parts: dict[int, dict[str, tuple[GenreForecast, bytes]]] = field(default_factory=dict)
    _journal: dict[int, BucketRecord] = field(default_factory=dict)

    def add_forecast(self, forecast: GenreForecast, message: bytes) -> None:
        """Take up a forecast and the message that it was read from."""
        if self._is_wanted(forecast.bucket_start):
            parts = self._parts.setdefault(forecast.bucket_start, {})
            parts[forecast.genre] = (forecast, message)

    def add_journal(self, record: BucketRecord) -> None:
        """Take up a record of the journal."""
        if self._is_wanted(record.bucket_start):
            self._journal[record.bucket_start] = record

    def _is_wanted(self, start_ms: int) -> bool:
        return self.after_ms is None or start_ms > self.after_ms

    def take_whole(self) -> list[Bucket]:
        """Return the buckets that have become whole, in order.

        Forecasts of a genre are in bucket order, and every bucket has every genre known by then:
        what an earlier bucket still lacks when a later one is whole does not come any more (the
        topic no longer keeps it), and it is left out.
        """
        starts = sorted(start for start in self._journal if self._is_whole(start))
        if not starts:
            return []
        whole = [self._assembled(start) for start in starts]
        self.after_ms = starts[-1]
        for start in [start for start in self._journal if start <= self.after_ms]:
            del self._journal[start]
            if start not in starts:
                log.info("bucket %d is not whole on the topic any more: left out", start)
        for start in [start for start in self._parts if start <= self.after_ms]:
            del self._parts[start]
        return whole

    def _is_whole(self, start_ms: int) -> bool:
        return self._journal[start_ms].counts.keys() <= self._parts.get(start_ms, {}).keys()

    def _assembled(self, start_ms: int) -> Bucket:
        record, parts = self._journal[start_ms], self._parts.get(start_ms, {})
        return Bucket(
            start_ms=start_ms,
            bucket_seconds=record.bucket_seconds,
            model_version=record.model_version,
            emitted_at_ms=record.emitted_at,
            forecasts={genre: parts[genre][0] for genre in record.counts},
            messages=tuple(parts[genre][1] for genre in record.counts),
        )
