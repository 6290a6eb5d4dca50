"""Bytes to events: every record is a valid click or has a reason why it is none.

The contract is `contracts.events.ClickEvent`. Nearly all records pass a quicker reading of it
here; whatever that one does not take, the contract itself judges, and the reason is its own. So
the quick one may refuse too much, never accept too much: a property test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec
import orjson
from pydantic import ValidationError

from contracts.events import (
    MAX_EVENT_TIME_MS,
    MAX_GENRES_PER_EVENT,
    MAX_TEXT_LENGTH,
    ClickEvent,
    normalise_genre,
)
from contracts.measures import MAX_WATCH_SECONDS

MAX_REASON_LENGTH: Final = 300
"""Longest reason put into a header, characters: it may quote hostile input."""

GENRE_LISTS_REMEMBERED: Final = 65_536
"""Spellings of genre lists whose normal form is remembered: bounds memory, not correctness."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT_LENGTH)]


class Click(msgspec.Struct, gc=False):
    """The fields of one valid event; `genres` are normalised. See ClickEvent for what they mean."""

    event_id: _Text
    event_time: Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENT_TIME_MS)]
    user_id: _Text
    show_id: _Text
    genres: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_GENRES_PER_EVENT)]
    action: Literal["click", "play", "like", "share"] = "click"
    watch_seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_WATCH_SECONDS)] | None = None
    age: Annotated[int, msgspec.Meta(ge=0, le=120)] | None = None
    gender: Literal["f", "m", "x"] | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A poll's records of one partition, told apart.

    Attributes:
        events: The valid ones, in log order.
        positions: Index of each event among the records.
        refused: (index, reason) of the others, in log order.
    """

    events: list[Click]
    positions: list[int]
    refused: list[tuple[int, str]]


def decode_values(values: Sequence[bytes | None], max_event_bytes: int) -> Decoded:
    """Parse and validate record values; never raises on any bytes.

    Each value is parsed by itself: values joined to one document could be crafted to borrow
    brackets from their neighbours.
    """
    events: list[Click] = []
    positions: list[int] = []
    refused: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        if value is None:
            refused.append((index, "value: missing (a tombstone is no event)"))
        elif len(value) > max_event_bytes:
            refused.append((index, f"value: {len(value)} bytes, at most {max_event_bytes} allowed"))
        else:
            event = _decode_value(value)
            if isinstance(event, str):
                refused.append((index, event))
            else:
                events.append(event)
                positions.append(index)
    return Decoded(events, positions, refused)


def _decode_value(value: bytes) -> Click | str:
    """Return the event, or the reason why it is none."""
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _shorten(f"value: not JSON: {error}")
    try:
        click = msgspec.convert(fields, Click)
    except msgspec.ValidationError:
        return _judge(fields)
    click.genres = _normalise(click.genres)
    # Control characters are refused: they are not printable, nor are some that are allowed.
    if click.genres and (click.event_id + click.user_id + click.show_id).isprintable():
        return click
    return _judge(fields)


@lru_cache(maxsize=GENRE_LISTS_REMEMBERED)
def _normalise(genres: tuple[str, ...]) -> tuple[str, ...]:
    """Return the genres as they are counted; none at all when the contract has to judge."""
    normal = tuple(dict.fromkeys(map(normalise_genre, genres)))
    is_plain = all(0 < len(g) <= MAX_TEXT_LENGTH and g.isprintable() for g in normal)
    return normal if is_plain else ()


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
