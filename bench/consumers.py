"""Consumer processes under measurement: their CPU, their memory, and what they have read."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from kafka import KafkaConsumer, TopicPartition

from bench.lab import BenchError, wait_until
from state.redis_store import RedisStore
from tests.deployment import Deployment

FORECASTER_SAYS: Final = "this member is the forecaster"
"""In the log of the member that has loaded its model."""

SESSION_SECONDS: Final = 120
"""Session timeout of consumers that are stopped meanwhile, seconds."""

Spans = dict[int, tuple[int, int]]
"""Per partition the first offset and the one after the last."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Records that had piled up, and what reading them took.

    Attributes:
        spans: Which records.
        events: How many.
        cpu_seconds: Of every consumer, in their order.
        wall_seconds: From going on to the last record applied.
    """

    spans: Spans
    events: int
    cpu_seconds: tuple[float, ...]
    wall_seconds: float

    @property
    def cpu(self) -> float:
        """CPU seconds of all consumers together."""
        return sum(self.cpu_seconds)

    @property
    def microseconds(self) -> float:
        """CPU microseconds an event."""
        return 1e6 * self.cpu / self.events


class Members:
    """Some `genrecast consume` of a deployment, and a look into its Redis."""

    def __init__(self, deployment: Deployment, count: int, *arguments: object) -> None:
        self.deployment = deployment
        self.settings = deployment.settings
        self.store = RedisStore.connect(self.settings)
        self.store.open()
        self.processes = [deployment.start("consume", *arguments) for _ in range(count)]

    def wait_for_model(self) -> None:
        """Wait until the forecaster has loaded its model.

        Raises:
            BenchError: It is not the LSTM.
        """
        wait_until(lambda: FORECASTER_SAYS in self.deployment.log_text(), "the model", 0.2)
        if f"{FORECASTER_SAYS}, model lstm" not in self.deployment.log_text():
            raise BenchError("the forecaster serves without the LSTM: its figures would be others")

    def wait_for_applied(self, records: int) -> None:
        """Wait until so many records in all have been applied, for as long as more come to it."""
        what = f"{records} records applied"
        wait_until(lambda: self.applied() >= records, what, reached=self.applied)

    def wait_for_buckets(self, count: int) -> None:
        """Wait until so many buckets have been published."""
        wait_until(
            lambda: self.store.read_totals().get("buckets", 0) >= count,
            f"{count} buckets published",
        )

    def wait_for_published(self, bucket_ms: int) -> None:
        """Wait until a bucket has been published."""
        wait_until(
            lambda: (self.store.read_progress().published_ms or 0) >= bucket_ms,
            f"bucket {bucket_ms} published",
        )

    def applied(self) -> int:
        """Return how many records have been applied."""
        return sum(self.store.read_progress().offsets.values())

    def counts(self, since_ms: int) -> dict[str, dict[str, int]]:
        """Return clicks per genre and bucket, closed and open, of buckets from a time on."""
        found: dict[str, dict[str, int]] = {}
        rows = self.store.read_window()
        for row, start_ms in enumerate(rows.starts_ms.tolist()):
            for genre, count in zip(rows.genres, rows.cells[row, :, 0].tolist(), strict=True):
                if start_ms >= since_ms and count:
                    found.setdefault(genre, {})[str(start_ms)] = count
        for start_ms, cells in self.store.read_open().items():
            for genre, cell in cells.items():
                if start_ms >= since_ms:
                    found.setdefault(genre, {})[str(start_ms)] = int(cell[0])
        return found

    def piled_up(
        self, fill: Callable[[], object], wait_for_rest: Callable[[], object] = lambda: None
    ) -> Slice:
        """Stop the consumers, let records pile up, go on; return what reading them took.

        CPU seconds are until `wait_for_rest` returns, which is called once they are applied.
        """
        topic, watched = self.settings.topic_clicks, [psutil.Process(p.pid) for p in self.processes]
        begins = end_offsets(self.settings.kafka_bootstrap, topic)
        self.wait_for_applied(sum(begins.values()))
        with frozen(*self.processes):
            fill()
            ends = end_offsets(self.settings.kafka_bootstrap, topic)
            before = [cpu_seconds(process) for process in watched]
        began = time.monotonic()
        self.wait_for_applied(sum(ends.values()))
        wall = time.monotonic() - began
        wait_for_rest()
        spent = [cpu_seconds(p) - b for p, b in zip(watched, before, strict=True)]
        spans = {p: (begins[p], end) for p, end in ends.items()}
        events = sum(end - begin for begin, end in spans.values())
        return Slice(spans, events, tuple(spent), wall)

    def close(self) -> None:
        """End the processes."""
        self.store.close()
        self.deployment.end()


def cpu_seconds(process: psutil.Process) -> float:
    """Return how long a process has run, all its threads, seconds.

    Of the scheduler, to the nanosecond: `cpu_times` counts ticks of 10 ms.
    """
    tasks = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def end_offsets(kafka: str, topic: str) -> dict[int, int]:
    """Return the end of every partition of a topic."""
    consumer = KafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    try:
        tps = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        return {tp.partition: end for tp, end in consumer.end_offsets(tps).items()}
    finally:
        consumer.close()


@contextmanager
def frozen(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop processes inside the block: what comes meanwhile they find all at once."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


class MemorySeries:
    """Resident memory of a process over time, taken on a thread of its own inside the block."""

    def __init__(self, process: subprocess.Popen[bytes], every_seconds: float = 0.2) -> None:
        self._process = psutil.Process(process.pid)
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._take, name="memory", daemon=True)
        self.points: list[tuple[float, float]] = []

    def __enter__(self) -> "MemorySeries":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _take(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            try:
                megabytes = self._process.memory_info().rss / 1e6
            except psutil.NoSuchProcess:  # it ended before the block: whoever waits for it says so
                return
            self.points.append((time.monotonic() - began, megabytes))
            self._stop.wait(self._every)

    @property
    def peak(self) -> float:
        """Largest, MB of a million bytes."""
        return max(megabytes for _, megabytes in self.points)

    def thinned(self, most: int = 300) -> tuple[tuple[float, float], ...]:
        """Return at most so many points, evenly."""
        return thin(self.points, most)


def thin(points: Sequence[tuple[float, float]], most: int) -> tuple[tuple[float, float], ...]:
    """Return every n-th point and the last one, rounded for the file."""
    step = max(1, -(-len(points) // most))
    kept = list(points[::step])
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return tuple((round(x, 2), round(y, 2)) for x, y in kept)
