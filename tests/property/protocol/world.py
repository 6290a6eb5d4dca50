"""The world of one run: time, who goes on next, faults, and the way back to health."""

import collections
import functools
import logging
import random
import traceback
from collections.abc import Callable
from typing import Final

from greenlet import getcurrent, greenlet

from contracts.settings import Settings
from tests.property.protocol.broker import Broker, Partition
from tests.property.protocol.faults import STRIKES
from tests.property.protocol.member import Fiber, Member
from tests.property.protocol.oracle import Oracle
from tests.property.protocol.schedule import Fault, Schedule
from tests.property.protocol.stores import Backend, Ledger
from tests.property.protocol.traffic import Producers

START_MS: Final = 1_000_000_000
"""The clock at the start of every run, epoch ms."""

HEALED_SECONDS: Final = 110
"""How long traffic goes on after all faults, seconds: enough to catch up with what is open."""

DRAIN_SECONDS: Final = 400
"""How long the rest may take to be read and closed, seconds."""

WHOLE_TURN: Final = 10_000
"""Calls of a turn that nothing cuts short."""

MAX_TURNS: Final = 200_000
"""Turns of a run: more are a livelock."""


@functools.lru_cache(maxsize=64)
def settings_of(window_buckets: int, max_genres: int, *, dedup: bool, redis_url: str) -> Settings:
    """Return the settings of a run: buckets of 10 s and short timeouts."""
    return Settings.model_validate(
        {
            "app": "protocol",
            "redis_url": redis_url,
            "bucket_seconds": 10,
            "max_out_of_orderness_seconds": 3,
            "idle_timeout_seconds": 6,
            "max_future_skew_seconds": 8,
            "max_partition_drift_buckets": 7,
            "window_buckets": window_buckets,
            "max_genres": max_genres,
            "dedup": dedup,
            "horizon": 1,
            "quantiles": "0.5",
        }
    )


AT_CALLS: Final = ("crash", "stop", "rollback", "wipe")
"""Faults that may wait for a call."""


