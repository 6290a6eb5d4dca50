"""What the service knows: the board, the standing, the sampled pipeline; the event loop's own."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

from contracts.alerts import GenreAlert
from contracts.clock import MS_PER_SECOND
from contracts.recommendations import Recommendations
from feed.recommend.shows import ShowRate
from feed.serve import metrics
from feed.serve.alerts import AlertBoard
from feed.serve.answers import DeadLetters, Pipeline, ServiceFigures
from feed.serve.board import Board
from feed.serve.computing import Answers
from feed.serve.explaining import ExplainingProcess, Explanations
from feed.serve.kept import KeptBucket
from feed.serve.settings import ServeSettings
from feed.serve.standing import News, Standing, stale_after_seconds
from feed.serve.tastes import Tastes
from feed.serve.views import promotions
from feed.status import Status

log = logging.getLogger(__name__)

VERSION: Final = version("genrecast")

STARTING: Final = "reading what the topic keeps"
"""Why it is not ready at first."""


STANDING_AT_FIRST: Final = Standing(is_stale=True, problem=STARTING)
"""Before anything has been read."""


@dataclass(slots=True)
class Sample:
    """What was sampled last, in the background."""

    status: Status | None = None
    events_per_second: float | None = None
    dead_letters: DeadLetters = field(default_factory=lambda: DeadLetters(reasons=[], since=None))


@dataclass(slots=True)
class Service:
    """Everything that requests are answered from; touched by the event loop's thread alone.

    Attributes:
        settings: What was set.
        wall_clock_ms: The clock.
        problems: What keeps parts from working, by part; `kafka` also makes it not ready.
        standing: What readers were told last.
        board: The buckets kept.
        alerts: Alerts that are open, and those told of late.
        answers: What takes computing.
        explanations: What takes a process of its own; None where they are off.
        news: Told on every bucket and every change of the standing.
        subscribers_of: Streams that are open, by address.
        conflated: Buckets that readers were not sent: they were slow, or away for too long.
        is_filled: What the topic keeps has been read once; streams begin then.
        is_closing: Streams end at once.
        has_failed: A thread has ended by a fault of ours: the service ends too.
        tastes: Of users; None where nobody's is read.
        shows: Of each genre those clicked most of late, falling.
        note_recommendations: Is given each answer to a user.
    """

    settings: ServeSettings
    wall_clock_ms: Callable[[], int]
    board: Board = field(init=False)
    alerts: AlertBoard = field(default_factory=AlertBoard)
    answers: Answers = field(default_factory=Answers)
    explanations: Explanations | None = field(init=False)
    news: News = field(default_factory=News)
    sample: Sample = field(default_factory=Sample)
    problems: dict[str, str] = field(default_factory=lambda: {"kafka": STARTING})
    standing: Standing = STANDING_AT_FIRST
    subscribers_of: Counter[str] = field(default_factory=Counter)
    conflated: int = 0
    is_filled: bool = False
    is_closing: bool = False
    has_failed: bool = False
    started_ms: int = 0
    tastes: Tastes | None = None
    shows: Mapping[str, tuple[ShowRate, ...]] = field(default_factory=dict)
    note_recommendations: Callable[[Recommendations], None] = lambda _: None

    def __post_init__(self) -> None:
        self.board = Board(self.settings.board_bytes, self.settings.window_buckets)
        is_on = self.settings.serve_explanations
        self.explanations = Explanations(ExplainingProcess(self.settings)) if is_on else None
        self.started_ms = self.wall_clock_ms()

    def add(self, bucket: KeptBucket) -> None:
        """Take up a bucket and tell all readers."""
        if not self.board.add(bucket):
            log.warning("bucket %d is not newer than what is kept: left out", bucket.start_ms)
            return
        self.answers.forget()
        if self.explanations is not None:
            self.explanations.forget()
        metrics.BUCKETS.set(len(self.board))
        metrics.BOARD_BYTES.set(self.board.nbytes)
        metrics.GENRES.set(len(bucket.genres.names))
        self.refresh()
        self.news.tell()

    def add_alerts(self, alerts: Sequence[GenreAlert]) -> None:
        """Take up alerts and tell all readers."""
        for alert in alerts:
            self.alerts.add(alert)
        self.alerts.is_filled = True
        metrics.ALERTS_OPEN.set(self.alerts.open_count)
        if alerts:
            self.answers.forget()
            self.news.tell()

    def note_shows(self, rates: Mapping[str, tuple[ShowRate, ...]]) -> None:
        """Take up the shows' rates."""
        self.shows = rates

    def trouble(self, part: str, problem: str) -> None:
        """Note that a part does not work."""
        if self.problems.get(part) != problem:
            log.warning("%s: %s", part, problem)
        self.problems[part] = problem
        self.refresh()

    def fine(self, part: str) -> None:
        """Note that a part works."""
        if self.problems.pop(part, None) not in (None, STARTING):
            log.info("%s: answers again", part)
        self.refresh()

    def filled(self) -> None:
        """Note that the topic has been read to its end."""
        self.fine("kafka")
        if not self.is_filled:
            self.is_filled = True
            self.news.tell()

    def note_conflated(self, buckets: int) -> None:
        """Count buckets that a reader was not sent."""
        self.conflated += buckets
        metrics.CONFLATED.inc(buckets)

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the newest bucket was published; None before the first."""
        newest = self.board.newest
        if newest is None:
            return None
        return max(0, self.wall_clock_ms() - newest.emitted_at_ms) / MS_PER_SECOND

    def refresh(self) -> None:
        """Look whether what is shown is current, and tell readers of a change."""
        age = self.age_seconds
        is_stale = "kafka" in self.problems or age is None or age > self._stale_after
        problem = "; ".join(self.problems[part] for part in sorted(self.problems)) or None
        if is_stale and problem is None:
            problem = "no bucket has come for a while: does a consumer run?"
        metrics.AGE.set(float("nan") if age is None else age)
        metrics.STALE.set(is_stale)
        found = Standing(is_stale, problem)
        if found != self.standing:
            self.standing = found
            self.news.tell()

    @property
    def _stale_after(self) -> float:
        newest = self.board.newest
        seconds = newest.bucket_seconds if newest else self.settings.bucket_seconds
        return stale_after_seconds(self.settings, seconds)

    @property
    def subscribers(self) -> int:
        """Streams that are open."""
        return self.subscribers_of.total()

    def enter(self, address: str) -> None:
        """Count a stream."""
        self.subscribers_of[address] += 1
        metrics.SUBSCRIBERS.set(self.subscribers)

    def leave(self, address: str) -> None:
        """Count a stream out."""
        self.subscribers_of[address] -= 1
        if not self.subscribers_of[address]:
            del self.subscribers_of[address]
        metrics.SUBSCRIBERS.set(self.subscribers)

    def pipeline(self) -> Pipeline:
        """Return where the deployment stands."""
        return Pipeline(
            status=self.sample.status,
            problem=self.standing.problem,
            events_per_second=self.sample.events_per_second,
            is_stale=self.standing.is_stale,
            age_seconds=self.age_seconds,
            dead_letters=self.sample.dead_letters,
            promotions=promotions(self.board),
            service=ServiceFigures(
                subscribers=self.subscribers,
                conflated=self.conflated,
                uptime_seconds=(self.wall_clock_ms() - self.started_ms) / MS_PER_SECOND,
                version=VERSION,
                explains=self.explanations is not None,
            ),
        )

    def fail(self) -> None:
        """Note that a thread has ended by a fault."""
        self.has_failed = True

    def close(self) -> None:
        """End the streams, and the process that explains."""
        self.is_closing = True
        if self.explanations is not None:
            self.explanations.close()
        self.news.tell()
