"""Where records come from: the traffic model with its faults, or a recording."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.settings import Settings
from producer_sim.faults import SOUND, Disturbed, Disturber, FaultPlan
from producer_sim.hostile import CORPUS, FUTURE, KINDS, Limits
from producer_sim.outgoing import IMPRESSION_LIST, NO_EVENT, GenreLists, Outgoing, Portion, judge
from producer_sim.replay import Fields, write_event
from producer_sim.skew import Skew, SkewPlan
from producer_sim.traffic import Clicks, Traffic
from producer_sim.wire import Renderer

REPLAY_PORTION: Final = 5_000
"""Most recorded events sent together."""

REPLAY_PORTION_WALL_MS: Final = 50
"""Recorded events that are due within so much wall time go together."""

NO_SKEW: Final = SkewPlan()
"""Traffic as it is."""


@dataclass(slots=True)
class Made:
    """What was made on purpose, by kind."""

    late: int = 0
    duplicates: int = 0
    new_genres: int = 0
    malformed: dict[str, int] = field(default_factory=dict)


class Simulation:
    """Portions of simulated traffic with faults.

    Args:
        traffic: The model.
        plan: The faults.
        settings: What is late, too large, too far ahead.
        seed: Of the faults.
        partition_for: The partition of a key, known once Kafka is.
        skew: How the traffic is skewed.
        hot_genre: Place of the hot genre, if there is one.
        owned: Partitions that get events; None is every one.
    """

    def __init__(
        self,
        traffic: Traffic,
        plan: FaultPlan,
        settings: Settings,
        *,
        seed: int,
        partition_for: Callable[[bytes], int],
        skew: SkewPlan = NO_SKEW,
        hot_genre: int = 0,
        owned: Sequence[int] | None = None,
    ) -> None:
        self.genre_lists: GenreLists = list(traffic.shows.genre_lists)
        self.made = Made()
        self._new_lists: dict[int, int] = {}
        self._traffic = traffic
        self._settings = settings
        self._keys = traffic.users.keys
        self._partitions = np.array([partition_for(key) for key in self._keys], np.int64)
        self._renderer = Renderer(traffic, seed)
        self._skew = Skew(
            skew,
            hot_show=traffic.shows.first_of(hot_genre),
            partition_of_user=self._partitions,
            start_ms=traffic.start_ms,
            owned=owned,
        )
        self._is_skewed = skew != NO_SKEW or owned is not None
        self._disturber = Disturber(
            plan,
            seed=seed,
            partition_of_user=self._partitions,
            max_out_of_orderness_ms=settings.max_out_of_orderness_ms,
            bucket_ms=settings.bucket_ms,
        )

    def portions(self, events: int | None) -> Iterator[Portion]:
        """Yield portions without end, or until `events` records."""
        index = left = 0
        while events is None or left < events:
            until_ms = self._traffic.start_ms + (index + 1) * self._traffic.slice_ms
            disturbed = self.disturbed(index, self._traffic.slice(index), until_ms)
            index += 1
            if events is not None and left + len(disturbed.clicks) > events:
                disturbed = disturbed.head(events - left)
            left += len(disturbed.clicks)
            yield Portion(until_ms, functools.partial(self.render, disturbed))

    def disturbed(self, index: int, clicks: Clicks, until_ms: int) -> Disturbed:
        """Return clicks number `index` skewed and disturbed, as they arrive before `until_ms`."""
        clicks = self._skew.apply(clicks) if self._is_skewed else clicks
        return self._disturber.disturb(index, clicks, until_ms)

    def render(self, disturbed: Disturbed, now_ms: int) -> Outgoing:
        """Return records of them; clocks that run ahead are ahead of `now_ms`."""
        clicks = disturbed.clicks
        users = clicks.user.tolist()
        values: list[bytes | None] = [*self._renderer.render(clicks)]
        event_ms = clicks.event_ms.copy()
        genre_list = self._lists_of(clicks)
        limits = Limits(now_ms, self._settings.max_event_bytes, self._settings.max_future_skew_ms)
        for row in np.flatnonzero(disturbed.kind != SOUND).tolist():
            name = KINDS[disturbed.kind[row]]
            values[row] = value = CORPUS[name](values[row] or b"", limits)
            self.made.malformed[name] = self.made.malformed.get(name, 0) + 1
            if name == FUTURE:
                # Only its record's timestamp tells that this one is no event.
                verdict = judge(value, limits.max_event_bytes)
                event_ms[row] = verdict[0] if verdict else 0
            else:
                event_ms[row], genre_list[row] = 0, NO_EVENT
        self.made.late += int(disturbed.is_late.sum())
        self.made.duplicates += int(disturbed.is_copy.sum())
        return Outgoing(
            keys=[self._keys[user] for user in users],
            values=values,
            partitions=self._partitions[clicks.user],
            event_ms=event_ms,
            genre_list=genre_list,
        )

    def _lists_of(self, clicks: Clicks) -> NDArray[np.int64]:
        numbers = self._traffic.shows.genre_list[clicks.show]
        for row in np.flatnonzero(clicks.show < 0).tolist():
            number = int(clicks.number[row])
            known = self._new_lists.setdefault(number, len(self.genre_lists))
            if known == len(self.genre_lists):
                self.genre_lists.append((self._renderer.new_genre(number),))
                self.made.new_genres += 1
            numbers[row] = known
        return numbers


class Replay:
    """Portions of a recording, unchanged but for a shift in time.

    Args:
        recording: The events in file order.
        shift_ms: Added to every event time.
        latest_ms: Later times are sent but not waited for; None where the shift decides.
        max_event_bytes: Larger records are no events.
        partition_for: The partition of a key.
    """

    def __init__(
        self,
        recording: Iterable[Fields | bytes],
        *,
        shift_ms: int,
        latest_ms: int | None,
        max_event_bytes: int,
        partition_for: Callable[[bytes], int],
    ) -> None:
        self.genre_lists: GenreLists = []
        self.made = Made()
        self._numbers: dict[tuple[str, ...], int] = {}
        self._recording = recording
        self._shift_ms = shift_ms
        self._latest_ms = latest_ms
        self._max_event_bytes = max_event_bytes
        self._partition_for = partition_for

    def portions(self, events: int | None, speed: float | None) -> Iterator[Portion]:
        """Yield portions to the recording's end, or until `events` records.

        Args:
            events: Most records.
            speed: Event time per wall time; None is as fast as possible.
        """
        span_ms = float("inf") if speed is None else speed * REPLAY_PORTION_WALL_MS
        waiting: list[Fields | bytes] = []
        begin_ms = front_ms = 0
        for count, event in enumerate(self._recording):
            if count == events:
                break
            at_ms = max(front_ms, self._time_of(event))
            if waiting and (len(waiting) >= REPLAY_PORTION or at_ms - begin_ms > span_ms):
                yield self._portion(waiting, front_ms)
                waiting = []
            if not waiting:
                begin_ms = at_ms
            front_ms = at_ms
            waiting.append(event)
        if waiting:
            yield self._portion(waiting, front_ms)

    def _time_of(self, event: Fields | bytes) -> int:
        time = event.get("event_time") if isinstance(event, dict) else None
        if type(time) is not int or (self._latest_ms is not None and time > self._latest_ms):
            return 0
        return time + self._shift_ms

    def _portion(self, events: list[Fields | bytes], until_ms: int) -> Portion:
        return Portion(until_ms, lambda _: self._render(events))

    def _render(self, events: list[Fields | bytes]) -> Outgoing:
        values = [write_event(event, self._shift_ms) for event in events]
        keys = [_key(event) for event in events]
        times, lists = [], []
        for value in values:
            verdict = judge(value, self._max_event_bytes)
            times.append(verdict[0] if verdict else 0)
            lists.append(self._number(verdict[1]) if verdict else NO_EVENT)
        partitions = [self._partition_for(key) for key in keys]
        return Outgoing(keys, list(values), partitions, times, lists)

    def _number(self, genres: tuple[str, ...]) -> int:
        if not genres:
            return IMPRESSION_LIST
        number = self._numbers.setdefault(genres, len(self._numbers))
        if number == len(self.genre_lists):
            self.genre_lists.append(genres)
        return number


def _key(event: Fields | bytes) -> bytes:
    user = event.get("user_id") if isinstance(event, dict) else None
    return user.encode("utf-8", "replace") if isinstance(user, str) else b""
