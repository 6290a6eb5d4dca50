"""The recorded stream as arrays: every event, the hours, what was known when it came."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from contracts.buckets import DAY_MS
from contracts.events import ClickEvent
from producer_sim.replay import find_recording, read_recording

RECORDING: Final = "movietweetings"
"""Real people's reactions to films, in place of clicks."""

BUCKET_SECONDS: Final = 3_600
"""The recording has some 20 events an hour."""

BUCKET_MS: Final = BUCKET_SECONDS * 1000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def moment(text: str) -> int:
    """Return a time of day in UTC as epoch ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Stream:
    """N events in time order, of G genres.

    Attributes:
        genres: Their names, in the order of their first appearance.
        times_ms: `(N,)`, epoch ms, ascending.
        users: `(N,)` number of the user.
        has: `(N, G)` bool, the event's genres.
    """

    genres: tuple[str, ...]
    times_ms: Ints
    users: Ints
    has: NDArray[np.bool_]

    def clicks(self) -> tuple[int, Floats]:
        """Return where the first hour begins, and `(T, G)` clicks per hour."""
        hours = self.times_ms // BUCKET_MS
        first = int(hours[0])
        counts = np.zeros((int(hours[-1]) - first + 1, len(self.genres)))
        np.add.at(counts, hours - first, self.has)
        return first * BUCKET_MS, counts


def read_stream() -> Stream:
    """Return the recording's click events; what is none, having no genre, is left out."""
    events: list[ClickEvent] = []
    for fields in read_recording(find_recording(RECORDING)):
        try:
            events.append(ClickEvent.model_validate(fields))
        except ValidationError:
            continue
    events.sort(key=lambda event: event.event_time)
    genres = {genre: 0 for event in events for genre in event.genres}
    place = {genre: column for column, genre in enumerate(genres)}
    number = {user: row for row, user in enumerate(dict.fromkeys(e.user_id for e in events))}
    has = np.zeros((len(events), len(genres)), np.bool_)
    for row, event in enumerate(events):
        has[row, [place[genre] for genre in event.genres]] = True
    return Stream(
        tuple(genres),
        np.array([event.event_time for event in events], np.int64),
        np.array([number[event.user_id] for event in events], np.int64),
        has,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """The events of a span, each a question: what will this user click now? M of them.

    Attributes:
        users: `(M,)` number of the user.
        hours: `(M,)` row of the newest hour that was over.
        has: `(M, G)` bool, the genres that were clicked: the answer.
        affinities: `(M, G)` the user's earlier events by genre, decayed to the moment.
    """

    users: Ints
    hours: Ints
    has: NDArray[np.bool_]
    affinities: Floats


def ask(stream: Stream, begin_ms: int, end_ms: int, half_life_days: float) -> Asked:
    """Return the questions of `[begin_ms, end_ms)`; tastes are of all that came before each.

    Events of one user at the same millisecond know nothing of one another.
    """
    inside = (begin_ms <= stream.times_ms) & (stream.times_ms < end_ms)
    half_life_ms = half_life_days * DAY_MS
    taste: dict[int, tuple[int, Floats]] = {}
    waiting: dict[int, tuple[int, Floats]] = {}
    affinities = np.zeros((int(inside.sum()), len(stream.genres)))
    row = 0
    for time_ms, user, has, is_asked in zip(
        stream.times_ms.tolist(), stream.users.tolist(), stream.has, inside.tolist(), strict=True
    ):
        held = waiting.get(user)
        if held is not None and held[0] < time_ms:
            taste[user] = held
        before = taste.get(user)
        if before is not None:
            decayed = before[1] * 0.5 ** ((time_ms - before[0]) / half_life_ms)
        else:
            decayed = np.zeros(len(stream.genres))
        if is_asked:
            affinities[row] = decayed
            row += 1
        same = held is not None and held[0] == time_ms
        waiting[user] = (time_ms, (held[1] if same and held is not None else decayed) + has)
    first_ms = int(stream.times_ms[0]) // BUCKET_MS * BUCKET_MS
    return Asked(
        stream.users[inside],
        (stream.times_ms[inside] - first_ms) // BUCKET_MS - 1,
        stream.has[inside],
        affinities,
    )
