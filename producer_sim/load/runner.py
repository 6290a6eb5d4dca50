"""Open loop: every event has its time, and is sent then or late, but never excused."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.clock import MS_PER_SECOND
from producer_sim.connection import StoppedError
from producer_sim.handed import Outcome, Rows
from producer_sim.load.counted import Counted, Sighting
from producer_sim.load.latencies import Latencies, Written
from producer_sim.load.profiles import Profile
from producer_sim.load.stream import Stream, cut
from producer_sim.outgoing import Outgoing
from producer_sim.sender import ClickSender

Floats = NDArray[np.float64]

AHEAD_SECONDS: Final = 0.1
"""How long before they are due events are made."""

MOST_AHEAD: Final = 2_000
"""Events made at a time: meanwhile nothing is sent."""

LOOK_SECONDS: Final = 0.02
"""How long the loop sleeps at most."""

TELL_SECONDS: Final = 0.25
"""Between two reports of progress."""

FLUSH_SECONDS: Final = 30.0
"""How long the end of a run waits for acknowledgements."""

COUNT_SECONDS: Final = 30.0
"""How long the end of a run waits until all is counted."""


@dataclass(frozen=True, slots=True)
class Orders:
    """One run, the same for every process.

    Attributes:
        profile: The rates of all processes together.
        start_s: When it begins, monotonic: alike for all processes of a machine.
        start_ms: The same by the wall clock.
        warmup_s: How long latencies are not counted.
        linger_s: How long sending waits so that more go together.
        give_up_s: How late sending may become before the run is broken off.
        is_counted: Whether to wait until records are counted.
    """

    profile: Profile
    start_s: float
    start_ms: int
    warmup_s: float
    linger_s: float
    give_up_s: float
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a process is."""

    at_s: float
    sent: int
    acknowledged: int
    lag_s: float


@dataclass(slots=True)
class Result:
    """What a process measured; whole numbers are of this process alone.

    Attributes:
        planned: Events due until the end of the run, or until it was broken off.
        sent: Handed to the client.
        acknowledged: Acknowledged.
        uncounted: Acknowledged, and not counted in time; their latency is what it was by then.
        cpu_seconds: Of the whole process.
        making_seconds: CPU seconds of it for making events.
        latencies: Intended time to acknowledged.
        counted: Intended time to counted; None when that was not asked for.
        sent_by_second: Events by the second in which they were sent.
        acknowledged_by_second: And acknowledged.
        has_given_up: Broken off, being too late.
    """

    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    uncounted: int = 0
    cpu_seconds: float = 0.0
    making_seconds: float = 0.0
    latencies: Written | None = None
    counted: Written | None = None
    sent_by_second: Counter[int] = field(default_factory=Counter)
    acknowledged_by_second: Counter[int] = field(default_factory=Counter)
    has_given_up: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """The passing of time; tests move one by hand.

    Attributes:
        now_s: Monotonic seconds.
        wait: Waits for so many seconds, or until stopped.
    """

    now_s: Callable[[], float]
    wait: Callable[[float], object]


