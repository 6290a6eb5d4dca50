"""Repeated events: which event ids were counted in a partition's open buckets.

A producer that sends an event again sends it to the same partition when it keys by user, as usual.
Each id is kept as a 16-byte digest, here and in Redis, until its bucket is published: whatever
comes for that bucket later is late anyway.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final, Self

DIGEST_BYTES: Final = 16
"""Bytes kept per event id: two of 10^9 ids fall together with a probability of 10^-21."""

Fresh = Mapping[int, bytes]
"""Digests of event ids first seen in a batch, joined, by bucket start ms."""


def digest(event_id: str) -> bytes:
    """Return what is kept of an event id."""
    return blake2b(event_id.encode(), digest_size=DIGEST_BYTES).digest()


class Seen:
    """Digests by bucket, of one partition; `after` looks at what a batch would add, without it."""

    def __init__(self, stored: Fresh | None = None, before: Self | None = None) -> None:
        self._before = before
        self._by_bucket: dict[int, set[bytes]] = {}
        self.add(stored or {})

    def has(self, bucket_ms: int, key: bytes) -> bool:
        """Say whether an event id was counted in a bucket."""
        if key in self._by_bucket.get(bucket_ms, ()):
            return True
        return self._before is not None and self._before.has(bucket_ms, key)

    def add(self, fresh: Fresh) -> None:
        """Take up what a batch has added, now that Redis holds it."""
        for bucket_ms, joined in fresh.items():
            keys = (joined[i : i + DIGEST_BYTES] for i in range(0, len(joined), DIGEST_BYTES))
            self._by_bucket.setdefault(bucket_ms, set()).update(keys)

    def after(self, fresh: Fresh) -> "Seen":
        """Return what will be seen once a batch is applied."""
        return Seen(fresh, self)

    def forget(self, closed_ms: int) -> None:
        """Drop buckets up to this one: what comes for them is late."""
        for bucket_ms in [bucket for bucket in self._by_bucket if bucket <= closed_ms]:
            del self._by_bucket[bucket_ms]

    def sift(self, events: Iterable[tuple[int, str]]) -> tuple[list[bool], dict[int, bytes]]:
        """Tell repeated events from new ones.

        Args:
            events: (bucket start ms, event id), in log order.

        Returns:
            Whether each is repeated; the new digests of every bucket touched, if by repeated
            events only an empty string.
        """
        fresh: dict[int, dict[bytes, None]] = {}
        is_repeated = []
        for bucket_ms, event_id in events:
            key = digest(event_id)
            held = fresh.setdefault(bucket_ms, {})
            known = key in held or self.has(bucket_ms, key)
            is_repeated.append(known)
            if not known:
                held[key] = None
        return is_repeated, {bucket: b"".join(held) for bucket, held in fresh.items()}
