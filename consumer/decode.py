"""Bytes to events: every record is a valid click or has a reason why it is none.

The contract is `contracts.events.ClickEvent`. Nearly all records pass a quicker reading of it
here; whatever that one does not take, the contract itself judges, and the reason is its own. So
the quick one may refuse too much, never accept too much: a property test compares the two.

The quick reading knows no unknown fields: its parser only skips their values, and would take some
that are no JSON. What has such fields is parsed by orjson first. The quickest knows nothing of
recommendations either, so a topic without any pays nothing for them.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import attrgetter
from typing import Annotated, ClassVar, Final, Literal, TypeVar, cast, overload

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from consumer.genre_lists import GenreLists, genre_lists
from consumer.records import size_of
from contracts.events import (
    IMPRESSION,
    MAX_EVENT_TIME_MS,
    MAX_GENRES_PER_EVENT,
    MAX_TEXT_LENGTH,
    ClickEvent,
)
from contracts.measures import MAX_WATCH_SECONDS
from contracts.shares import GenreShare

MAX_REASON_LENGTH: Final = 300
"""Longest reason put into a header, characters: it may quote hostile input."""

ODD_EVENTS: Final = 32
"""Events that only a slower reading took, before it goes first for the rest: producers that add a
field add it to all their events."""

FEW_VALUES: Final = 64
"""Values looked at together for characters that are not plain, where some are."""

T = TypeVar("T")

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT_LENGTH)]


class _Fields(msgspec.Struct, gc=False):
    """The fields that events have whether or not there are recommendations."""

    event_id: _Text
    event_time: Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENT_TIME_MS)]
    user_id: _Text
    show_id: _Text
    genres: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_GENRES_PER_EVENT)]
    watch_seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_WATCH_SECONDS)] | None = None
    age: Annotated[int, msgspec.Meta(ge=0, le=120)] | None = None
    gender: Literal["f", "m", "x"] | None = None


class Click(_Fields, gc=False):
    """The fields of one valid event. See ClickEvent for what they mean."""

    action: Literal["click", "play", "like", "share", "impression"] = "click"
    recommendation_id: _Text | None = None


class _OrganicClick(_Fields, forbid_unknown_fields=True, gc=False):
    """A click that has no other fields, and nothing to do with recommendations.

    Where all events are such, no impression is looked for.
    """

    recommendation_id: ClassVar[None] = None
    action: Literal["click", "play", "like", "share"] = "click"


class _PlainClick(Click, forbid_unknown_fields=True, gc=False):
    """An event that has no other fields."""


_read_organic: Final = cast("Callable[[bytes], Click]", msgspec.json.Decoder(_OrganicClick).decode)
_read_plain: Final = msgspec.json.Decoder(_PlainClick).decode
_convert: Final = partial(msgspec.convert, type=Click)
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


@dataclass(frozen=True, slots=True)
class Decoded:
    """A poll's records of one partition, told apart.

    Attributes:
        events: The valid ones, in log order.
        positions: (N,) index of each event among the records.
        refused: (index, reason) of the others, in log order.
    """

    events: Events
    positions: NDArray[np.int64]
    refused: list[tuple[int, str]]


def decode_values(values: Sequence[bytes | None], max_event_bytes: int) -> Decoded:
    """Parse and validate record values; never raises on any bytes.

    Each value is parsed by itself: values joined to one document could be crafted to borrow
    brackets from their neighbours.
    """
    refused = _unfit(values, max_event_bytes)
    fit = cast("Sequence[bytes]", _without(refused, values))
    places = np.delete(np.arange(len(values)), [*refused])

    clicks, broken, are_organic = _read(fit)
    refused |= {int(places[index]): reason for index, reason in broken.items()}
    fit, places = _without(broken, fit), np.delete(places, [*broken])

    lists = genre_lists()
    by_spelling = lists.by_spelling
    ids = np.array([by_spelling[click.genres] for click in clicks], np.int64)
    judged = _judge_doubtful(fit, clicks, ids, lists)
    refused |= {int(places[index]): reason for index, reason in judged.items()}
    gone = [*judged]
    clicks, ids, places = _without(judged, clicks), np.delete(ids, gone), np.delete(places, gone)
    events = Events(clicks, ids, lists.normal, are_organic)
    return Decoded(events, places, sorted(refused.items()))


@overload
def _without(indices: Collection[int], some: list[T]) -> list[T]: ...
@overload
def _without(indices: Collection[int], some: Sequence[T]) -> Sequence[T]: ...
def _without(indices: Collection[int], some: Sequence[T]) -> Sequence[T]:
    """Return what is at other indices than these, which ascend; few of them cost little."""
    if not indices:
        return some
    kept: list[T] = []
    begin = 0
    for index in indices:
        kept += some[begin:index]
        begin = index + 1
    kept += some[begin:]
    return kept


def _unfit(values: Sequence[bytes | None], max_event_bytes: int) -> dict[int, str]:
    """Return the values that are not read at all, by index, with reasons."""
    try:
        if max(map(len, values), default=0) <= max_event_bytes:  # type: ignore[arg-type]
            return {}
    except TypeError:  # a tombstone among them
        pass
    unfit = [i for i, v in enumerate(values) if v is None or len(v) > max_event_bytes]
    return {index: _unfit_reason(values[index], max_event_bytes) for index in unfit}


def _unfit_reason(value: bytes | None, max_event_bytes: int) -> str:
    if value is None:
        return "value: missing (a tombstone is no event)"
    return f"value: {size_of(value)} bytes, at most {max_event_bytes} allowed"


_level_before = 0
"""Which of the ways the values read last ended with: it comes sooner then."""


def _read(values: Sequence[bytes]) -> tuple[list[Click], dict[int, str], bool]:
    """Parse values, the quickest way that will do.

    What the values before were like decides which way goes first, and nothing else.

    Returns:
        The events; by index who is none; whether no event has to do with recommendations.
    """
    global _level_before
    clicks: list[Click] = []
    broken: dict[int, str] = {}
    rest = iter(values)
    level, odd, are_organic = 0, 0, True
    while True:
        try:
            clicks.extend(_WAYS[level](rest))
        except (msgspec.DecodeError, UnicodeDecodeError, orjson.JSONDecodeError):
            is_event = _read_one(values, clicks, broken)
            odd, are_organic = odd + is_event, are_organic and not is_event
            patience = 0 if level < _level_before else ODD_EVENTS
            is_worse = level == 0 or 2 * odd > len(clicks)
            if odd > patience and is_worse and level + 1 < len(_WAYS):
                level, odd = level + 1, 0
        else:
            _level_before = level
            return clicks, broken, are_organic


def _organically(values: Iterator[bytes]) -> Iterator[Click]:
    return map(_read_organic, values)


def _plainly(values: Iterator[bytes]) -> Iterator[Click]:
    return map(_read_plain, values)


def _after_orjson(values: Iterator[bytes]) -> Iterator[Click]:
    return map(_convert, map(orjson.loads, values))


_WAYS: Final = (_organically, _plainly, _after_orjson)
"""How values are read, the quickest first; each takes all that the ones before it take."""


def _read_one(values: Sequence[bytes], clicks: list[Click], broken: dict[int, str]) -> bool:
    """Take the next value the slower way; say whether it is an event."""
    index = len(clicks) + len(broken)
    event = _decode_value(values[index])
    if isinstance(event, str):
        broken[index] = event
        return False
    clicks.append(event)
    return True


def _decode_value(value: bytes) -> Click | str:
    """Return the event, or the reason why it is none; some may still be doubtful."""
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _shorten(f"value: not JSON: {error}")
    try:
        click: Click = _convert(fields)
    except msgspec.ValidationError:
        return _judge(fields)
    return click


def _judge_doubtful(
    values: Sequence[bytes], clicks: list[Click], ids: NDArray[np.int64], lists: GenreLists
) -> dict[int, str]:
    """Let the contract decide about events that hold characters which it may refuse.

    Sets the events and their genre lists as the contract has them; returns by index who is none.
    """
    refused = {}
    for index in _doubtful(values, clicks, ids):
        event = _judge(orjson.loads(values[index]))
        if isinstance(event, str):
            refused[index] = event
        else:
            clicks[index], ids[index] = event, lists.id_of(event.genres)
    return refused


def _doubtful(
    values: Sequence[bytes], clicks: list[Click], ids: NDArray[np.int64]
) -> Iterator[int]:
    """Yield the indices of events that hold other than plain characters."""
    if _is_plain(values) and GenreLists.DOUBTFUL not in ids:
        return
    for begin in range(0, len(clicks), FEW_VALUES):
        some = slice(begin, begin + FEW_VALUES)
        if _is_plain(values[some]) and GenreLists.DOUBTFUL not in ids[some]:
            continue
        for index, (click, at) in enumerate(zip(clicks[some], ids[some], strict=True), begin):
            # Control characters are refused: they are not printable, nor are some that are allowed.
            names = (click.event_id, click.user_id, click.show_id, click.recommendation_id or "")
            is_printable = "".join(names).isprintable()
            if not is_printable or at == GenreLists.DOUBTFUL:
                yield index


def _is_plain(values: Sequence[bytes]) -> bool:
    """Say whether values hold printable characters only, once they are found to be JSON.

    Such values have no control characters but in escapes and DEL.
    """
    joined = b"".join(values)
    return joined.isascii() and b"\\" not in joined and b"\x7f" not in joined


def _judge(fields: object) -> Click | str:
    """Let the contract decide."""
    try:
        event = ClickEvent.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "value"
        return _shorten(f"{field}: {first['msg']}")
    return Click(**(dict(event) | {"genres": tuple(event.genres)}))


def _shorten(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 1] + "…"
