"""Bytes to events: every record is a valid click or has a reason why it is none.

The contract is `contracts.events.ClickEvent`. Nearly all records pass a quicker reading of it
here; whatever that one does not take, the contract itself judges, and the reason is its own. So
the quick one may refuse too much, never accept too much: a property test compares the two.

The quick reading knows no unknown fields: its parser only skips their values, and would take some
that are no JSON. What has such fields is parsed by orjson first. The quickest knows nothing of
recommendations either, so a topic without any pays nothing for them.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import ClassVar, Final, Literal, TypeVar, cast, overload

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from consumer.events import Click, ClickFields, Events
from consumer.genre_lists import GenreLists, genre_lists
from consumer.records import size_of
from contracts.events import ClickEvent

MAX_REASON_LENGTH: Final = 300
"""Longest reason put into a header, characters: it may quote hostile input."""

ODD_EVENTS: Final = 32
"""Events that only a slower reading took, before it goes first for the rest: producers that add a
field add it to all their events."""

FEW_VALUES: Final = 64
"""Values looked at together for characters that are not plain, where some are."""

T = TypeVar("T")


class _OrganicClick(ClickFields, forbid_unknown_fields=True, gc=False):
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
_genres_of: Final = attrgetter("genres")


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
    numbers = map(by_spelling.__getitem__, map(_genres_of, clicks))
    ids = np.fromiter(numbers, np.int64, len(clicks))
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
