"""A crash point in a real process, without a flag in the product.

    python -m tests.faults.seam --at after-seal:2 --do kill -- consume --app x

starts the real command in this process after wrapping one method of one port: the second time
that a bucket is sealed, the process kills itself, before anything else happens.
"""

import argparse
import faulthandler
import functools
import itertools
import os
import signal
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import kafka

Wrapped = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process can be hit.

    Attributes:
        owner: Class of the method, as module:name, or module of a function, as package:name.
        method: The method.
        is_after: Whether the method's effect is there already.
        counts: Whether a call counts, by its (self, arguments, result).
    """

    owner: str
    method: str
    is_after: bool
    counts: Callable[[Any, tuple[Any, ...], Any], bool] = lambda _self, _arguments, _result: True


def _writes_something(_self: Any, arguments: tuple[Any, ...], _result: Any) -> bool:  # noqa: ANN401
    return any(len(records) for records in arguments[1:])


def _holds_events(_self: Any, arguments: tuple[Any, ...], _result: Any) -> bool:  # noqa: ANN401
    return bool(arguments[0].cells)


def _is_sealed(_self: Any, _arguments: tuple[Any, ...], result: Any) -> bool:  # noqa: ANN401
    return not isinstance(result, str)


def _is_transactional(producer: Any, _arguments: tuple[Any, ...], _result: Any) -> bool:  # noqa: ANN401
    return bool(producer.config["transactional_id"])


def _writes_users(_self: Any, arguments: tuple[Any, ...], _result: Any) -> bool:  # noqa: ANN401
    return bool(arguments[0].users)


_TASTES: Final = "state.redis_tastes:RedisTastes"
_STORE: Final = "state.redis_store:RedisStore"
_PRODUCER: Final = "kafka:KafkaProducer"
_TRANSACTIONS: Final = "consumer.broker.transactions:Transactions"
_SIDE: Final = "consumer.broker.side_topics:SideTopics"

POINTS: Final = {
    "before-apply": Point(_STORE, "apply", False, _holds_events),
    "after-apply": Point(_STORE, "apply", True, _holds_events),
    "after-seal": Point(_STORE, "seal", True, _is_sealed),
    "between-batches": Point("contracts:kafka_bulk", "hand_over", True, _is_transactional),
    "inside-transaction": Point(_TRANSACTIONS, "_commit", False),
    "after-publish": Point(_TRANSACTIONS, "_commit", True),
    "after-commit": Point(_STORE, "commit", True),
    "after-fence": Point(_PRODUCER, "init_transactions", True),
    "before-restore": Point(_STORE, "restore", False),
    "after-restore": Point(_STORE, "restore", True),
    "before-side-topics": Point(_SIDE, "send", False, _writes_something),
    "after-side-topics": Point(_SIDE, "send", True, _writes_something),
}
"""Between any two effects of a consumer that a crash can separate."""

REPLAY_POINTS: Final = {"between-sends": Point(_PRODUCER, "send", True, _is_transactional)}
"""Those that only a replay of dead letters passes: its records have headers, and go one by one."""

TASTE_POINTS: Final = {
    "before-taste-write": Point(_TASTES, "write", False, _writes_users),
    "after-taste-write": Point(_TASTES, "write", True, _writes_users),
}
"""Those that only a consumer with tastes passes."""

ALL_POINTS: Final = POINTS | REPLAY_POINTS | TASTE_POINTS
"""All there are."""


_consumers: "weakref.WeakSet[Any]" = weakref.WeakSet()


def act(what: str) -> None:
    """Do what was asked to this process."""
    sys.stderr.write(f"seam: {what}\n")
    sys.stderr.flush()
    action, _, argument = what.partition(":")
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "sleep":
        time.sleep(float(argument))
    else:
        raise ValueError(f"{what!r} is none of kill, stop, sleep:SECONDS")


def wrap(name: str, passing: int, do: Callable[[], None]) -> None:
    """Have `do` called at the so-manieth passing of a point, once."""
    point = ALL_POINTS[name]
    module, _, owner_name = point.owner.partition(":")
    owner = getattr(__import__(module, fromlist=[owner_name]), owner_name)
    method: Wrapped = getattr(owner, point.method)
    passings = itertools.count(1)

    @functools.wraps(method)
    def wrapper(self: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 (passed through)
        if not point.is_after:
            if point.counts(self, arguments, None) and next(passings) == passing:
                do()
            return method(self, *arguments, **named)
        result = method(self, *arguments, **named)
        if point.counts(self, arguments, result) and next(passings) == passing:
            if name in ("between-sends", "between-batches"):
                self.flush()  # what is sent so far is on the topic, its transaction open
            do()
        return result

    setattr(owner, point.method, wrapper)


def tell_state(_number: int, _frame: FrameType | None) -> None:
    """Write where every thread is, and what the group's member believes: a failed test asks."""
    faulthandler.dump_traceback(all_threads=True)
    for consumer in _consumers:
        subscription, coordinator = consumer._subscription, consumer._coordinator
        if coordinator is None or coordinator.group_id is None:
            continue
        sys.stderr.write(
            f"seam: assigned {subscription.assigned_partitions()}, paused {consumer.paused()}, "
            f"fetchable {subscription.fetchable_partitions()}, state {coordinator.state}, "
            f"generation {coordinator._generation}, rejoin needed {coordinator.rejoin_needed}, "
            f"rejoining {coordinator.rejoining}, join task {coordinator._join_task}\n"
        )
    sys.stderr.flush()


def remember_consumers() -> None:
    """Have every Kafka consumer of this process known to `tell_state`."""
    made: Wrapped = kafka.KafkaConsumer.__init__

    def make(self: Any, *topics: Any, **options: Any) -> None:  # noqa: ANN401 (passed through)
        made(self, *topics, **options)
        _consumers.add(self)

    kafka.KafkaConsumer.__init__ = make


def shorten_poll_interval(milliseconds: int) -> None:
    """Have the group give this member up when it does not poll for so long."""
    made: Wrapped = kafka.KafkaConsumer.__init__

    def make(self: Any, *topics: Any, **options: Any) -> None:  # noqa: ANN401 (passed through)
        made(self, *topics, **options | {"max_poll_interval_ms": milliseconds})

    kafka.KafkaConsumer.__init__ = make


def main(arguments: Sequence[str] | None = None) -> None:
    """Arm the seam and run the command; without --at, just the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at", metavar="POINT[:N]", help=f"one of {', '.join(ALL_POINTS)}")
    parser.add_argument("--do", metavar="WHAT", default="kill", help="kill, stop or sleep:SECONDS")
    parser.add_argument("--max-poll-interval", type=int, metavar="MS")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    if asked.at:
        name, _, passing = asked.at.partition(":")
        wrap(name, int(passing or 1), functools.partial(act, asked.do))
    remember_consumers()
    if asked.max_poll_interval:
        shorten_poll_interval(asked.max_poll_interval)
    signal.signal(signal.SIGUSR1, tell_state)
    from genrecast.cli import main as run

    run([part for part in asked.command if part != "--"])


if __name__ == "__main__":
    main()
