"""Which partition a key belongs to, as every Kafka client chooses it, remembered per key."""

from typing import Final

from kafka.partitioner.default import murmur2

MOST_REMEMBERED: Final = 1_000_000
"""Keys remembered before it begins anew."""


class KeyPartitions:
    """Partitions of keys on a topic; the hash in Python costs more than all else of a record."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._of: dict[bytes, int] = {}

    def of(self, key: bytes) -> int:
        """Return a key's partition."""
        known = self._of.get(key)
        if known is None:
            if len(self._of) >= MOST_REMEMBERED:
                self._of.clear()
            known = self._of[key] = (murmur2(key) & 0x7FFFFFFF) % self.count
        return known
