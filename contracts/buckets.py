"""Bucket arithmetic: tumbling windows `[start, start + bucket_ms)` of event time."""

from typing import Final

DAY_SECONDS: Final = 86_400
"""Seconds in a day: a bucket must divide it, so that days line up."""

DAY_MS: Final = DAY_SECONDS * 1000
"""Milliseconds in a day."""


def bucket_start(event_time_ms: int, bucket_ms: int) -> int:
    """Return the start of the bucket that holds `event_time_ms` (epoch ms).

    >>> bucket_start(119_999, 60_000)
    60000
    """
    return event_time_ms - event_time_ms % bucket_ms


def bucket_end(start_ms: int, bucket_ms: int) -> int:
    """Return the end (exclusive) of the bucket that begins at `start_ms`."""
    return start_ms + bucket_ms


def is_late(event_time_ms: int, watermark_before_ms: int | None, bucket_ms: int) -> bool:
    """Say whether an event's bucket had ended when its record was reached.

    Args:
        event_time_ms: Event time, epoch ms.
        watermark_before_ms: The partition's watermark before this record; None before the first.
        bucket_ms: Bucket length in ms.

    >>> is_late(59_999, 60_000, 60_000), is_late(60_000, 60_000, 60_000)
    (True, False)
    """
    if watermark_before_ms is None:
        return False
    return bucket_end(bucket_start(event_time_ms, bucket_ms), bucket_ms) <= watermark_before_ms
