"""Shows by their clicks of late: a bounded sketch per genre, with decay. A view, not a count.

Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k
Elements in Data Streams", 2005) with weights, and forward decay (Cormode, Shkapenyuk, Srivastava
and Xu, "Forward Decay: A Practical Time Decay Model for Streaming Systems", 2009): a click weighs
2 ** ((its time - landmark) / half-life), so what is there never has to be touched again.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log
from typing import Final, NamedTuple

MOST_SHOWS: Final = 64
"""Shows told apart in a genre."""

MOST_GENRES: Final = 1_000
"""Genres told apart; the one that was clicked longest ago makes room."""

MOST_HALF_LIVES: Final = 64.0
"""Half-lives after which the landmark is moved: weights stay far from a float's bounds."""

FORGOTTEN: Final = 1e-6
"""A click that weighs less than this share of one now is not taken up, and a show is dropped."""

_HOUR_MS: Final = 3_600_000


class ShowRate(NamedTuple):
    """A show and its clicks per hour of late."""

    show_id: str
    clicks_per_hour: float


@dataclass(slots=True)
class HeavyHitters:
    """The heaviest items of a weighted stream, `capacity` of them at most.

    An item's weight is between `weights[item] - surplus[item]` and `weights[item]`; an item that
    has more than 1/capacity of all weight is always there.
    """

    capacity: int
    weights: dict[str, float] = field(default_factory=dict)
    surplus: dict[str, float] = field(default_factory=dict)

    def add(self, item: str, weight: float) -> None:
        """Add to an item's weight; one that is not there takes the lightest one's place."""
        if item in self.weights:
            self.weights[item] += weight
            return
        least = 0.0
        if len(self.weights) >= self.capacity:
            lightest = min(self.weights, key=self.weights.__getitem__)
            least = self.weights.pop(lightest)
            del self.surplus[lightest]
        self.weights[item] = least + weight
        self.surplus[item] = least

    def heaviest(self, count: int) -> list[tuple[str, float]]:
        """Return items by the weight that they have for certain, falling; those with none not."""
        certain = [(item, self.weights[item] - over) for item, over in self.surplus.items()]
        certain.sort(key=lambda pair: (-pair[1], pair[0]))
        return [pair for pair in certain[:count] if pair[1] > 0]

    def scale(self, factor: float, least: float) -> None:
        """Multiply all weights; drop what is lighter than `least` then."""
        self.weights = {i: w * factor for i, w in self.weights.items() if w * factor >= least}
        self.surplus = {item: self.surplus[item] * factor for item in self.weights}


@dataclass(slots=True)
class RecentShows:
    """Shows of every genre by their clicks of late, in event time; used from one thread.

    Attributes:
        half_life_ms: After so long a click counts half.
    """

    half_life_ms: int
    _genres: OrderedDict[str, HeavyHitters] = field(default_factory=OrderedDict)
    _landmark_ms: int | None = None
    _newest_ms: int = 0

    def add(self, show_id: str, genres: Iterable[str], time_ms: int, clicks: float = 1.0) -> None:
        """Count a click, or one that stands for several; what is long past counts nothing."""
        if self._landmark_ms is None:
            self._landmark_ms = self._newest_ms = time_ms
        self._newest_ms = max(self._newest_ms, time_ms)
        if self._half_lives(self._newest_ms) > MOST_HALF_LIVES:
            self._move_landmark()
        if 2.0 ** -((self._newest_ms - time_ms) / self.half_life_ms) < FORGOTTEN:
            return
        weight = clicks * 2.0 ** self._half_lives(time_ms)
        for genre in genres:
            self._sketch(genre).add(show_id, weight)

    def _half_lives(self, time_ms: int) -> float:
        return (time_ms - (self._landmark_ms or 0)) / self.half_life_ms

    def _sketch(self, genre: str) -> HeavyHitters:
        sketch = self._genres.get(genre)
        if sketch is None:
            sketch = self._genres[genre] = HeavyHitters(MOST_SHOWS)
            if len(self._genres) > MOST_GENRES:
                self._genres.popitem(last=False)
        self._genres.move_to_end(genre)
        return sketch

    def _move_landmark(self) -> None:
        factor = 2.0 ** -self._half_lives(self._newest_ms)
        self._landmark_ms = self._newest_ms
        for genre, sketch in list(self._genres.items()):
            sketch.scale(factor, FORGOTTEN)
            if not sketch.weights:
                del self._genres[genre]

    def top(self, count: int) -> dict[str, tuple[ShowRate, ...]]:
        """Return each genre's most clicked shows, falling, with their rates now.

        A steady rate r, clicks decayed with half-life h, adds up to r * h / ln 2.
        """
        per_hour = log(2) * _HOUR_MS / self.half_life_ms * 2.0 ** -self._half_lives(self._newest_ms)
        return {
            genre: tuple(ShowRate(show, w * per_hour) for show, w in sketch.heaviest(count))
            for genre, sketch in self._genres.items()
        }
