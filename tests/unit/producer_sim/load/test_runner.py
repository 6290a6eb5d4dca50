"""The open loop on a sender of its own, whose acknowledgements come when the test wants."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from contracts.clock import wall_clock_ms
from contracts.settings import Settings
from producer_sim.faults import FaultPlan
from producer_sim.genres import BUILT_IN
from producer_sim.handed import Outcome, Rows
from producer_sim.load.latencies import Latencies
from producer_sim.load.profiles import constant
from producer_sim.load.runner import Clock, OpenLoop, Orders, Result
from producer_sim.load.stream import Kind, Stream
from producer_sim.outgoing import Outgoing
from producer_sim.sender import ClickSender
from producer_sim.skew import SkewPlan

RATE, SECONDS = 500, 1.0


class HandMovedClock:
    """Time passes only while something waits."""

    def __init__(self) -> None:
        self.at_s = 1_000.0

    def now_s(self) -> float:
        return self.at_s

    def wait(self, seconds: float) -> None:
        self.at_s += max(seconds, 0.0001)


class PromptSender(ClickSender):
    """Acknowledges at once what it is given; each send first does what the test wants."""

    def __init__(
        self, before_send: Callable[[HandMovedClock], None], clock: HandMovedClock
    ) -> None:
        self._clock = clock
        self._before_send = before_send
        self.tell: Callable[[int, Outcome, Rows], None] | None = None
        self.unacknowledged = 0
        self.sent: list[Outgoing] = []

    def send(self, outgoing: Outgoing) -> None:
        self._before_send(self._clock)
        self.sent.append(outgoing)
        count = len(outgoing)
        zeros = np.zeros(count, np.int64)
        assert self.tell is not None
        assert outgoing.due_s is not None
        outcome = Outcome(np.ones(count, np.bool_), zeros, zeros, self._clock.at_s)
        self.tell(0, outcome, Rows(zeros, zeros, outgoing.due_s, 0, 0))

    def drain(self) -> None:
        pass

    def flush(self, timeout_seconds: float) -> None:
        pass


def run(
    before_send: Callable[[HandMovedClock], None] = lambda _: None,
    *,
    process: tuple[int, int] = (0, 1),
    give_up_s: float = 10.0,
    stop: threading.Event | None = None,
    faults: FaultPlan | None = None,
) -> tuple[Result, PromptSender]:
    kind = Kind(BUILT_IN, 1, faults or FaultPlan(), SkewPlan())
    clock = HandMovedClock()
    sender = PromptSender(before_send, clock)
    start_ms = wall_clock_ms()
    stream = Stream(
        kind, Settings(), start_ms=start_ms, process=process, partition_for=lambda _: 0, owned=[0]
    )
    orders = Orders(
        profile=constant(RATE, SECONDS),
        start_s=clock.at_s,
        start_ms=start_ms,
        warmup_s=0.0,
        linger_s=0.002,
        give_up_s=give_up_s,
    )
    loop = OpenLoop(
        orders,
        process=process,
        sender=sender,
        stream=stream,
        stop=stop or threading.Event(),
        take_sightings=list,
        tell=lambda _: None,
        clock=Clock(clock.now_s, clock.wait),
    )
    sender.tell = loop.acknowledged
    return loop.run(), sender


def merged(result: Result) -> Latencies:
    latencies = Latencies()
    assert result.latencies is not None
    latencies.merge(result.latencies)
    return latencies


class Stall:
    """Keeps the sender busy, once or always."""

    def __init__(self, seconds: float, times: int = 1) -> None:
        self.seconds = seconds
        self.times = times

    def __call__(self, clock: HandMovedClock) -> None:
        if self.times:
            self.times -= 1
            clock.wait(self.seconds)


def test_all_planned_events_are_sent_once_at_their_time_or_a_moment_later() -> None:
    result, sender = run()
    assert (result.planned, result.sent, result.acknowledged) == (RATE, RATE, RATE)
    values = [value for outgoing in sender.sent for value in outgoing.values]
    assert len(set(values)) == RATE
    latencies = merged(result)
    assert latencies.count == sum(result.sent_by_second.values()) == RATE
    # Whatever is due waits for the linger at most.
    assert latencies.percentile_s(100) < 0.005


def test_stalled_sender_shows_in_the_percentiles_of_all_that_was_due_meanwhile() -> None:
    # Half a second without sending: the events due in it waited from 0 to 500 ms, evenly, the
    # other half not at all. Counted from when they were sent, two would have been slow.
    latencies = merged(run(Stall(0.5))[0])
    assert latencies.count == RATE
    assert latencies.percentile_s(100) == pytest.approx(0.5, abs=0.01)
    assert latencies.percentile_s(75) == pytest.approx(0.25, abs=0.01)
    assert latencies.percentile_s(45) < 0.01


def test_hopeless_run_is_broken_off_and_what_was_due_counts_as_late() -> None:
    result, _ = run(Stall(0.4, times=10), give_up_s=0.2)
    assert result.has_given_up
    assert result.sent < result.planned <= RATE
    latencies = merged(result)
    assert latencies.count == result.planned
    assert latencies.percentile_s(90) > 0.3


def test_stop_ends_it_without_events_that_were_not_due() -> None:
    stop = threading.Event()
    sends: list[int] = []

    def stop_soon(_: HandMovedClock) -> None:
        sends.append(1)
        if len(sends) == 3:
            stop.set()

    result, _ = run(stop_soon, stop=stop)
    assert 0 < result.sent < RATE
    assert result.planned < RATE
    assert not result.has_given_up


def test_processes_take_turns() -> None:
    parts = [run(process=(number, 3))[0].sent for number in range(3)]
    assert parts == [167, 167, 166]


@pytest.mark.parametrize(
    "faults", [FaultPlan(duplicates=0.5), FaultPlan(disorder_ms=5_000), FaultPlan(malformed=0.5)]
)
def test_faults_change_what_is_sent_and_not_how_much(faults: FaultPlan) -> None:
    result, _ = run(faults=faults)
    assert result.sent == RATE
