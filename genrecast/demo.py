"""The demo's course: start the parts, show forecasts come true, stop, hold the books together."""

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import SecretStr
from rich.console import Console

from contracts.clock import wall_clock_ms
from contracts.forecasts import GenreForecast
from contracts.kafka_log import quiet_kafka_log
from contracts.settings import Settings
from feed.client import ForecastFeed
from feed.errors import FeedUnavailableError
from feed.status import read_status
from genrecast.demo_board import Board
from genrecast.demo_page import address_in, open_page
from genrecast.demo_screen import Screen, open_screen
from genrecast.demo_summary import Summary, print_summary, summarise
from stack.errors import StackError
from stack.process import ServiceProcess
from stack.runner import Endpoints, Stack
from state.redis_store import RedisStore
from state.store import StoreError

BUCKET_SECONDS: Final = 900
"""Bucket length: 96 of them make a day."""

SPEED: Final = 1440
"""Event time per wall time: a day in a minute."""

BACKLOG_DAYS: Final = 1
"""Event time sent at once, so that "the same time yesterday" is known from the start."""

START_DAYS_AGO: Final = 30
"""Where event time begins, days before today."""

LATE_RATIO: Final = 0.01
MALFORMED_RATIO: Final = 0.005

STOP_SECONDS: Final = 30.0
"""How long a part may take to end in order."""

DRAIN_SECONDS: Final = 90.0
"""How long the consumer may take to count and publish what is left."""

LOG_LINES: Final = 15
"""Lines of a part's log shown when it ended by itself."""


