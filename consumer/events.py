"""Valid events, by column where many are looked at: what decoding gives and counting takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Final, Literal, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.events import (
    IMPRESSION,
    MAX_EVENT_TIME_MS,
    MAX_GENRES_PER_EVENT,
    MAX_TEXT_LENGTH,
)
from contracts.measures import MAX_WATCH_SECONDS
from contracts.shares import GenreShare

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT_LENGTH)]
"""An id: what the contract allows, but for which characters."""


class ClickFields(msgspec.Struct, gc=False):
    """The fields that events have whether or not there are recommendations."""

    event_id: Text
    event_time: Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENT_TIME_MS)]
    user_id: Text
    show_id: Text
    genres: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_GENRES_PER_EVENT)]
    watch_seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_WATCH_SECONDS)] | None = None
    age: Annotated[int, msgspec.Meta(ge=0, le=120)] | None = None
    gender: Literal["f", "m", "x"] | None = None


class Click(ClickFields, gc=False):
    """The fields of one valid event. See ClickEvent for what they mean."""

    action: Literal["click", "play", "like", "share", "impression"] = "click"
    recommendation_id: Text | None = None


_action_of: Final = attrgetter("action")
_recommendation_of: Final = attrgetter("recommendation_id")


@dataclass(frozen=True, eq=False)  # no slots: columns are made once
class Events(Sequence[Click]):
    """Valid events; taken out one by one, their genres are normalised.

    Attributes:
        clicks: Their fields; the genres as they were spelled.
        genre_ids: (N,) int64, index of each event's normalised genres in `genre_lists`.
        genre_lists: Lists of normalised genres.
        are_organic: Whether none has to do with recommendations; else some may.
    """

    clicks: list[Click]
    genre_ids: NDArray[np.int64]
    genre_lists: Sequence[tuple[str, ...]]
    are_organic: bool

    def __len__(self) -> int:
        return len(self.clicks)

    @overload
    def __getitem__(self, index: int) -> Click: ...
    @overload
    def __getitem__(self, index: slice) -> "Events": ...
    def __getitem__(self, index: int | slice) -> "Click | Events":
        if isinstance(index, slice):
            ids = self.genre_ids[index]
            return Events(self.clicks[index], ids, self.genre_lists, self.are_organic)
        click, genres = self.clicks[index], self.genre_lists[self.genre_ids[index]]
        fields = msgspec.structs.asdict(click)
        return Click(**(fields | {"genres": genres}))

    @cached_property
    def times_ms(self) -> NDArray[np.int64]:
        """(N,) event times, epoch ms."""
        return np.array([click.event_time for click in self.clicks], np.int64)

    @cached_property
    def watch_seconds(self) -> NDArray[np.float64]:
        """(N,) watch times, NaN where unknown."""
        return _floats([click.watch_seconds for click in self.clicks])

    @property
    def ages(self) -> NDArray[np.float64]:
        """(N,) years, NaN where unknown."""
        return _floats([click.age for click in self.clicks])

    @property
    def is_impression(self) -> NDArray[np.bool_]:
        """(N,) whether each event only says that a show was put before a user."""
        if self.are_organic or IMPRESSION not in map(_action_of, self.clicks):
            return np.zeros(len(self.clicks), np.bool_)
        return np.array([click.action == IMPRESSION for click in self.clicks], np.bool_)

    @property
    def attributed_count(self) -> int:
        """How many followed from a recommendation."""
        if self.are_organic:
            return 0
        return len(self.clicks) - list(map(_recommendation_of, self.clicks)).count(None)

    def of_share(self, share: str) -> "Events":
        """Return the same events with only the genres of a share, such as "2/4"."""
        own = GenreShare.named(share)
        used, list_of = np.unique(self.genre_ids, return_inverse=True)
        numbers: dict[tuple[str, ...], int] = {}  # lists that became equal are one
        ids = [
            numbers.setdefault(kept, len(numbers))
            for kept in map(own.of, map(self.genre_lists.__getitem__, used.tolist()))
        ]
        renumbered = np.array(ids, np.int64)[list_of]
        return Events(self.clicks, renumbered, list(numbers), self.are_organic)

    @property
    def has_no_genre(self) -> NDArray[np.bool_]:
        """(N,) whether each event has no genre: only some of a share have none."""
        is_empty = np.array([not genres for genres in self.genre_lists], np.bool_)
        return is_empty[self.genre_ids]

    def take(self, chosen: NDArray[np.intp]) -> "Events":
        """Return some of the events, by ascending index."""
        if len(chosen) == len(self.clicks):
            return self
        if len(chosen) and chosen[-1] - chosen[0] == len(chosen) - 1:
            return self[int(chosen[0]) : int(chosen[-1]) + 1]
        clicks = list(map(self.clicks.__getitem__, chosen.tolist()))
        return Events(clicks, self.genre_ids[chosen], self.genre_lists, self.are_organic)


def _floats(numbers: Sequence[float | None]) -> NDArray[np.float64]:
    """Return numbers, NaN where there is none."""
    if numbers.count(None) == len(numbers):  # often, and quicker
        return np.full(len(numbers), np.nan)
    # NumPy itself takes None for NaN, but slowly.
    return np.array([math.nan if number is None else number for number in numbers], np.float64)