class OpenLoop:
    """One run of one process.

    Args:
        orders: The run.
        process: Number of this process, and how many there are: it takes each n-th event.
        sender: Connected; calls `acknowledged` of this object.
        stream: Makes the records.
        stop: Ends it early.
        take_sightings: Returns what has been seen of stored offsets since the last call.
        tell: Takes the progress.
        clock: The passing of time.
    """

    def __init__(
        self,
        orders: Orders,
        *,
        process: tuple[int, int],
        sender: ClickSender,
        stream: Stream,
        stop: threading.Event,
        take_sightings: Callable[[], list[Sighting]],
        tell: Callable[[Progress], None],
        clock: Clock | None = None,
    ) -> None:
        self._orders = orders
        self._process = process
        self._sender = sender
        self._stream = stream
        self._stop = stop
        self._take_sightings = take_sightings
        self._tell = tell
        self._clock = clock or Clock(time.monotonic, stop.wait)
        self._result = Result()
        self._latencies = Latencies(orders.warmup_s)
        self._count_latencies = Latencies(orders.warmup_s)
        self._counted = Counted()
        self._told_s = 0.0
        number, processes = process
        self._events = len(range(number, orders.profile.events, processes))
        self._made = 0
        self._ready: deque[Outgoing] = deque()

    def acknowledged(self, partition: int, outcome: Outcome, rows: Rows) -> None:
        """Note records that are on the topic."""
        if rows.due_s is None:
            return
        due_s = rows.due_s[outcome.is_written]
        count = len(due_s)
        self._result.acknowledged += count
        self._result.acknowledged_by_second[int(outcome.at_s - self._orders.start_s)] += count
        self._latencies.add(due_s - self._orders.start_s, outcome.at_s - due_s)
        if self._orders.is_counted:
            self._counted.expect(partition, outcome.offset, due_s)

    def run(self) -> Result:
        """Send what is due until the end, until stopped, or until it is hopelessly late."""
        began = time.process_time()
        end_s = self._send_all()
        self._sender.flush(FLUSH_SECONDS)
        self._note_unsent(end_s)
        if self._orders.is_counted:
            self._wait_until_counted()
            self._result.counted = self._count_latencies.write()
        self._result.cpu_seconds = time.process_time() - began
        self._result.latencies = self._latencies.write()
        return self._result

    def _send_all(self) -> float:
        """Return when sending ended, monotonic seconds."""
        try:
            while not self._stop.is_set():
                now_s = self._clock.now_s()
                self._send_due(now_s)
                self._sender.drain()
                self._look_around(now_s)
                if not self._ready and self._made == self._events:
                    break
                if self._lag_s() > self._orders.give_up_s:
                    self._result.has_given_up = True
                    break
                if self._make_ahead(now_s):
                    continue
                nap_s = max(self._orders.linger_s, min(LOOK_SECONDS, -self._lag_s()))
                self._clock.wait(max(0.0, now_s + nap_s - self._clock.now_s()))
        except StoppedError:
            # The client took a part of what it was given when there was no more room.
            self._result.sent = self._result.acknowledged + self._sender.unacknowledged
        return self._clock.now_s()

    def _send_due(self, now_s: float) -> None:
        while self._ready:
            count = int(np.searchsorted(_due_of(self._ready[0]), now_s, side="right"))
            if not count:
                return
            whole = self._ready.popleft()
            if count < len(whole):
                self._ready.appendleft(cut(whole, count, len(whole)))
            self._sender.send(cut(whole, 0, count))
            self._result.sent += count
            self._result.sent_by_second[int(now_s - self._orders.start_s)] += count

    def _make_ahead(self, now_s: float) -> bool:
        """Make the next events if they are due soon; return whether there was something to do."""
        # Made in one go for a while, then left alone: a few at a time cost as much as many.
        is_ahead = bool(self._ready) and self._last_due_s() > now_s + AHEAD_SECONDS / 2
        if self._made == self._events or is_ahead:
            return False
        soon_s = now_s + AHEAD_SECONDS
        number, processes = self._process
        begin = time.thread_time()
        most = min(self._made + MOST_AHEAD, self._events)
        numbers = number + processes * np.arange(self._made, most, dtype=np.int64)
        due_s = self._orders.start_s + self._orders.profile.due_s(numbers)
        # One event at least: with few a second the next is made long before it is due.
        due_s = due_s[: max(1, int(np.searchsorted(due_s, soon_s, side="right")))]
        since_ms = ((due_s - self._orders.start_s) * MS_PER_SECOND).astype(np.int64)
        event_ms = self._orders.start_ms + since_ms
        self._ready.append(self._stream.make(due_s, event_ms, int(event_ms[0])))
        self._made += len(due_s)
        self._result.making_seconds += time.thread_time() - begin
        return True

    def _last_due_s(self) -> float:
        return float(_due_of(self._ready[-1])[-1])

    def _lag_s(self) -> float:
        """Return how late the next event is; below 0 when it is not due yet, or none is left."""
        if self._result.sent >= self._events:
            return -np.inf
        number, processes = self._process
        following = np.array([number + processes * self._result.sent], np.int64)
        since_s = float(self._orders.profile.due_s(following)[0])
        return self._clock.now_s() - self._orders.start_s - since_s

    def _look_around(self, now_s: float) -> None:
        if self._orders.is_counted:
            for due_s, at_s in self._counted.see(self._take_sightings()):
                self._count_latencies.add(due_s - self._orders.start_s, at_s - due_s)
        if now_s - self._told_s >= TELL_SECONDS:
            self._told_s = now_s
            result = self._result
            since_s = now_s - self._orders.start_s
            lag_s = max(0.0, self._lag_s())
            self._tell(Progress(since_s, result.sent, result.acknowledged, lag_s))

    def _note_unsent(self, end_s: float) -> None:
        """Count what was due by the end and not sent with the lateness that it had already."""
        number, processes = self._process
        due = self._orders.profile.events_until(end_s - self._orders.start_s)
        planned = min(len(range(number, int(due + 0.5), processes)), self._events)
        self._result.planned = max(planned, self._result.sent)
        unsent = np.arange(self._result.sent, planned, dtype=np.int64)
        if unsent.size:
            since_s = self._orders.profile.due_s(number + processes * unsent)
            late_s = np.maximum(end_s - self._orders.start_s - since_s, 0.0)
            self._latencies.add(since_s, late_s)

    def _wait_until_counted(self) -> None:
        deadline_s = self._clock.now_s() + COUNT_SECONDS
        while self._counted.uncounted and self._clock.now_s() < deadline_s:
            self._look_around(self._clock.now_s())
            if self._stop.is_set():
                break
            self._clock.wait(LOOK_SECONDS)
        self._result.uncounted = self._counted.uncounted
        now_s = self._clock.now_s()
        for due_s in self._counted.give_up():
            self._count_latencies.add(due_s - self._orders.start_s, now_s - due_s)


def _due_of(outgoing: Outgoing) -> Floats:
    if outgoing.due_s is None:
        raise ValueError("records of a load test have a time at which they are due")
    return outgoing.due_s
