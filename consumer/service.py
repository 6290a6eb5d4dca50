"""A consumer process: the loop in the main thread, closing in another, both until told to stop."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from consumer import metrics
from consumer.broker.journal import Journal
from consumer.broker.publisher import Publisher
from consumer.broker.side_topics import SideTopics
from consumer.broker.source import ClickSource, OffsetGapError
from consumer.broker.topics import Topics
from consumer.closing import PARTITION_COUNT_AGE_SECONDS, Closer
from consumer.errors import (
    BrokerLinkRefusedError,
    BrokerRefusedError,
    BrokerUnavailableError,
    DeadLetterRatioError,
    FencedError,
    InvariantError,
)
from consumer.health import Readiness
from consumer.lineup import Lineup
from consumer.loop import Loop
from consumer.mended import Mended
from consumer.ports import Source
from consumer.tasting import Tasting
from consumer.tracing import UNTRACED, Traces
from contracts.collector import settle_collector
from contracts.options import ConfigurationError
from contracts.settings import Settings
from model.artifact import ModelRefusedError
from model.forecaster import Forecaster
from model.registry import load_live_forecaster
from state.redis_models import RedisModels
from state.redis_store import RedisStore
from state.redis_tastes import RedisTastes
from state.store import (
    DeploymentAbsentError,
    DeploymentMismatchError,
    Store,
    StoreLinkRefusedError,
    StoreRefusedError,
    StoreUnavailableError,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

TRANSIENT: Final = (
    BrokerUnavailableError,
    BrokerRefusedError,
    StoreUnavailableError,
    StoreRefusedError,
)
"""Errors of services: back off and try again, positions unchanged."""

CLOSE_WAIT_SECONDS: Final = 0.1
"""How often closing looks when no batch of this member was applied, seconds."""

BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between attempts, seconds; the last one repeats."""


@dataclass(slots=True)
class Backoff:
    """Growing pauses, cut short by `stop`."""

    stop: threading.Event
    failures: int = 0

    def pause(self) -> None:
        """Wait, longer each time."""
        step = min(self.failures, len(BACKOFF_SECONDS) - 1)
        self.failures += 1
        self.stop.wait(BACKOFF_SECONDS[step])

    def reset(self) -> None:
        """Note a success."""
        self.failures = 0


@dataclass(slots=True)
class PartitionCount:
    """The topic's number of partitions, fresh enough for closing."""

    topics: Topics
    topic: str
    value: int = 0
    asked_at: float = 0.0
    monotonic: Callable[[], float] = time.monotonic

    def __call__(self) -> int:
        """Return the count, asked at most `PARTITION_COUNT_AGE_SECONDS` ago.

        Raises:
            BrokerUnavailableError: When it can't be had: nothing may close on an old count.
            InvariantError: When the topic has fewer partitions than before.
        """
        now = self.monotonic()
        if now - self.asked_at > PARTITION_COUNT_AGE_SECONDS or not self.value:
            count = self.topics.partition_count(self.topic)
            if not count:
                raise BrokerUnavailableError(f"topic {self.topic} is missing")
            if count < self.value:
                raise InvariantError(
                    f"topic {self.topic} had {self.value} partitions and has {count}: it was "
                    "recreated. Use another GENRECAST_APP for the new topic"
                )
            self.value, self.asked_at = count, now
        return self.value


