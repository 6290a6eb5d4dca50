"""Where alerts stand after a bucket, for all genres at once; in the journal between two of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from contracts.alerts import SLOTS
from contracts.forecasts import BucketRecord

NOT_RAISED: Final = -1
"""Stands for no open alert where the bucket that raised it would."""

NO_BITS: Final = np.zeros((len(SLOTS), 0), np.uint32)
NO_MOMENTS: Final = np.zeros((len(SLOTS), 0), np.int64)
NO_BOUNDS: Final = np.zeros(0, np.float64)


@dataclass(frozen=True, slots=True)
class Watch:
    """Where alerts stand, for G genres and S = 4 slots (see `contracts.alerts.SLOTS`).

    Attributes:
        bucket_ms: The bucket after which they stand so; None before any.
        genres: Genre order.
        lower: `(G,)` float64, the interval's lower end for the next bucket; NaN where none is.
        upper: The upper end.
        history: `(S, G)` uint32, a bit for each of the last buckets, the newest the lowest:
            whether it was beyond.
        raised_ms: `(S, G)` int64, the bucket that raised what is open, else `NOT_RAISED`.
    """

    bucket_ms: int | None = None
    genres: tuple[str, ...] = ()
    lower: NDArray[np.float64] = field(default_factory=lambda: NO_BOUNDS)
    upper: NDArray[np.float64] = field(default_factory=lambda: NO_BOUNDS)
    history: NDArray[np.uint32] = field(default_factory=lambda: NO_BITS)
    raised_ms: NDArray[np.int64] = field(default_factory=lambda: NO_MOMENTS)

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """`(S, G)` which alerts are open."""
        return np.not_equal(self.raised_ms, NOT_RAISED)

    def of_genres(self, genres: tuple[str, ...]) -> Self:
        """Return the same with other rows: a genre that is new has nothing behind it."""
        if genres == self.genres:
            return self
        row = {genre: r for r, genre in enumerate(self.genres)}
        # A last entry stands for a genre that is new: -1 finds it.
        rows = np.array([row.get(genre, -1) for genre in genres], np.int64)
        return replace(
            self,
            genres=genres,
            lower=np.append(self.lower, np.nan)[rows],
            upper=np.append(self.upper, np.nan)[rows],
            history=np.pad(self.history, ((0, 0), (0, 1)))[:, rows],
            raised_ms=np.pad(
                self.raised_ms, ((0, 0), (0, 1)), constant_values=NOT_RAISED
            )[:, rows],
        )  # fmt: skip

    @classmethod
    def read(cls, record: BucketRecord | None) -> Self:
        """Return where alerts stood after the journal's last bucket."""
        if record is None or record.alerts is None:
            return cls()
        kept, genres = record.alerts, tuple(record.counts)
        row = {genre: r for r, genre in enumerate(genres)}
        history = np.zeros((len(SLOTS), len(genres)), np.uint32)
        raised_ms = np.full((len(SLOTS), len(genres)), NOT_RAISED, np.int64)
        for s, slot in enumerate(map("/".join, SLOTS)):
            if slot in kept.history:
                history[s] = kept.history[slot]
            for genre, moment in kept.raised.get(slot, {}).items():
                raised_ms[s, row[genre]] = moment
        return cls(
            bucket_ms=record.bucket_start,
            genres=genres,
            lower=_bounds(kept.lower, len(genres)),
            upper=_bounds(kept.upper, len(genres)),
            history=history,
            raised_ms=raised_ms,
        )

    def written(self, known: NDArray[np.int64]) -> dict[str, Any]:
        """Return it as the journal keeps it (`contracts.forecasts.AlertState`), orjson writes it.

        Args:
            known: Rows of the genres that the record names, in its order.
        """
        slots = list(enumerate(map("/".join, SLOTS)))
        bounds = {}
        if not np.isnan(self.lower).all():
            bounds = {"lower": self.lower[known], "upper": self.upper[known]}
        return bounds | {
            "history": {
                slot: self.history[s, known] for s, slot in slots if self.history[s, known].any()
            },
            "raised": {
                slot: {self.genres[g]: int(self.raised_ms[s, g]) for g in open_rows}
                for s, slot in slots
                if len(open_rows := np.flatnonzero(self.is_open[s]).tolist())
            },
        }


def _bounds(values: Sequence[float | None], count: int) -> NDArray[np.float64]:
    if not values:
        return np.full(count, np.nan)
    return np.array([np.nan if value is None else value for value in values], np.float64)
