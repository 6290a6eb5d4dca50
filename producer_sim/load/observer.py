"""Looks at the offsets that a consumer stores, again and again, from outside."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from producer_sim.load.counted import Sighting

LOOK_SECONDS: Final = 0.01
"""Between two looks: how exact "counted" is."""

PAUSE_SECONDS: Final = 1.0
"""After a look that failed."""

ReadOffsets = Callable[[], Mapping[int, int]]
"""Returns the stored offset, the next to read, of each partition; raises what it likes."""


class Observer:
    """Notes when each stored offset was first seen to have moved.

    Args:
        read_offsets: One look.
    """

    def __init__(self, read_offsets: ReadOffsets) -> None:
        self._read_offsets = read_offsets
        self._known: dict[int, int] = {}
        self._lock = threading.Lock()
        self._sightings: list[Sighting] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="offsets", daemon=True)
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PAUSE_SECONDS)

    def take(self) -> list[Sighting]:
        """Return what was seen since the last call."""
        with self._lock:
            taken, self._sightings = self._sightings, []
        return taken

    def look(self, now_s: float, offsets: Mapping[int, int]) -> None:
        """Note what a look saw; offsets that went back are seen when they come forward again."""
        moved = [
            (partition, now_s, offset)
            for partition, offset in offsets.items()
            if offset > self._known.get(partition, 0)
        ]
        self._known.update({partition: offset for partition, _, offset in moved})
        with self._lock:
            self._sightings += moved

    def _look_on(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            try:
                offsets = self._read_offsets()
            except Exception as error:  # noqa: BLE001 (an outage of Redis is told, not fatal)
                self.trouble = f"{type(error).__name__}: {error}"
                pause_s = PAUSE_SECONDS
                continue
            # After the reply: what is in it was stored by then.
            self.look(time.monotonic(), offsets)
            pause_s = LOOK_SECONDS
