"""Load profiles: planned rates over time, and from them the time at which every event is due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from producer_sim.replay import BUILT_IN, read_recording

Floats = NDArray[np.float64]

PROFILES: Final = ("constant", "ramp", "step", "spike", "recorded")
"""Profiles by name."""

STEPS: Final = 5
"""Steps of the profile `step`."""

SPIKE_FACTOR: Final = 5.0
"""How much a spike is above what is around it, where no `--to` is given."""

SPIKE_RATIO: Final = 0.1
"""Part of the time that the spike takes, in the middle."""

RECORDED_PARTS: Final = 240
"""Into how many parts of equal length a recording is cut; its rate is constant in each."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Rates over time, linear between two times; a jump is two rates at one time.

    Attributes:
        times_s: From 0 to the end, never falling, `(K,)`.
        rates: Events per second at these times, `(K,)`.
    """

    times_s: Floats
    rates: Floats

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return float(self.times_s[-1])

    @property
    def events(self) -> int:
        """How many events are due in all."""
        return int(self._sums()[-1] + 0.5)

    def rate_at(self, time_s: float) -> float:
        """Return the planned rate."""
        return float(np.interp(time_s, self.times_s, self.rates))

    def events_until(self, time_s: float) -> float:
        """Return how many events are planned until then, fractions of one included."""
        time_s = min(max(time_s, 0.0), self.seconds)
        part = max(int(np.searchsorted(self.times_s, time_s, side="right")) - 1, 0)
        if part >= len(self.times_s) - 1:
            return float(self._sums()[-1])
        since = time_s - self.times_s[part]
        slope = self._slopes()[part]
        return float(self._sums()[part] + self.rates[part] * since + slope * since * since / 2)

    def due_s(self, numbers: NDArray[np.int64]) -> Floats:
        """Return when events are due, seconds from the beginning, `(n,)`.

        Event number k (from 0) is due when k + 0.5 events are planned: the middle of its turn.
        """
        wanted = numbers + 0.5
        sums = self._sums()
        part = np.clip(np.searchsorted(sums, wanted, side="right") - 1, 0, len(sums) - 2)
        left = np.maximum(wanted - sums[part], 0.0)
        rate, slope = self.rates[part], self._slopes()[part]
        # Solves slope/2 t² + rate t = left; written so that it holds for a slope of 0 too.
        root = np.sqrt(np.maximum(rate * rate + 2 * slope * left, 0.0))
        since = 2 * left / np.maximum(rate + root, 1e-12)
        return np.minimum(self.times_s[part] + since, self.seconds)

    def _sums(self) -> Floats:
        areas = np.diff(self.times_s) * (self.rates[1:] + self.rates[:-1]) / 2
        return np.concatenate(([0.0], np.cumsum(areas)))

    def _slopes(self) -> Floats:
        lengths = np.diff(self.times_s)
        rises = np.diff(self.rates)
        return np.divide(rises, lengths, out=np.zeros_like(rises), where=lengths > 0)


def _profile(points: Sequence[tuple[float, float]]) -> Profile:
    times, rates = zip(*points, strict=True)
    return Profile(np.array(times, np.float64), np.array(rates, np.float64))


def constant(rate: float, seconds: float) -> Profile:
    """Return one rate all the time.

    >>> constant(100, 3).events
    300
    """
    return _profile([(0, rate), (seconds, rate)])


def ramp(rate: float, to: float, seconds: float) -> Profile:
    """Return a rate that rises or falls evenly.

    >>> ramp(0, 100, 4).events
    200
    """
    return _profile([(0, rate), (seconds, to)])


def step(rate: float, to: float, seconds: float) -> Profile:
    """Return STEPS rates of equal length, evenly apart."""
    rates = np.linspace(rate, to, STEPS)
    borders = np.linspace(0, seconds, STEPS + 1)
    return Profile(np.repeat(borders, 2)[1:-1], np.repeat(rates, 2))


def spike(rate: float, to: float, seconds: float) -> Profile:
    """Return a rate that jumps up in the middle and back."""
    begin = seconds * (1 - SPIKE_RATIO) / 2
    end = seconds - begin
    return _profile(
        [(0, rate), (begin, rate), (begin, to), (end, to), (end, rate), (seconds, rate)]
    )


def recorded(rate: float, seconds: float, event_ms: Sequence[int]) -> Profile:
    """Return the rhythm of recorded events, their whole time in `seconds`, `rate` on average."""
    counts, _ = np.histogram(np.array(event_ms, np.float64), RECORDED_PARTS)
    rates = counts / counts.mean() * rate
    borders = np.linspace(0, seconds, RECORDED_PARTS + 1)
    return Profile(np.repeat(borders, 2)[1:-1], np.repeat(rates, 2))


def recorded_times() -> list[int]:
    """Return the event times of the recording that comes along, epoch ms."""
    return list(_times())


def _times() -> Iterator[int]:
    for event in read_recording(BUILT_IN["movietweetings"]):
        if isinstance(event, dict) and type(event.get("event_time")) is int:
            yield event["event_time"]


def make_profile(name: str, *, rate: float, to: float | None, seconds: float) -> Profile:
    """Return a profile by name.

    Args:
        name: One of PROFILES.
        rate: Events per second: of all the time, at the beginning, around the spike, on average.
        to: Events per second at the end, or of the spike.
        seconds: How long.
    """
    if name == "ramp":
        return ramp(rate, rate * 10 if to is None else to, seconds)
    if name == "step":
        return step(rate, rate * STEPS if to is None else to, seconds)
    if name == "spike":
        return spike(rate, rate * SPIKE_FACTOR if to is None else to, seconds)
    if name == "recorded":
        return recorded(rate, seconds, recorded_times())
    return constant(rate, seconds)
