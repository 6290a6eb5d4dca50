"""Latencies in HdrHistograms: in all, and second by second; the only import of `hdrh`."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

Floats = NDArray[np.float64]

UNITS_PER_SECOND: Final = 10_000
"""Resolution: tenths of a millisecond, rounded up."""

LONGEST_UNITS: Final = 3_600 * UNITS_PER_SECOND
"""Longest latency told apart: an hour."""

DIGITS: Final = 3
"""Significant digits of the histogram of the whole."""

DIGITS_PER_SECOND: Final = 2
"""Significant digits of those of single seconds: there may be many."""

FOLD_AT: Final = 200_000
"""Latencies kept as they are before they are counted."""

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)
"""Percentiles that are told."""


@dataclass(frozen=True, slots=True)
class Written:
    """Latencies as they travel between processes: histograms in HdrHistogram's own encoding.

    Attributes:
        total: Of the whole, without warm-up.
        seconds: By second since the beginning in which the events were due.
    """

    total: bytes
    seconds: dict[int, bytes]


@dataclass(slots=True)
class Latencies:
    """Counts latencies; those of events due before `warmup_s` only in the single seconds.

    Attributes:
        warmup_s: Since the beginning.
    """

    warmup_s: float = 0.0
    total: Any = field(default_factory=lambda: _histogram(DIGITS))
    seconds: dict[int, Any] = field(default_factory=dict)
    _waiting: list[tuple[Floats, Floats]] = field(default_factory=list)
    _waiting_count: int = 0

    def add(self, due_s: Floats, latency_s: Floats) -> None:
        """Count latencies `(n,)` of events that were due at `due_s` since the beginning."""
        self._waiting.append((due_s, latency_s))
        self._waiting_count += len(due_s)
        if self._waiting_count >= FOLD_AT:
            self.fold()

    def fold(self) -> None:
        """Count what was added."""
        if not self._waiting_count:
            return
        due_s = np.concatenate([due for due, _ in self._waiting])
        latency_s = np.concatenate([latency for _, latency in self._waiting])
        self._waiting, self._waiting_count = [], 0
        units = np.ceil(latency_s * UNITS_PER_SECOND - 1e-6).clip(1, LONGEST_UNITS)
        is_counted = due_s >= self.warmup_s
        _record(self.total, units[is_counted])
        second = np.floor(due_s)
        for number in np.unique(second).astype(int).tolist():
            if number not in self.seconds:
                self.seconds[number] = _histogram(DIGITS_PER_SECOND)
            _record(self.seconds[number], units[second == number])

    def merge(self, written: Written) -> None:
        """Add what another process counted."""
        self.fold()
        _merge(self.total, written.total)
        for second, encoded in written.seconds.items():
            if second not in self.seconds:
                self.seconds[second] = _histogram(DIGITS_PER_SECOND)
            _merge(self.seconds[second], encoded)

    def write(self) -> Written:
        """Return all that was counted."""
        self.fold()
        seconds = {second: made.encode() for second, made in self.seconds.items()}
        return Written(self.total.encode(), seconds)

    @property
    def count(self) -> int:
        """How many were counted, without warm-up."""
        self.fold()
        return int(self.total.get_total_count())

    def percentile_s(self, percentile: float) -> float:
        """Return a percentile, seconds."""
        self.fold()
        return float(self.total.get_value_at_percentile(percentile)) / UNITS_PER_SECOND

    def summary_ms(self) -> dict[str, float]:
        """Return percentiles, mean and maximum, ms; nothing where nothing was counted."""
        if not self.count:
            return {}
        told = {
            f"p{percentile:g}": self.percentile_s(percentile) * 1000 for percentile in PERCENTILES
        }
        per_ms = UNITS_PER_SECOND / 1000
        told["mean"] = float(self.total.get_mean_value()) / per_ms
        told["max"] = float(self.total.get_max_value()) / per_ms
        return {name: round(value, 3) for name, value in told.items()}

    def by_second_ms(self, percentile: float) -> dict[int, float]:
        """Return a percentile of each second's, ms."""
        self.fold()
        return {
            second: float(made.get_value_at_percentile(percentile)) * 1000 / UNITS_PER_SECOND
            for second, made in sorted(self.seconds.items())
        }


def _histogram(digits: int) -> Any:  # noqa: ANN401 (the library ships no types)
    return HdrHistogram(1, LONGEST_UNITS, digits)


def _record(histogram: Any, units: Floats) -> None:  # noqa: ANN401
    values, counts = np.unique(units.astype(np.int64), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)


def _merge(histogram: Any, encoded: bytes) -> None:  # noqa: ANN401
    histogram.decode_and_add(encoded)