@dataclass(slots=True)
class Service:
    """Starts, runs and ends one consumer process."""

    settings: Settings
    readiness: Readiness
    stop: threading.Event = field(default_factory=threading.Event)
    until_idle_seconds: float | None = None
    traces: Traces = UNTRACED
    _changed: threading.Event = field(default_factory=threading.Event)
    _owns_closing: threading.Event = field(default_factory=threading.Event)
    _published_at: float = 0.0
    _nothing_due_at: float = 0.0
    _fatal: list[Exception] = field(default_factory=list)
    _mended: Mended = field(init=False)

    def __post_init__(self) -> None:
        self._mended = Mended(self.settings)

    def run(self, *, create_topics: bool) -> None:
        """Consume until `stop` is set, or until idle.

        Raises:
            InvariantError, DeploymentMismatchError, ModelRefusedError: Going on would be wrong; the
                message says what to do.
        """
        settle_collector()
        metrics.show_process(self.settings)
        store = RedisStore.connect(self.settings)
        topics = self._persist("broker", lambda: Topics(self.settings))
        if topics is None or not self._prepare(topics, store, create_topics=create_topics):
            return
        source = self._persist("broker", lambda: ClickSource(self.settings))
        if source is None:
            return
        side = SideTopics(self.settings)
        tastes = RedisTastes.connect(self.settings) if self.settings.tastes else None
        tasting = Tasting(self.settings, tastes) if tastes is not None else None
        loop = Loop(self.settings, source, store, side, self._changed, self.traces, tasting)
        closing = threading.Thread(target=self._close_buckets, args=(topics,), name="closing")
        closing.start()
        try:
            self._read(loop, source, store)
        finally:
            self.stop.set()
            self._changed.set()
            closing.join(timeout=3 * self.settings.transaction_timeout_seconds)
            _close_quietly(loop.finish)
            for part in (source, side, topics, store):
                _close_quietly(part.close)
            if tastes is not None:
                tastes.close()
        if self._fatal:
            raise self._fatal[0]

    def _persist(self, part: str, attempt: Callable[[], T]) -> T | None:
        """Try until it works; None when told to stop before.

        Raises:
            ConfigurationError: Login or certificate are refused. Later on, when the link was
                there before, that is waited for: somebody is changing them at both ends.
        """
        backoff = Backoff(self.stop)
        while not self.stop.is_set():
            try:
                result = attempt()
            except (BrokerLinkRefusedError, StoreLinkRefusedError) as error:
                raise ConfigurationError(str(error)) from error
            except TRANSIENT as error:
                self.readiness.trouble(part, str(error))
                backoff.pause()
            else:
                self.readiness.fine(part)
                return result
        return None

    def _prepare(self, topics: Topics, store: RedisStore, *, create_topics: bool) -> bool:
        """Open the state and see to the topics; False when told to stop before."""

        def attempt() -> bool:
            for name in topics.make_missing(with_clicks=create_topics):
                log.info("made topic %s", name)
            if not topics.partition_count(self.settings.topic_clicks):
                raise BrokerUnavailableError(
                    f"topic {self.settings.topic_clicks} is missing: its producers make it, or "
                    "start with --create-topics"
                )
            self._open(store)
            return True

        return bool(self._persist("services", attempt))

    def _open(self, store: Store) -> None:
        """Open the state; where Redis holds none, the journal says whether ours would fit it."""
        try:
            store.read_progress([])
        except DeploymentAbsentError:
            Journal(self.settings).read_tail()
        store.open()

    def _read(self, loop: Loop, source: Source, store: Store) -> None:
        backoff = Backoff(self.stop)
        idle = Idle(self.until_idle_seconds)
        while not self.stop.is_set():
            applied = self._take_turn(loop, source, store, backoff)
            if applied is None:
                continue
            if applied:
                idle.restart()
            if self._is_all_closed(loop, idle) and idle.is_over(loop):
                log.info("read to the end and idle: done")
                return

    def _take_turn(self, loop: Loop, source: Source, store: Store, backoff: Backoff) -> int | None:
        """Read once; return how many records were applied, None when a service is away."""
        try:
            applied = self._step(loop, source, store)
            if backoff.failures and not applied:
                store.open()  # a full or demoted Redis still answers reads: only a write tells
        except DeadLetterRatioError as error:
            self.readiness.trouble("dead_letters", str(error))
            self._wave_on_if_mended(loop, error)
            backoff.pause()
            return None
        except TRANSIENT as error:
            self.readiness.trouble("reading", str(error))
            backoff.pause()
            return None
        self.readiness.fine("reading")
        # The turn after a refusal only goes back to where it stood: nothing has changed by that.
        if not loop.is_refusing:
            self.readiness.fine("dead_letters")
            backoff.reset()
        return applied

    def _wave_on_if_mended(self, loop: Loop, error: DeadLetterRatioError) -> None:
        try:
            end = self._mended.end_of_broken(error)
        except TRANSIENT as trouble:
            log.debug("looking whether the producer is mended: %s", trouble)
            return
        if end is not None:
            loop.limit.wave_on(error.partition, end)

    def _is_all_closed(self, loop: Loop, idle: "Idle") -> bool:
        """Say whether closing, if it is ours, found nothing due after the last batch."""
        idle.restart(self._published_at)
        if not self._owns_closing.is_set() or not any(loop.positions.values()):
            return True
        return self._nothing_due_at >= idle.since

    def _step(self, loop: Loop, source: Source, store: Store) -> int:
        applied = 0
        try:
            applied = self._step_over_gaps(loop)
        except DeploymentAbsentError:
            log.warning("Redis holds no state of app %r: opening it", self.settings.app)
            store.open()
        if 0 in source.owned:
            self._owns_closing.set()
        else:
            self._owns_closing.clear()
        return applied

    def _step_over_gaps(self, loop: Loop) -> int:
        try:
            return loop.step()
        except OffsetGapError as gap:
            loop.close_gap(gap.positions)
            return 0

    def _close_buckets(self, topics: Topics) -> None:
        """Close, forecast and publish while this member owns partition 0."""
        settings, store = self.settings, RedisStore.connect(self.settings)
        models = RedisModels.connect(settings)
        try:
            closer = Closer(
                store=store,
                journal=Journal(settings),
                open_publisher=lambda: Publisher(settings),
                partition_count=PartitionCount(topics, settings.topic_clicks),
                lineup=Lineup(settings=settings, load_built_in=_load_settled, models=models),
                traces=self.traces,
            )
            self._close_with(closer)
        except Exception as error:  # noqa: BLE001 (handed to the main thread, which raises it)
            self._fatal.append(error)
            self.stop.set()
        finally:
            store.close()
            models.close()

    def _close_with(self, closer: Closer) -> None:
        backoff = Backoff(self.stop)
        try:
            while not self.stop.is_set():
                self._changed.clear()
                if self._close_next(closer, backoff):
                    continue
                self._changed.wait(CLOSE_WAIT_SECONDS)
        finally:
            _close_quietly(closer.release)

    def _close_next(self, closer: Closer, backoff: Backoff) -> bool:
        """Close one bucket; True when there may be another at once."""
        if not self._owns_closing.is_set():
            closer.release()
            closer.stand_by()
            return False
        began_at = time.monotonic()
        try:
            is_closed = closer.close_next()
        except FencedError as error:
            metrics.TRANSACTIONS_UNKNOWN.inc()
            log.warning("%s", error)
            closer.release()
            backoff.pause()
            return False
        except DeploymentAbsentError:
            closer.release()
            return False
        except TRANSIENT as error:
            self.readiness.trouble("forecasting", str(error))
            _close_quietly(closer.release)
            backoff.pause()
            return False
        self.readiness.fine("forecasting")
        backoff.reset()
        if is_closed:
            self._published_at = time.monotonic()
        else:
            self._nothing_due_at = began_at
        return is_closed


@dataclass(slots=True)
class Idle:
    """Decides when `--until-idle` is over."""

    seconds: float | None
    since: float = field(default_factory=time.monotonic)

    def restart(self, at: float | None = None) -> None:
        """Something happened, now or at a monotonic time: count from then."""
        self.since = max(self.since, time.monotonic() if at is None else at)

    def is_over(self, loop: Loop) -> bool:
        """Say whether nothing happened for long enough and nothing is unread."""
        if self.seconds is None or time.monotonic() - self.since < self.seconds:
            return False
        try:
            is_done = loop.is_caught_up()
        except BrokerUnavailableError:
            is_done = False
        if not is_done:
            self.restart()
        return is_done


def _load_settled(settings: Settings) -> tuple[Forecaster, str | None]:
    loaded = load_live_forecaster(settings)
    settle_collector()
    return loaded


def _close_quietly(close: Callable[[], None]) -> None:
    """Close at the end, where a service that is away must not hide why it ended."""
    try:
        close()
    except TRANSIENT as error:
        log.debug("closing: %s", error)


FATAL: Final = (InvariantError, DeploymentMismatchError, ModelRefusedError)
"""Errors after which going on would be wrong."""
