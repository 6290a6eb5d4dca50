"""Closing, forecasting, publishing: the forecaster's work, one bucket after the other."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from consumer import metrics
from consumer.alerts.alerting import Alerting
from consumer.errors import InvariantError
from consumer.judge import Judge
from consumer.lineup import ChampionRefusedError, Lineup
from consumer.messages import forecast_messages, is_published_as, journal_record
from consumer.restoring import restore_store
from consumer.stages import Stages
from consumer.tracing import UNTRACED, Traces, traced
from contracts.clock import MS_PER_SECOND, wall_clock_ms
from contracts.forecasts import BucketRecord
from state.store import SPARE_BUCKETS, SavedState, Sealed, Store

if TYPE_CHECKING:
    from model.forecaster import Forecasts

log = logging.getLogger(__name__)

PARTITION_COUNT_AGE_SECONDS: Final = 1.5
"""How old the partition count may be when a bucket closes, seconds."""

STATE_BYTES_PER_BUCKET: Final = 1_000_000
"""Model state written per bucket on average, bytes: a larger one is saved every few buckets."""

MOST_BUCKETS_UNSAVED: Final = SPARE_BUCKETS // 2
"""Most buckets between two saves: what the store keeps beyond the window reaches twice as far."""


class PublisherPort(Protocol):
    """The transactional side of Kafka."""

    def publish(
        self,
        bucket_ms: int,
        forecasts: Iterator[tuple[str, bytes]],
        journal: bytes,
        alerts: Sequence[tuple[str, bytes]],
    ) -> None:
        """Write a bucket, all or nothing."""
        ...

    def close(self) -> None:
        """Close the client."""
        ...


class JournalPort(Protocol):
    """The bucket journal, committed records only."""

    def read_tail(self) -> BucketRecord | None:
        """Return the last record."""
        ...

    def read_back(self, buckets: int) -> list[BucketRecord]:
        """Return the last records, oldest first."""
        ...


class Closer:
    """The forecaster: seal -> advance -> publish -> commit. One thread uses it.

    It holds the window and the models' states only while it is the forecaster; whatever it holds
    can be lost, and is read again from Redis by `take_over`.
    """

    def __init__(
        self,
        *,
        store: Store,
        journal: JournalPort,
        open_publisher: Callable[[], PublisherPort],
        partition_count: Callable[[], int],
        lineup: Lineup,
        judge: Judge | None = None,
        traces: Traces = UNTRACED,
        wall_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._settings = lineup.settings
        self._store = store
        self._journal = journal
        self._open_publisher = open_publisher
        self._partition_count = partition_count
        self._lineup = lineup
        self._judge = judge or Judge(lineup)
        self._alerting = Alerting(lineup.settings)
        self._traces = traces
        self._wall_ms = wall_ms
        self._publisher: PublisherPort | None = None
        self._published_ms: int | None = None
        self._genres: tuple[str, ...] = ()

    def release(self) -> None:
        """Stop being the forecaster."""
        if self._publisher is not None:
            publisher, self._publisher = self._publisher, None
            metrics.forget_models()
            publisher.close()

    def stand_by(self) -> None:
        """While another member is the forecaster: be ready to take over, where that is wanted."""
        if self._settings.standby:
            self._lineup.stand_by()

    def close_next(self) -> bool:
        """Close, forecast and publish the next bucket; False when none is due.

        Raises:
            FencedError: Another forecaster took over, or a transaction's outcome is unknown;
                call again after `release`.
        """
        if self._publisher is None and not self._take_over():
            return True
        partition_count, stages = self._partition_count(), Stages()
        with stages.stage("seal"):
            sealed = self._store.seal(
                partition_count=partition_count,
                now_ms=self._wall_ms(),
                expect_published_ms=self._published_ms,
            )
        if sealed == "wait":
            # Between two buckets is the time for models to come and go.
            self._lineup.look()
            self._judge.tell()
            if not self._keep(self._lineup.welcome()):
                self.release()
            return False
        if sealed == "disagrees":
            log.warning("Redis and the journal disagree on the last bucket: taking over anew")
            self.release()
            return True
        if sealed.genres[: len(self._genres)] != self._genres:
            log.warning("Redis went back: it holds other genres than before, taking over anew")
            self.release()
            return True
        self._lineup.turn(sealed.models_generation)
        try:
            with metrics.CLOSE_SECONDS.time():
                forecasts = self._traced(sealed, stages)
        except ChampionRefusedError:
            log.warning("the champion could not forecast: taking over anew, with another one")
            forecasts = None
        # Only now: whatever a model in shadow does, this bucket is published and saved.
        if forecasts is None or not self._follow_up(sealed, forecasts):
            self.release()
        return True

    def _traced(self, sealed: Sealed, stages: Stages) -> "Forecasts | None":
        """Publish a bucket and save it, told in the log and in a trace; None as `_forecast`."""
        about: dict[str, str | int] = {
            "bucket": sealed.bucket_ms,
            "genres": int(sealed.is_known.sum()),
            "clicks": int(sealed.cells[:, 0].sum()),
            "model": self._lineup.champion.forecaster.version,
        }
        with traced(self._traces, "bucket", stages, about):
            forecasts = self._forecast(sealed, stages)
        if forecasts is not None:
            lag_ms = self._wall_ms() - sealed.bucket_ms - self._settings.bucket_ms
            log.info(
                "bucket %d published: %d genres, %d clicks",
                about["bucket"], about["genres"], about["clicks"],
                extra=about | {
                    "lag_seconds": lag_ms / MS_PER_SECOND,
                    "step_ms": round(stages.seconds("step") * MS_PER_SECOND, 2),
                    "transaction_ms": round(stages.seconds("transaction") * MS_PER_SECOND, 2),
                },
            )  # fmt: skip
        return forecasts

    def _forecast(self, sealed: Sealed, stages: Stages) -> "Forecasts | None":
        """Publish a bucket and save it; None when Redis went back behind it."""
        if self._publisher is None:
            raise RuntimeError("take over first")
        lineup = self._lineup
        with stages.stage("step"), metrics.STEP_SECONDS.time():
            forecasts = lineup.advance(sealed)
        self._genres = sealed.genres
        emitted_at, forecaster = self._wall_ms(), lineup.champion.forecaster
        messages = forecast_messages(sealed, forecasts, self._settings, forecaster, emitted_at)
        told = self._alerting.see(sealed, forecasts, emitted_at)
        journal = journal_record(sealed, self._settings, forecaster.version, emitted_at, told.state)
        with stages.stage("transaction"), metrics.TRANSACTION_SECONDS.time():
            self._publisher.publish(sealed.bucket_ms, messages, journal, told.messages)
        metrics.BUCKETS.inc()
        self._alerting.count()
        self._published_ms = sealed.bucket_ms
        with stages.stage("commit"):
            is_kept = self._commit(sealed, forecaster.version)
        return forecasts if is_kept else None

    def _follow_up(self, sealed: Sealed, forecasts: "Forecasts") -> bool:
        """Run the models in shadow; False when Redis went back behind the published bucket."""
        self._judge.see(sealed, forecasts, self._lineup.run_shadows())
        return self._keep(self._lineup.welcome())

    def _commit(self, sealed: Sealed, model_version: str) -> bool:
        states = self._states_to_save(sealed)
        if not self._store.commit(sealed, states, model_version=model_version):
            log.warning("Redis went back behind the published bucket: taking over anew")
            return False
        return True

    def _states_to_save(self, sealed: Sealed) -> list[SavedState]:
        """Return the models' states, every few buckets where they are large."""
        every = min(1 + self._lineup.state_bytes // STATE_BYTES_PER_BUCKET, MOST_BUCKETS_UNSAVED)
        is_due = (sealed.bucket_ms // self._settings.bucket_ms) % every == 0
        return self._lineup.states() if is_due else []

    def _keep(self, warmed: Sequence[SavedState]) -> bool:
        """Save states that were warmed before anything is published from them.

        Warmed again later, over another window, they would not come out quite the same.

        Returns:
            False when Redis went back behind the published bucket.
        """
        if not warmed or self._published_ms is None:
            return True
        is_kept = self._store.save_states(self._published_ms, warmed)
        if not is_kept:
            log.warning("Redis went back behind the published bucket: taking over anew")
        return is_kept

    def _take_over(self) -> bool:
        """Fence older forecasters, read the journal's tail, and bring Redis and models up to it.

        Returns:
            False when Redis went back meanwhile: it is to be done again.
        """
        self._lineup.choose()
        publisher = self._open_publisher()
        try:
            self._store.open()
            self._published_ms = self._reconcile()
            rows = self._store.read_window()
            self._genres = rows.genres
            warmed = self._lineup.restore(rows, self._store.read_states())
            is_kept = self._keep(warmed)
        except ChampionRefusedError:
            is_kept = False
        except BaseException:
            publisher.close()
            raise
        if not is_kept:
            publisher.close()
            return False
        self._publisher = publisher
        metrics.TAKEOVERS.inc()
        version = self._lineup.champion.forecaster.version
        log.info("this member is the forecaster, model %s", version)
        return True

    def _reconcile(self) -> int | None:
        # Redis first: were the journal read first, a forecaster that was stopped between the two
        # and is fenced by now would find Redis ahead of it.
        published = self._store.read_progress().published_ms
        tail = self._journal.read_tail()
        self._alerting.resume(tail)
        journaled = tail.bucket_start if tail else None
        if published == journaled:
            return journaled
        if tail is None or (published is not None and published > tail.bucket_start):
            raise InvariantError(
                f"Redis has published bucket {published}, but the journal "
                f"{self._settings.topic_buckets} ends at {journaled}: the topic was recreated or "
                "its retention is too short. Point to the right topic, or start anew with another "
                "GENRECAST_APP"
            )
        if not self._commit_published(tail, published):
            self._restore(tail)
        return tail.bucket_start

    def _commit_published(self, tail: BucketRecord, published: int | None) -> bool:
        """Commit a bucket that was published just before its forecaster died."""
        sealed = self._store.seal(
            partition_count=self._partition_count(),
            now_ms=self._wall_ms(),
            expect_published_ms=published,
        )
        if not isinstance(sealed, Sealed) or not is_published_as(sealed, tail):
            return False
        return self._store.commit(sealed, model_version=tail.model_version)

    def _restore(self, tail: BucketRecord) -> None:
        records = self._journal.read_back(self._settings.window_buckets)
        buckets = restore_store(self._store, tail, records)
        if buckets:
            metrics.RESTORES.inc()
            log.warning(
                "Redis was behind the journal: restored %d buckets up to %d from it",
                buckets, tail.bucket_start,
            )  # fmt: skip
