"""What alerts are raised by: how many buckets, and which levels for which genre."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from contracts.alerts import SLOTS
from contracts.settings import Settings
from contracts.thresholds import EVERY_GENRE, MEAN, Threshold, read_thresholds

Float64 = NDArray[np.float64]

THRESHOLD_SLOTS: Final = slice(2, 4)
"""Rows of `SLOTS` that are held against thresholds; those before are of intervals."""


@dataclass(frozen=True, slots=True)
class Debounce:
    """How many of the last buckets raise an alert, and how many clear it.

    Attributes:
        raise_buckets: So many beyond,
        raise_of: among so many, raise it.
        clear_buckets: So many in a row that are not, clear it.
    """

    raise_buckets: int
    raise_of: int
    clear_buckets: int


@dataclass(frozen=True, slots=True)
class Levels:
    """Thresholds of G genres on one side.

    Attributes:
        level: `(G,)` clicks per bucket; NaN where there is none.
        source: `(G,)` int64, which of `sources` the level is held against.
        sources: (column, steps): 0 is the mean, quantiles follow; how many steps are looked at.
    """

    level: Float64
    source: NDArray[np.int64]
    sources: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment's alerts follow; without any nothing is watched.

    Attributes:
        watches_intervals: Whether counts are held against their intervals.
        interval: How alerts of intervals are debounced.
        threshold: How alerts of thresholds are.
        thresholds: Levels by genre.
        horizon: Steps that there are.
        columns: Column by the name of what a level can be held against.
    """

    watches_intervals: bool
    interval: Debounce
    threshold: Debounce
    thresholds: tuple[Threshold, ...]
    horizon: int
    columns: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read what was set.

        Raises:
            ValueError: The file of thresholds can't be read, or is wrong.
        """
        is_on = settings.alerts != "off"
        thresholds: tuple[Threshold, ...] = ()
        if is_on and settings.alert_thresholds is not None:
            thresholds = read_thresholds(
                settings.alert_thresholds,
                horizon=settings.horizon,
                quantiles=settings.quantile_names,
            )
        after, clear = settings.alert_threshold_buckets, settings.alert_clear_buckets
        return cls(
            watches_intervals=settings.alerts == "all",
            interval=Debounce(settings.alert_raise_buckets, settings.alert_raise_of, clear),
            threshold=Debounce(after, after, clear),
            thresholds=thresholds,
            horizon=settings.horizon,
            columns={name: c for c, name in enumerate((MEAN, *settings.quantile_names))},
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is watched."""
        return not self.watches_intervals and not self.thresholds

    def debounces(self) -> tuple[Debounce, ...]:
        """Return how the alerts of each slot are debounced."""
        by_kind = {"outside-interval": self.interval, "threshold": self.threshold}
        return tuple(by_kind[kind] for kind, _ in SLOTS)

    def levels(self, genres: Sequence[str]) -> dict[str, Levels]:
        """Return by side the level of each genre: its own, else that of every genre."""
        return {side: self._levels(genres, side) for side in ("above", "below")}

    def _levels(self, genres: Sequence[str], side: str) -> Levels:
        having = [t for t in self.thresholds if getattr(t, side) is not None]
        by_genre = {t.genre: place for place, t in enumerate(having)}
        sources = [(self.columns[t.of], t.within or self.horizon) for t in having]
        distinct = tuple(dict.fromkeys(sources))
        # A last entry stands for no threshold: -1 finds it.
        values = np.array([*(getattr(t, side) for t in having), np.nan], np.float64)
        source = np.array([*(distinct.index(s) for s in sources), -1], np.int64)
        default = by_genre.get(EVERY_GENRE, -1)
        rows = np.array([by_genre.get(genre, default) for genre in genres], np.int64)
        return Levels(values[rows], source[rows], distinct)