class DemoError(Exception):
    """The demo can't go on; the message says why."""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What was asked for; `seconds` None is until Ctrl-C."""

    seconds: float | None
    seed: int
    rate: float
    opens_browser: bool


def run_demo(plan: DemoPlan) -> int:
    """Run the demo; return the exit status, 0 when every event is accounted for."""
    quiet_kafka_log()
    console = Console(highlight=False)
    stop = threading.Event()
    try:
        with (
            _stopping(stop),
            tempfile.TemporaryDirectory(prefix="genrecast-demo-") as directory,
        ):
            console.print("[dim]Starting Kafka and Redis ...[/]")
            data = Path(directory)
            with Stack(data, 0, redis_port=0, dies_with_parent=True) as stack:
                summary = _run(plan, data, stack.endpoints, console, stop)
    except (DemoError, StackError, StoreError, FeedUnavailableError) as error:
        console.print(f"genrecast demo: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("genrecast demo: stopped at once; nothing was compared")
        return 130
    if summary is None:
        console.print("stopped before anything was sent")
        return 0
    print_summary(summary, console)
    return 0 if summary.is_exact else 1


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Have the first Ctrl-C or SIGTERM end the show, and the second one end all at once."""

    def on_signal(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    kept = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _run(
    plan: DemoPlan, data: Path, endpoints: Endpoints, console: Console, stop: threading.Event
) -> Summary | None:
    settings = Settings(
        app="demo",
        kafka_bootstrap=endpoints.kafka_bootstrap,
        redis_url=SecretStr(endpoints.redis_url),
        bucket_seconds=BUCKET_SECONDS,
    )
    parts = _Parts(settings, data)
    try:
        console.print("[dim]Starting a consumer; TensorFlow takes some seconds ...[/]")
        parts.start("consume", "--create-topics", f"--app={settings.app}", redis=True)
        if not _wait(lambda: _is_ready(settings), parts, stop):
            return None
        parts.start("serve", f"--app={settings.app}", "--serve-port=0", redis=True)
        if not _wait(lambda: parts.page is not None, parts, stop):
            return None
        page = parts.page or ""
        console.print(f"The page: {page}", markup=False)
        if plan.opens_browser:
            open_page(page)
        parts.start("simulate", *_traffic(plan, parts.report))
        with ForecastFeed(settings, begin="beginning") as feed:
            board = _show(plan, settings, parts, feed, open_screen(console, page), stop)
            console.print("[dim]Stopping the simulator, counting what is left ...[/]")
            truth = parts.end_simulator()
            _drain(settings, parts)
            forecasts = board.forecasts + _rest(feed)
        totals = read_status(settings).totals
    finally:
        parts.end()
    return summarise(truth, forecasts, totals)


def _traffic(plan: DemoPlan, report: Path) -> list[str]:
    today = datetime.fromtimestamp(wall_clock_ms() / 1000, UTC).date()
    start = today - timedelta(days=START_DAYS_AGO)
    return [
        f"--rate={plan.rate}",
        f"--seed={plan.seed}",
        f"--start={start.isoformat()}",
        f"--speed={SPEED}",
        f"--backlog-days={BACKLOG_DAYS}",
        f"--late={LATE_RATIO}",
        f"--malformed={MALFORMED_RATIO}",
        f"--report={report}",
    ]


class _Parts:
    """The processes besides Kafka and Redis; they die with this one, whatever way it ends."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self.report = data / "truth.json"
        self._settings = settings
        self._data = data
        self._running: dict[str, ServiceProcess] = {}

    def start(self, command: str, *arguments: str, redis: bool = False) -> None:
        """Start `genrecast COMMAND` against the demo's services."""
        where = [
            f"--kafka-bootstrap={self._settings.kafka_bootstrap}",
            f"--bucket-seconds={self._settings.bucket_seconds}",
            "--log-format=console",  # people read these, when a part has ended by itself
        ]
        if redis:
            where.append(f"--redis-url={self._settings.redis_url.get_secret_value()}")
        process = ServiceProcess(
            command, self._data / f"{command}.pid", self._data / f"{command}.log"
        )
        process.spawn(
            [sys.executable, "-m", "genrecast", command, *where, *arguments],
            dies_with_parent=True,
        )
        self._running[command] = process

    @property
    def page(self) -> str | None:
        """The page's address; None while the service starts."""
        return address_in(self._running["serve"].console_log)

    def check(self) -> None:
        """Raise DemoError, with the end of its log, when a part ended by itself."""
        for name, process in self._running.items():
            if not process.is_running():
                lines = process.console_log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                raise DemoError("\n  ".join([f"genrecast {name} ended by itself:", *lines]))

    def end_simulator(self) -> dict[str, Any]:
        """End the simulator in order; return its truth report."""
        self._running.pop("simulate").terminate(STOP_SECONDS)
        try:
            truth: dict[str, Any] = orjson.loads(self.report.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise DemoError(f"the simulator left no report: {error}") from None
        return truth

    def end(self) -> None:
        """End all, the consumer in order."""
        while self._running:
            self._running.popitem()[1].terminate(STOP_SECONDS)


def _wait(is_done: Callable[[], bool], parts: _Parts, stop: threading.Event) -> bool:
    """Wait until something is so; False when told to stop before."""
    while not stop.is_set():
        parts.check()
        if is_done():
            return True
        stop.wait(0.1)
    return False


def _is_ready(settings: Settings) -> bool:
    """Say whether the consumer has made topics and state."""
    try:
        if read_status(settings).kafka_problem:
            return False
        ForecastFeed(settings).close()
    except (StoreError, FeedUnavailableError):
        return False
    return True


def _show(
    plan: DemoPlan,
    settings: Settings,
    parts: _Parts,
    feed: ForecastFeed,
    screen: Screen,
    stop: threading.Event,
) -> Board:
    """Show forecasts and what came true until told to stop or the time is over."""
    board = Board(bucket_ms=settings.bucket_ms)
    began = time.monotonic()
    asked_at = 0.0
    with screen:
        while not stop.is_set():
            now = time.monotonic()
            if plan.seconds is not None and now - began >= plan.seconds:
                break
            parts.check()
            for forecast in _polled(feed):
                board.add(forecast)
            if now - asked_at >= 1.0:
                asked_at = now
                with suppress(StoreError):  # the page says so; it comes back or it does not
                    board.note_status(read_status(settings), now)
            screen.show(board, seconds=now - began)
    return board


def _drain(settings: Settings, parts: _Parts) -> None:
    """Have everything counted, every bucket closed and published."""
    deadline = time.monotonic() + DRAIN_SECONDS
    is_finished = False
    while time.monotonic() < deadline:
        parts.check()
        status = read_status(settings)
        if status.lag == 0 and not is_finished:
            store = RedisStore.connect(settings)
            store.finish()
            store.close()
            is_finished = True
        elif is_finished and not status.open_buckets and status.closed_ms == status.published_ms:
            return
        time.sleep(0.1)
    raise DemoError(f"the consumer did not catch up within {DRAIN_SECONDS:.0f} s")


def _polled(feed: ForecastFeed) -> list[GenreForecast]:
    return [forecast for bucket in feed.poll(200) for forecast in bucket.forecasts.values()]


def _rest(feed: ForecastFeed) -> list[GenreForecast]:
    rest: list[GenreForecast] = []
    while True:
        some = _polled(feed)
        rest += some
        if not some and feed.is_at_end():
            return rest
