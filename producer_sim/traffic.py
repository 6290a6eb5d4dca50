"""Traffic as a platform would see it: clicks in slices of event time, alike for alike seeds."""

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from producer_sim.genres import GenreProfile
from producer_sim.population import Shows, Users
from producer_sim.rhythm import Rhythm

Integers = NDArray[np.int64]

STEP_MS: Final = 60_000
"""Longest time over which rates are taken as constant, ms."""

SLICE_BITS: Final = 24
"""Bits of a click's number that count within its slice: 16 million clicks a slice."""

ACTIONS: Final = (("click", 0.55), ("like", 0.10), ("share", 0.05), ("play", 0.30))
"""What users do and how often; play comes last: only plays have a watch time."""

MEDIAN_WATCH_SECONDS: Final = 900.0
"""Half of all plays are shorter."""

LONGEST_WATCH_TENTHS: Final = 36_000
"""Longest play, tenths of a second: an hour."""

_SLICE, _AT = 21, 22


@dataclass(frozen=True, slots=True)
class Clicks:
    """Clicks as columns `(n,)`.

    Attributes:
        event_ms: Event time.
        number: Unique per run; the event id is made of it.
        show: Index of the show; negative where the genre is one that was never there before.
        user: Index of the user.
        action: Index in ACTIONS, plus tenths of seconds watched for plays.
    """

    event_ms: Integers
    number: Integers
    show: Integers
    user: Integers
    action: Integers

    def __len__(self) -> int:
        return len(self.event_ms)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the chosen rows, in that order."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return type(self)(**columns)


class Traffic:
    """The model: any slice can be made at any time, none depends on another.

    Args:
        genres: Their sizes and habits.
        seed: Alike seeds make alike traffic.
        events_per_second: Mean over a week, per second of event time, premieres apart.
        start_ms: Where slice 0 begins, epoch ms.
        slice_ms: Length of a slice; above STEP_MS it is cut to a multiple of it.
    """

    def __init__(
        self,
        genres: tuple[GenreProfile, ...],
        *,
        seed: int,
        events_per_second: float,
        start_ms: int,
        slice_ms: int,
    ) -> None:
        self.shows = Shows(genres, seed)
        self.users = Users(genres, seed)
        self.rhythm = Rhythm(genres, seed)
        self.start_ms = start_ms
        self._seed = seed
        self._events_per_second = events_per_second
        self._step_ms = min(max(slice_ms, 1), STEP_MS)
        self._steps = max(1, slice_ms // self._step_ms)
        self.slice_ms = self._steps * self._step_ms

    def slice(self, index: int) -> Clicks:
        """Return the clicks of `[start + index * slice_ms, + slice_ms)`, in time order."""
        rng = np.random.default_rng([self._seed, _SLICE, index])
        begin_ms = self.start_ms + index * self.slice_ms
        steps_ms = begin_ms + np.arange(self._steps, dtype=np.int64) * self._step_ms
        rates, burst = self.rhythm.rates(steps_ms + self._step_ms // 2)
        expected = rates * (self._events_per_second * self._step_ms / 1000)
        counts = rng.poisson(expected).ravel()
        cell = np.repeat(np.arange(counts.size), counts)
        offset_ms = (rng.random(len(cell)) * self._step_ms).astype(np.int64)
        event_ms = steps_ms[cell // rates.shape[1]] + offset_ms
        order = np.argsort(event_ms, kind="stable")
        cell = cell[order]
        genre = cell % rates.shape[1]
        return Clicks(
            event_ms=event_ms[order],
            number=(index << SLICE_BITS) + np.arange(len(cell), dtype=np.int64),
            show=self.shows.draw(rng, genre, burst.ravel()[cell]),
            user=self.users.draw(rng, genre),
            action=draw_actions(rng, len(cell)),
        )

    def at(self, index: int, event_ms: Integers, first_number: int) -> Clicks:
        """Return one click for each of these times, in order: how many is not left to chance.

        Args:
            index: Unique per call; alike draws for alike indices.
            event_ms: Event times, shape `(n,)`, close together: rates are those of the first.
            first_number: Number of the first click.
        """
        rng = np.random.default_rng([self._seed, _AT, index])
        rates, burst = self.rhythm.rates(event_ms[:1])
        borders = np.cumsum(rates[0]) / rates[0].sum()
        genre = np.searchsorted(borders[:-1], rng.random(len(event_ms)), side="right")
        return Clicks(
            event_ms=event_ms,
            number=first_number + np.arange(len(event_ms), dtype=np.int64),
            show=self.shows.draw(rng, genre, burst[0][genre]),
            user=self.users.draw(rng, genre),
            action=draw_actions(rng, len(event_ms)),
        )


def draw_actions(rng: np.random.Generator, size: int) -> Integers:
    """Return what users do, `(size,)`, as `Clicks.action` has it."""
    borders = np.cumsum([part for _, part in ACTIONS])[:-1]
    action = np.searchsorted(borders, rng.random(size), side="right").astype(np.int64)
    plays = np.flatnonzero(action == len(ACTIONS) - 1)
    tenths = np.exp(rng.normal(np.log(MEDIAN_WATCH_SECONDS * 10), 0.9, len(plays)))
    action[plays] += np.clip(tenths, 0, LONGEST_WATCH_TENTHS).astype(np.int64)
    return action


def start_for(
    genres: tuple[GenreProfile, ...],
    *,
    seed: int,
    events: int,
    events_per_second: float,
    end_ms: int,
) -> int:
    """Return where `events` clicks should begin so that they end somewhat before `end_ms`."""
    rhythm = Rhythm(genres, seed)
    step_ms = STEP_MS
    wanted, at_ms = events * 1.3 + 100, end_ms
    while wanted > 0:
        # Long runs are measured in coarse steps: the share of an hour matters little there.
        step_ms = min(max(STEP_MS, (end_ms - at_ms) // 20), 6 * 3_600_000)
        at_ms -= step_ms
        wanted -= float(rhythm.calm_rates(at_ms).sum()) * events_per_second * step_ms / 1000
    return at_ms
