"""Server-sent events as bytes: each forecast is written once, whoever reads it."""

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any, Final

import orjson

from feed.serve.kept import KeptBucket

BLOCK_BYTES: Final = 64 * 1024
"""About how much is handed to a connection at once: what waits for a slow reader stays small."""

_HEAD: Final = b"event: forecast\ndata: "
_END: Final = b"\n\n"

HEARTBEAT: Final = b": alive\n\n"
"""A comment that keeps proxies from closing a quiet stream."""


def event(name: str, content: dict[str, Any], event_id: int | None = None) -> bytes:
    """Return an event; `content` becomes one line of JSON."""
    head = f"event: {name}\n" + ("" if event_id is None else f"id: {event_id}\n")
    return head.encode() + b"data: " + orjson.dumps(content) + b"\n\n"


class BucketEvents:
    """The events of one bucket: a forecast per genre, then the bucket, the resume point."""

    def __init__(self, bucket: KeptBucket) -> None:
        self._bucket = bucket
        self._forecasts = [_HEAD + message + _END for message in bucket.messages()]

    def messages(self) -> list[bytes]:
        """Return the messages as on the topic, in the order of the bucket's rows."""
        return [one[len(_HEAD) : -len(_END)] for one in self._forecasts]

    def blocks(self, genres: Collection[str] | None) -> tuple[bytes, ...]:
        """Return what a reader of these genres, or of all, is sent; shared where it is for all."""
        if genres is None:
            return self._whole
        row = self._bucket.genres.row
        return self._blocks_of([self._forecasts[row[g]] for g in sorted(genres) if g in row])

    @cached_property
    def _whole(self) -> tuple[bytes, ...]:
        return self._blocks_of(self._forecasts)

    def _blocks_of(self, forecasts: list[bytes]) -> tuple[bytes, ...]:
        start = self._bucket.start_ms
        end = event("bucket", {"bucket_start": start, "genres": len(forecasts)}, start)
        return tuple(_blocks([*forecasts, end]))


def _blocks(events: list[bytes]) -> Iterator[bytes]:
    block: list[bytes] = []
    size = 0
    for one in events:
        block.append(one)
        size += len(one)
        if size >= BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    if block:
        yield b"".join(block)
