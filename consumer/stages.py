"""How long each stage of some work takes: measured once, for metrics, the log and traces."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from contracts.clock import wall_clock_ns


@dataclass(slots=True)
class Stages:
    """Stages of one bucket or one batch, from when it is made.

    Attributes:
        began_ns: When it began, epoch ns.
        done: Per stage that has ended, in that order: when it began and ended, seconds from then.
    """

    monotonic: Callable[[], float] = time.perf_counter
    began_ns: int = field(default_factory=wall_clock_ns)
    done: dict[str, tuple[float, float]] = field(default_factory=dict)
    _zero: float = field(init=False)

    def __post_init__(self) -> None:
        self._zero = self.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage; one that fails has ended too."""
        began = self.monotonic() - self._zero
        try:
            yield
        finally:
            self.done[name] = (began, self.monotonic() - self._zero)

    def seconds(self, name: str) -> float:
        """Return how long a stage took, 0 when it was not come to."""
        began, ended = self.done.get(name, (0.0, 0.0))
        return ended - began
