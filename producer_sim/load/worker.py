"""One process of a load test: it takes orders through a pipe and answers with what it measured."""

import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

from contracts.logs import set_up_logging
from contracts.settings import Settings
from producer_sim.connection import SendError, StoppedError
from producer_sim.handed import Outcome, Rows
from producer_sim.load.counted import Sighting
from producer_sim.load.runner import OpenLoop, Orders, Progress, Result
from producer_sim.load.stream import Kind, Stream
from producer_sim.run import made_on_purpose, rules_of
from producer_sim.sender import ClickSender
from producer_sim.truth import Truth

SWITCH_SECONDS: Final = 0.001
"""How long one thread may keep the other waiting: the client's has answers to read."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is for.

    Attributes:
        settings: Where Kafka is, and the rules.
        kind: What is sent.
        number: Of this process, from 0.
        processes: How many there are.
        start_ms: Wall clock when the test began.
    """

    settings: Settings
    kind: Kind
    number: int
    processes: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class Ready:
    """Connected: orders can come."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Kafka refuses; the process ends."""

    message: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the run, or the waiting for Kafka."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that the process sent: its truth, and what was made on purpose."""

    truth: dict[str, Any]
    made: dict[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """Asks for a report; the process ends then."""


Answer = Ready | Failed | Progress | Result | Report
"""What comes from a process."""


@dataclass(slots=True)
class Mailbox:
    """Reads the pipe on a thread of its own: a stop is seen while sending waits for room."""

    connection: Connection
    stop: threading.Event = field(default_factory=threading.Event)
    orders: "queue.SimpleQueue[Orders | End]" = field(default_factory=queue.SimpleQueue)
    _sightings: deque[Sighting] = field(default_factory=deque)

    def listen(self) -> None:
        """Sort what comes, until the other end is closed."""
        while True:
            try:
                message = self.connection.recv()
            except (EOFError, OSError):
                message = None
            if isinstance(message, list):
                self._sightings.extend(message)
            elif isinstance(message, Orders):
                self.stop.clear()
                self.orders.put(message)
            elif isinstance(message, End):
                self.orders.put(message)
            else:
                self.stop.set()
            if message is None:
                self.orders.put(End())
                return

    def take_sightings(self) -> list[Sighting]:
        """Return what has come of sightings since the last call."""
        return [self._sightings.popleft() for _ in range(len(self._sightings))]


def work(connection: Connection, task: Task) -> None:
    """Be one process of a load test, until told to end or the pipe is closed."""
    # Ctrl-C reaches every process of a terminal: the first one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    set_up_logging(task.settings)
    mailbox = Mailbox(connection)
    threading.Thread(target=mailbox.listen, name="orders", daemon=True).start()
    try:
        _Worker(task, mailbox).serve()
    except SendError as error:
        connection.send(Failed(str(error)))
    except (StoppedError, BrokenPipeError):
        pass
    finally:
        connection.close()


class _Worker:
    def __init__(self, task: Task, mailbox: Mailbox) -> None:
        self._task = task
        self._mailbox = mailbox
        self._truth = Truth(rules_of(task.settings))
        self._loop: OpenLoop | None = None
        self._sender = ClickSender(
            task.settings, self._truth, mailbox.stop, on_acknowledged=self._on_acknowledged
        )

    def serve(self) -> None:
        """Connect, then follow orders."""
        try:
            self._sender.connect(create_partitions=None)
            stream = self._make_stream()
            self._send(Ready())
            while isinstance(orders := self._mailbox.orders.get(), Orders):
                self._send(self._run(orders, stream))
            truth = self._truth.report(stream.genre_lists)
            self._send(Report(truth, made_on_purpose(stream.made)))
        finally:
            self._sender.close()

    def _make_stream(self) -> Stream:
        task = self._task
        return Stream(
            task.kind,
            task.settings,
            start_ms=task.start_ms,
            process=(task.number, task.processes),
            partition_for=self._sender.partition_for,
            owned=owned_by(task.number, task.processes, self._sender.partition_count),
        )

    def _run(self, orders: Orders, stream: Stream) -> Result:
        self._loop = OpenLoop(
            orders,
            process=(self._task.number, self._task.processes),
            sender=self._sender,
            stream=stream,
            stop=self._mailbox.stop,
            take_sightings=self._mailbox.take_sightings,
            tell=self._send,
        )
        return self._loop.run()

    def _on_acknowledged(self, partition: int, outcome: Outcome, rows: Rows) -> None:
        if self._loop is not None:
            self._loop.acknowledged(partition, outcome, rows)

    def _send(self, answer: Answer) -> None:
        self._mailbox.connection.send(answer)


def owned_by(number: int, processes: int, partitions: int) -> Sequence[int]:
    """Return the partitions that a process alone writes to.

    >>> owned_by(1, 3, 8)
    range(1, 8, 3)
    """
    return range(number, partitions, processes)
