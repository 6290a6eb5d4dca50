"""Causes: which inputs of the network belong to which group, and what of each is its doing.

Most inputs are differences of logarithms of levels. Each of them is divided by what made it: of the
recent level, what is usual at that time is the doing of earlier days, and only its departure from
that is recent. So an evening is no burst, and a burst now is not told as a quiet yesterday.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.explanations import CauseName
from model.audience import AUDIENCE
from model.calendar import CALENDAR
from model.features import FEATURES, STEP_FEATURES
from model.scales import SLOW, Observed, usual_clicks
from model.seasonal import LAG_DAYS

Float32 = NDArray[np.float32]

LAST_BUCKETS: Final = "last buckets"
EARLIER_DAYS: Final = "mean of earlier days"
PROFILE: Final = "weekly profile"

_CYCLES: Final = {"day": "hour of the day", "week": "day of the week"}

CONTEXT: Final = (
    "day_level",
    "spread",
    "has_day",
    "has_week",
    "age_in_days",
    "age_in_buckets",
    "bucket_length",
    "has_profile",
)
"""Inputs that say which genre it is and what is known of it: the same in an ordinary bucket."""

STEP_CONTEXT: Final = (
    "support",
    "days_known",
    "weeks_known",
    "has_profile",
    "step",
    "days_ahead",
)
"""The same of a step."""

RECENT: Final = (
    "clicks_to_day_level",
    "recent_to_day_level",
    *(f"last_{count}_to_day_level" for count in (2, 4, 8, 16)),
)
"""Inputs that compare the recent level with the genre's own, whatever is usual at that time."""

WHOLE: Final[dict[str, tuple[CauseName, str]]] = {
    "surprise": ("recent", "surprises"),
    "recent_to_usual": ("recent", LAST_BUCKETS),
    "last_day_to_day_level": ("days", "last day"),
    "last_week_to_day_level": ("days", "last week"),
    "profile_level_to_day_level": ("days", PROFILE),
    **dict.fromkeys(("watch", "has_watch"), ("audience", "watch time")),
    **dict.fromkeys(("age", "has_age"), ("audience", "age")),
    **dict.fromkeys(("female_share", "male_share"), ("audience", "gender")),
    **{name: ("calendar", _CYCLES[name.split("_")[0]]) for name in CALENDAR},
}
"""Inputs that are one cause's alone, and what people call them."""

COMPARED: Final = {
    "recent_to_profile": ("recent_to_day_level", PROFILE),
    "last_4_to_yesterday": ("last_4_to_day_level", "1 day ago"),
    "last_4_to_last_week": ("last_4_to_day_level", "7 days ago"),
    "last_16_to_yesterday": ("last_16_to_day_level", "1 day ago"),
    "last_16_to_last_week": ("last_16_to_day_level", "7 days ago"),
}
"""Inputs that compare the recent level with a time before: the former beside the genre's level,
and what people call the latter."""

STEP_COMPARED: Final = {
    **{f"{days}_days_ago": f"{days} day{'s' * (days > 1)} ago" for days in LAG_DAYS},
    "profile_week": PROFILE,
    "profile_day": PROFILE,
}
"""Inputs of a step that compare a time before with the reference."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one thing contributes to the way of one input from an ordinary bucket to the actual one.

    Attributes:
        cause: Its group.
        label: What people call it.
        column: Of the input.
        way: `(rows,)` its share of the input's way; the shares of an input add up to all of it.
    """

    cause: CauseName
    label: str
    column: int
    way: Float32


@dataclass(frozen=True, slots=True)
class Reference:
    """The way of the reference's logarithm, `(H,)` each: from the level, by what made it.

    Attributes:
        level: Clicks per bucket of an ordinary bucket.
        clicks: `(H,)` the reference.
        usual: By the same time before.
        departure: By the recent level's departure from it.
    """

    level: float
    clicks: Float32
    usual: Float32
    departure: Float32


