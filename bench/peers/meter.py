"""What every peer is measured with: its own CPU from its first event to its last."""

import json
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CLOSER: Final = "bench closer"
"""Genre of the records after the measured ones: they let event-time windows close."""

BUCKET_MS: Final = 60_000
"""The buckets of the job, ms."""

Counts = Iterable[tuple[str, int, int]]
"""Genre, bucket start in epoch ms, events."""


def run_name(out: str) -> str:
    """Return a name that no other run has: committed offsets and state of another are not ours."""
    return f"bench-{Path(out).parent.name}"


class Meter:
    """CPU seconds of this process, all its threads, from `begin` to `end`."""

    def __init__(self) -> None:
        self._cpu = self._wall = 0.0
        self.has_begun = False

    def begin(self) -> None:
        """The first event is here; what came before is start-up."""
        self.has_begun = True
        self._cpu, self._wall = _cpu_seconds(), time.monotonic()

    def end(self, out: str, counts: Counts) -> None:
        """The last event has been counted: leave figures and counts in a file."""
        cpu, wall = _cpu_seconds() - self._cpu, time.monotonic() - self._wall
        by_genre: dict[str, dict[str, int]] = {}
        for genre, start_ms, count in counts:
            if genre != CLOSER:
                by_genre.setdefault(genre, {})[str(start_ms)] = count
        found = {"cpu_seconds": cpu, "wall_seconds": wall, "counts": by_genre}
        Path(out).write_text(json.dumps(found), encoding="utf-8")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