class World:
    """Runs one schedule; `violations` says what went wrong."""

    def __init__(
        self,
        schedule: Schedule,
        make_backend: Callable[[Settings], Backend],
        *,
        redis_url: str = "redis://localhost:6379/0",
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.schedule = schedule
        self.settings = settings_of(
            schedule.window_buckets,
            schedule.max_genres,
            dedup=schedule.dedup,
            redis_url=redis_url,
        )
        self.now_ms = START_MS
        self.counts: collections.Counter[str] = collections.Counter()
        self.noise = random.Random(f"{schedule.seed} noise")
        self._order = random.Random(f"{schedule.seed} order")
        self._trace = trace
        self.broker = Broker([Partition() for _ in schedule.traffic])
        self.broker.assigned_count = len(schedule.traffic)
        self.producers = Producers(schedule, self.settings)
        self.ledger = Ledger(make_backend(self.settings))
        self.oracle = Oracle(self)
        self._hub: greenlet = getcurrent()
        self.members: list[Member] = []
        self.running: Fiber
        self._budget = 0
        self._turns = 0
        self._armed: list[Fault] = []
        self._doomed: list[tuple[Member, int]] = []
        self._is_healed = False
        for _ in range(schedule.members):
            self._spawn()
        self.rebalance()

    # What members ask

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def wall_ms(self) -> int:
        return self.now_ms

    def fails(self) -> bool:
        """Say whether a call gets no answer, and is not made."""
        return not self._is_healed and self.noise.random() < self.schedule.flakiness / 3

    def loses_reply(self, call: str) -> bool:
        """Say whether a call was made and its answer is lost."""
        if self._is_healed:
            return False
        return bool(self._disarm("lost reply", call)) or (
            self.noise.random() < self.schedule.flakiness
        )

    def transaction_outcome(self) -> str:
        """Return `committed`; or `aborted` or `unknown` (committed), which look the same."""
        if self._is_healed:
            return "committed"
        fault = self._disarm("unknown outcome", None)
        if fault is None and self.noise.random() >= 3 * self.schedule.flakiness:
            return "committed"
        return "aborted" if (fault.size if fault else self._turns) % 2 else "unknown"

    def strikes(self, member: Member, call: str) -> bool:
        """Say whether a member dies or stops at this call."""
        if self._is_healed or not self._armed:
            return False
        for kind in ("rollback", "wipe"):
            fault = self._disarm(kind, call)
            if fault is not None:
                self.say("AT", call, kind)
                STRIKES[kind](self, fault.size)
        crash = self._disarm("crash", call)
        if crash is not None:
            self._doomed.append((member, crash.size))
            return True
        return self._disarm("stop", call) is not None and self.stop(member)

    def is_turn_over(self) -> bool:
        """Count a call of the running member, and say whether another's turn has come."""
        self._budget -= 1
        return self._budget < 0

    def stopped_by(self, member: Member, error: Exception) -> None:
        """Note that a process ended by itself, and bury it."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        self.oracle.violate("STOPPED", f"{type(error).__name__}: {error} ({where.name})")
        self._doomed.append((member, 1))

    def say(self, *what: object) -> None:
        """Add to the trace, when there is one."""
        if self._trace is not None:
            self._trace(f"{(self.now_ms - START_MS) / 1000:6.1f} " + " ".join(map(str, what)))

    # Time and turns

    def run(self) -> list[str]:
        """Run the schedule to its end; return the violations."""
        disabled = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            self._misbehave()
            self._heal()
            self._drain()
            self.oracle.check()
        finally:
            logging.disable(disabled)
            for member in self.members:
                member.die()
            self.ledger.close()
        return self.oracle.violations

    def _misbehave(self) -> None:
        faults = collections.deque(self.schedule.faults)
        for second in range(self.schedule.seconds):
            is_over, turn = False, 0
            while not is_over:
                while faults and (faults[0].second, faults[0].turn) <= (second, turn):
                    self._strike(faults.popleft())
                is_over = not self._turn(self._order.choice((1, 1, 2, 3, 5, 8, 20)))
                is_over |= self._order.random() < 0.03
                turn += 1
            self._tick()

    def _heal(self) -> None:
        self._is_healed = True
        self._armed.clear()
        for partition in self.broker.partitions:
            partition.away_since_ms = None
        self.broker.assigned_count = len(self.broker.partitions)
        for member in self.members:
            member.is_stopped = False
        self.say("HEALED")
        self.rebalance()
        for _ in range(HEALED_SECONDS):
            self._live_a_second()
        self.oracle.check_pace()

    def _drain(self) -> None:
        self.producers.is_quiet = True
        for _ in range(DRAIN_SECONDS):
            self._live_a_second()
            if self.oracle.is_drained() and self.oracle.is_closed(by_itself=True):
                break
        else:
            self.oracle.violate("LIVENESS", "not drained, or not closed")
        self.ledger.write(lambda store: store.finish())
        for _ in range(DRAIN_SECONDS):
            self._live_a_second()
            if self.oracle.is_closed(by_itself=False):
                return
        self.oracle.violate("LIVENESS", "not closed after `close`")

    def _live_a_second(self) -> None:
        while self._turn(WHOLE_TURN):
            pass
        self._tick()

    def _turn(self, calls: int) -> bool:
        """Let some member go on for some calls; False when all wait for time to pass."""
        ready = [f for m in self.members for f in m.fibers if f.is_ready(self.now_ms)]
        if not ready:
            return False
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise AssertionError("a livelock: more turns than any run needs")
        self.running = self._order.choice(ready)
        self._budget = calls
        self.running.resume()
        while self._doomed:
            self.bury(*self._doomed.pop())
        return True

    def _tick(self) -> None:
        self.now_ms += 1000
        self.producers.produce(self.broker, self.now_ms)

    # Faults

    def _spawn(self) -> None:
        self.counts["members"] += 1
        self.members.append(Member(self, self.counts["members"], self._hub))

    def bury(self, member: Member, size: int) -> None:
        """End a process and start another; the group notices at once, or (`size`) not yet."""
        if member.is_dead:
            return
        self.say("CRASH", member.name)
        self.counts["crash"] += 1
        self.members.remove(member)
        member.die()
        self._spawn()
        if size % 5 or self._is_healed:
            self.rebalance()
        else:
            owned = [p for p, owner in self.broker.owners.items() if owner == member.number]
            for p in owned:
                del self.broker.owners[p]

    def stop(self, member: Member) -> bool:
        """Stop a process as SIGSTOP does, unless it is the last one; the group goes on."""
        if sum(not m.is_stopped for m in self.members) < 2:
            return False
        self.say("STOP", member.name)
        member.is_stopped = True
        self.rebalance()
        return True

    def rebalance(self) -> None:
        """Deal the partitions anew to the processes that answer."""
        numbers = [m.number for m in self.members if not m.is_stopped]
        self.noise.shuffle(numbers)
        self.broker.rebalance(numbers)
        self.say("OWNERS", self.broker.owners)

    def _disarm(self, kind: str, call: str | None) -> Fault | None:
        for fault in self._armed:
            if fault.kind == kind and (call is None or fault.call in ("", call)):
                self._armed.remove(fault)
                return fault
        return None

    def _strike(self, fault: Fault) -> None:
        self.counts[fault.kind] += fault.kind != "crash"
        self.say("FAULT", fault.kind, fault.call, fault.size)
        is_armed = fault.kind in ("lost reply", "unknown outcome")
        if is_armed or (fault.call and fault.kind in AT_CALLS):
            self._armed.append(fault)
        else:
            STRIKES[fault.kind](self, fault.size)
