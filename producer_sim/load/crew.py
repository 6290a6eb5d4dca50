"""The processes of a load test: started once, given one run after the other, ended in order."""

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Final, Self

from contracts.clock import wall_clock_ms
from producer_sim.connection import SendError, StoppedError
from producer_sim.load.latencies import Latencies, Written
from producer_sim.load.merging import merge_made, merge_truth
from producer_sim.load.observer import Observer
from producer_sim.load.profiles import Profile
from producer_sim.load.runner import Orders, Progress, Result
from producer_sim.load.worker import Answer, End, Failed, Ready, Report, Stop, Task, work

HEAD_START_SECONDS: Final = 0.3
"""Between an order and its beginning: every process has it by then."""

LOOK_SECONDS: Final = 0.05
"""How often stops and sightings are passed on."""

END_SECONDS: Final = 10.0
"""How long a process may take to end."""


@dataclass(slots=True)
class Measured:
    """A run of all processes together.

    Attributes:
        profile: What was planned.
        latencies: Intended time to acknowledged.
        counted: Intended time to counted; None when that was not asked for.
        results: What each process measured.
        is_stopped: Ended early because it was asked to.
    """

    profile: Profile
    latencies: Latencies
    counted: Latencies | None
    results: list[Result] = field(default_factory=list)
    is_stopped: bool = False

    def total(self, name: str) -> float:
        """Return the sum of a figure over the processes."""
        return float(sum(getattr(result, name) for result in self.results))

    def by_second(self, name: str) -> dict[int, int]:
        """Return the sums of counts by second over the processes."""
        summed: Counter[int] = Counter()
        for result in self.results:
            summed.update(getattr(result, name))
        return dict(sorted(summed.items()))

    @property
    def has_given_up(self) -> bool:
        """Whether a process was hopelessly late."""
        return any(result.has_given_up for result in self.results)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is.

    Attributes:
        profile: The rates of all processes together.
        warmup_s: How long latencies are not counted.
        linger_s: How long sending waits so that more go together.
        give_up_s: How late sending may become before the run is broken off.
    """

    profile: Profile
    warmup_s: float
    linger_s: float
    give_up_s: float


class Crew:
    """The processes; as a context manager they run inside the block.

    Args:
        tasks: One for each.
        stop: Ends a run early.
        observer: Sees stored offsets; None where nobody asks when events are counted.
    """

    def __init__(
        self, tasks: Iterable[Task], stop: threading.Event, observer: Observer | None
    ) -> None:
        self._tasks = list(tasks)
        self._stop = stop
        self._observer = observer
        self._processes: list[SpawnProcess] = []
        self._connections: list[Connection] = []

    def __enter__(self) -> Self:
        # Spawned: a fork would take the parent's threads' locks along.
        context = multiprocessing.get_context("spawn")
        for task in self._tasks:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, task), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._connections.append(ours)
        try:
            self._collect(Ready, lambda _number, _progress: None)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, run: Run, on_progress: Callable[[list[Progress]], None]) -> Measured:
        """Have all processes do a run; return what they measured.

        Raises:
            SendError: Kafka refuses, or a process died.
        """
        start_s = time.monotonic() + HEAD_START_SECONDS
        orders = Orders(
            profile=run.profile,
            start_s=start_s,
            start_ms=wall_clock_ms() + round(HEAD_START_SECONDS * 1000),
            warmup_s=run.warmup_s,
            linger_s=run.linger_s,
            give_up_s=run.give_up_s,
            is_counted=self._observer is not None,
        )
        self._tell_all(orders)
        progress: dict[int, Progress] = {}

        def note(number: int, came: Progress) -> None:
            progress[number] = came
            on_progress(list(progress.values()))

        results = self._collect(Result, note)
        return _merge(run, results, is_counted=self._observer is not None, stop=self._stop)

    def report(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """End the processes; return the truth of all that they sent, and the faults made."""
        self._tell_all(End())
        reports = self._collect(Report, lambda _number, _progress: None, may_stop=False)
        truth = merge_truth([report.truth for report in reports])
        return truth, merge_made([report.made for report in reports])

    def close(self) -> None:
        """End what still runs."""
        for connection in self._connections:
            connection.close()
        deadline_s = time.monotonic() + END_SECONDS
        for process in self._processes:
            process.join(max(0.0, deadline_s - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._connections, self._processes = [], []

    def _collect(
        self,
        wanted: type[Any],
        on_progress: Callable[[int, Progress], None],
        *,
        may_stop: bool = True,
    ) -> list[Any]:
        """Return one answer of this type from each process."""
        found: dict[int, Any] = {}
        is_told = False
        while len(found) < len(self._connections):
            for connection in wait(self._connections, LOOK_SECONDS):
                number = self._connections.index(connection)  # type: ignore[arg-type]
                answer = self._receive(number)
                if isinstance(answer, Progress):
                    on_progress(number, answer)
                elif isinstance(answer, wanted):
                    found[number] = answer
            if self._observer is not None and (seen := self._observer.take()):
                self._tell_all(seen)
            if may_stop and self._stop.is_set() and not is_told:
                if wanted is Ready:
                    raise StoppedError
                self._tell_all(Stop())
                is_told = True
        return [found[number] for number in range(len(self._connections))]

    def _receive(self, number: int) -> Answer:
        try:
            answer: Answer = self._connections[number].recv()
        except (EOFError, OSError) as error:
            self._processes[number].join(1.0)
            code = self._processes[number].exitcode
            raise SendError(f"sending process {number} ended by itself (exit {code})") from error
        if isinstance(answer, Failed):
            raise SendError(answer.message)
        return answer

    def _tell_all(self, message: object) -> None:
        for number, connection in enumerate(self._connections):
            try:
                connection.send(message)
            except OSError:
                self._receive(number)


def _merge(run: Run, results: list[Result], *, is_counted: bool, stop: threading.Event) -> Measured:
    latencies = _merged(run, [result.latencies for result in results])
    counted = _merged(run, [result.counted for result in results]) if is_counted else None
    return Measured(run.profile, latencies, counted, results, stop.is_set())


def _merged(run: Run, parts: list[Written | None]) -> Latencies:
    merged = Latencies(run.warmup_s)
    for part in parts:
        if part is not None:
            merged.merge(part)
    return merged
