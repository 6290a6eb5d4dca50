"""ClickEvent: what producers write to the `clicks` topic, at least once."""

import unicodedata
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from contracts.measures import MAX_WATCH_SECONDS

MAX_EVENT_TIME_MS: Final = 253_402_300_799_999
"""Last event time accepted, epoch ms: the end of the year 9999."""

MAX_GENRES_PER_EVENT: Final = 8
"""Most genres one event may carry."""

MAX_TEXT_LENGTH: Final = 64
"""Longest identifier or genre, characters."""

MOST_EVENT_BYTES: Final = 1024 * 1024
"""Most that `max_event_bytes` may allow."""

IMPRESSION: Final = "impression"
"""The action of an event that is exposure, not demand: it adds to no genre's count."""


def normalise_genre(genre: str) -> str:
    """Return a genre's one spelling: NFC, casefolded, trimmed.

    >>> normalise_genre("  Crime ")
    'crime'
    """
    if genre.isascii():
        return genre.strip().lower()
    # Casefolding can undo NFC (U+0345, for one), so normalise on both sides of it.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", genre).casefold()).strip()


def _normalise_genres(genres: object) -> object:
    """Normalise before lengths are checked; anything but a list of str is left to pydantic."""
    if not isinstance(genres, list) or len(genres) > MAX_GENRES_PER_EVENT:
        return genres
    try:
        return list(dict.fromkeys(map(normalise_genre, genres)))
    except (TypeError, AttributeError):
        return genres


# NUL and its like break logs, keys and labels downstream.
_Text = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"
    ),
]
Identifier = _Text
Genre = _Text
Genres = Annotated[
    list[Genre],
    Field(min_length=1, max_length=MAX_GENRES_PER_EVENT),
    BeforeValidator(_normalise_genres, json_schema_input_type=list[str]),
]


class ClickEvent(BaseModel):
    """One click, play, like or share of a show; it counts once in each of its genres.

    Or an impression: the show was put before the user; it counts in no genre. Unknown fields are
    ignored. Types are strict: `"5"` is not a number.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    event_id: Identifier = Field(description="Unique per event, made by the producer.")
    event_time: int = Field(
        ge=1, le=MAX_EVENT_TIME_MS, description="When the click happened, epoch milliseconds UTC."
    )
    user_id: Identifier = Field(description="Who clicked, pseudonymous.")
    show_id: Identifier = Field(description="What was clicked.")
    genres: Genres = Field(
        description="1-8 genres; normalised to NFC, casefolded, trimmed; duplicates dropped."
    )
    action: Literal["click", "play", "like", "share", "impression"] = Field(
        default="click",
        description="What the user did; impression: was shown it, which counts in no genre.",
    )
    watch_seconds: float | None = Field(
        default=None, ge=0, le=MAX_WATCH_SECONDS, description="Seconds watched, when known."
    )
    age: int | None = Field(default=None, ge=0, le=120, description="Age in years, when known.")
    gender: Literal["f", "m", "x"] | None = Field(default=None, description="Gender, when known.")
    recommendation_id: Identifier | None = Field(
        default=None, description="The recommendation that it was shown in, or followed from."
    )