def reference_of(observed: Observed, floor: float) -> Reference:
    """Return how the last row's reference came about, of one genre.

    Args:
        observed: What the row left behind.
        floor: Clicks added before taking logarithms.
    """
    level, clicks = observed.scales[-1, 0, SLOW], observed.reference[-1, 0]
    added = np.float32(floor)
    whole = np.log((clicks + added) / (level + added))
    by_usual = np.log((usual_clicks(observed)[-1, 0] + added) / (level + added))
    return Reference(float(level), clicks, by_usual, whole - by_usual)


def ordinary_features(features: Float32) -> Float32:
    """Return the inputs `(L, F)` of ordinary buckets, in the place of the actual ones."""
    ordinary = np.zeros_like(features)
    for name in CONTEXT:
        ordinary[:, FEATURES.index(name)] = features[:, FEATURES.index(name)]
    audience = [FEATURES.index(name) for name in AUDIENCE]
    ordinary[:, audience] = features[:, audience].mean(axis=0)
    return ordinary


def ordinary_steps(steps: Float32) -> Float32:
    """Return the inputs `(H, K)` of the steps after an ordinary bucket."""
    ordinary = np.zeros_like(steps)
    for name in STEP_CONTEXT:
        ordinary[:, STEP_FEATURES.index(name)] = steps[:, STEP_FEATURES.index(name)]
    return ordinary


def pieces_of_features(features: Float32, ordinary: Float32) -> list[Piece]:
    """Return what the ways of the inputs `(L, F)` are made of."""
    ways = features - ordinary
    place = FEATURES.index
    pieces = []
    for name, (cause, label) in WHOLE.items():
        pieces.append(Piece(cause, label, place(name), ways[:, place(name)]))
    # Without a day of history nothing is usual: all of the recent level is its own.
    has_usual = features[:, place("has_day")] > 0
    apart = ways[:, place("recent_to_day_level")] - ways[:, place("recent_to_usual")]
    usual: Float32 = np.where(has_usual, apart, np.float32(0.0))
    for name in RECENT:
        departure = ways[:, place(name)] - usual
        pieces.append(Piece("recent", LAST_BUCKETS, place(name), departure))
        pieces.append(Piece("same_time", EARLIER_DAYS, place(name), usual))
    for name, (minuend, label) in COMPARED.items():
        departure = _where_known(features[:, place(name)], ways[:, place(minuend)] - usual)
        pieces.append(Piece("recent", LAST_BUCKETS, place(name), departure))
        pieces.append(Piece("same_time", label, place(name), ways[:, place(name)] - departure))
    return pieces


def pieces_of_steps(steps: Float32, ordinary: Float32, reference: Reference) -> list[Piece]:
    """Return what the ways of the steps' inputs `(H, K)` are made of."""
    ways = steps - ordinary
    pieces = []
    for name in CALENDAR:
        cause, label = WHOLE[name]
        column = STEP_FEATURES.index(name)
        pieces.append(Piece(cause, label, column, ways[:, column]))
    column = STEP_FEATURES.index("reference_to_day_level")
    pieces.append(Piece("recent", LAST_BUCKETS, column, reference.departure))
    by_usual = ways[:, column] - reference.departure
    pieces.append(Piece("same_time", EARLIER_DAYS, column, by_usual))
    for name, label in STEP_COMPARED.items():
        column = STEP_FEATURES.index(name)
        # The recent level has moved the reference: that is no doing of the time before.
        recent = _where_known(ways[:, column], -reference.departure)
        pieces.append(Piece("recent", LAST_BUCKETS, column, recent))
        pieces.append(Piece("same_time", label, column, ways[:, column] - recent))
    return pieces


def _where_known(compared: Float32, way: Float32) -> Float32:
    """Return a way where an input compares at all: where the time before is unknown it is 0."""
    return np.where(compared != 0.0, way, np.float32(0.0))
