import threading

from producer_sim.pacing import Pace, Waiter


class HandMovedClock:
    def __init__(self) -> None:
        self.now_ms = 1_000

    def read(self) -> int:
        return self.now_ms

    def move(self) -> None:
        self.now_ms += 100


def test_event_time_runs_at_the_speed_asked() -> None:
    pace = Pace(event_start_ms=0, wall_start_ms=1_000_000, speed=60.0)
    assert pace.due_ms(60_000) == 1_001_000


def test_event_time_never_runs_past_the_wall_clock() -> None:
    # At speed 60, event time 999,000 would catch up with the wall clock within a second.
    pace = Pace(event_start_ms=940_000, wall_start_ms=1_000_000, speed=60.0)
    assert pace.due_ms(999_000) == 1_000_983
    assert pace.due_ms(1_010_000) == 1_010_000
    assert Pace(0, 1_000_000, None).due_ms(1_010_000) == 1_010_000


def test_a_backlog_is_due_at_once_and_what_follows_at_the_speed_asked() -> None:
    pace = Pace(event_start_ms=0, wall_start_ms=1_000_000, speed=60.0, backlog_ms=600_000)
    assert pace.due_ms(600_000) == 1_000_000
    assert pace.due_ms(660_000) == 1_001_000


def test_waiter_returns_when_due_and_looks_around_meanwhile() -> None:
    clock = HandMovedClock()
    waiter = Waiter(clock.read, threading.Event(), clock.move)
    assert waiter.wait_until(1_200, None)
    assert clock.now_ms == 1_200


def test_waiter_ends_at_the_deadline() -> None:
    clock = HandMovedClock()
    waiter = Waiter(clock.read, threading.Event(), clock.move)
    assert not waiter.wait_until(1_200, 1_100)
    # What is overdue by then is not sent either: a run that cannot keep up ends in time.
    assert not waiter.wait_until(900, 1_100)
    assert waiter.wait_until(900, 1_101)


def test_waiter_ends_when_stopped() -> None:
    stop = threading.Event()
    stop.set()
    assert not Waiter(lambda: 0, stop, lambda: None).wait_until(10, None)
