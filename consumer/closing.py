"""Closing, forecasting, publishing: the forecaster's work, one bucket after the other."""

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from consumer import metrics
from consumer.errors import InvariantError
from consumer.messages import forecast_messages, is_published_as, journal_record
from consumer.restoring import restore_store
from contracts.clock import wall_clock_ms
from contracts.forecasts import BucketRecord
from contracts.settings import Settings
from state.store import SavedState, Sealed, Store

if TYPE_CHECKING:
    from model.forecaster import Forecaster, Forecasts
    from model.window import Window

log = logging.getLogger(__name__)

PARTITION_COUNT_AGE_SECONDS: Final = 1.5
"""How old the partition count may be when a bucket closes, seconds."""

STATE_BYTES_PER_BUCKET: Final = 1_000_000
"""Model state written per bucket on average, bytes: a larger one is saved every few buckets."""


class PublisherPort(Protocol):
    """The transactional side of Kafka."""

    def publish(
        self, bucket_ms: int, forecasts: Iterator[tuple[str, bytes]], journal: bytes
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

    It holds the window and the LSTM's state only while it is the forecaster; whatever it holds
    can be lost, and is read again from Redis by `take_over`.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        store: Store,
        journal: JournalPort,
        open_publisher: Callable[[], PublisherPort],
        partition_count: Callable[[], int],
        load_forecaster: "Callable[[Settings], tuple[Forecaster, str | None]]",
        wall_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._open_publisher = open_publisher
        self._partition_count = partition_count
        self._load_forecaster = load_forecaster
        self._wall_ms = wall_ms
        self._publisher: PublisherPort | None = None
        self._forecaster: Forecaster | None = None
        self._published_ms: int | None = None
        self._genres: tuple[str, ...] = ()
        self._window: Window
        self._state: np.ndarray[tuple[int, int], np.dtype[np.float32]]

    def release(self) -> None:
        """Stop being the forecaster."""
        if self._publisher is not None:
            publisher, self._publisher = self._publisher, None
            publisher.close()

    def close_next(self) -> bool:
        """Close, forecast and publish the next bucket; False when none is due.

        Raises:
            FencedError: Another forecaster took over, or a transaction's outcome is unknown;
                call again after `release`.
        """
        if self._publisher is None:
            self._take_over()
        sealed = self._store.seal(
            partition_count=self._partition_count(),
            now_ms=self._wall_ms(),
            expect_published_ms=self._published_ms,
        )
        if sealed == "wait":
            return False
        if sealed == "disagrees":
            log.warning("Redis and the journal disagree on the last bucket: taking over anew")
            self.release()
            return True
        if sealed.genres[: len(self._genres)] != self._genres:
            log.warning("Redis went back: it holds other genres than before, taking over anew")
            self.release()
            return True
        with metrics.CLOSE_SECONDS.time():
            self._forecast(sealed)
        return True

    def _forecast(self, sealed: Sealed) -> None:
        if self._publisher is None or self._forecaster is None:
            raise RuntimeError("take over first")
        forecasts = self._advance(sealed)
        emitted_at = self._wall_ms()
        messages = forecast_messages(
            sealed, forecasts, self._settings, self._forecaster, emitted_at
        )
        journal = journal_record(sealed, self._settings, self._forecaster.version, emitted_at)
        self._publisher.publish(sealed.bucket_ms, messages, journal)
        metrics.BUCKETS.inc()
        self._published_ms = sealed.bucket_ms
        self._commit(sealed)

    def _commit(self, sealed: Sealed) -> None:
        if not self._store.commit(sealed, self._saved_state(sealed)):
            log.warning("Redis went back behind the published bucket: taking over anew")
            self.release()
            return
        log.info(
            "bucket %d published: %d genres, %d clicks",
            sealed.bucket_ms, int(sealed.is_known.sum()), int(sealed.cells[:, 0].sum()),
        )  # fmt: skip

    def _saved_state(self, sealed: Sealed) -> SavedState | None:
        every = 1 + self._state.nbytes // STATE_BYTES_PER_BUCKET
        if (sealed.bucket_ms // self._settings.bucket_ms) % every or self._forecaster is None:
            return None
        blob = self._state.tobytes()
        return SavedState(self._forecaster.version, sealed.bucket_ms, len(sealed.genres), blob)

    def _advance(self, sealed: Sealed) -> "Forecasts":
        if self._forecaster is None:
            raise RuntimeError("take over first")
        if sealed.is_reset:
            log.warning("a gap longer than the window before bucket %d: reset", sealed.bucket_ms)
            self._window.clear()
            self._state = self._forecaster.initial_state(0)
        self._window.append(sealed.bucket_ms, sealed.cells, sealed.first_bucket_ms)
        self._genres = sealed.genres
        self._state, forecasts = self._step()
        for genre in forecasts.reset_genres:
            log.warning("state of genre %r was not finite: begun anew", sealed.genres[genre])
        return forecasts

    def _step(self) -> "tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], Forecasts]":
        from model.forecaster import grow_state

        if self._forecaster is None:
            raise RuntimeError("take over first")
        grown = grow_state(self._forecaster, self._state, self._window.genre_count)
        return self._forecaster.advance(grown, self._window)

    def _take_over(self) -> None:
        """Fence older forecasters, read the journal's tail, and bring Redis and model up to it."""
        if self._forecaster is None:
            self._forecaster, reason = self._load_forecaster(self._settings)
            if reason:
                log.warning("forecasting with the baseline: %s", reason)
        publisher = self._open_publisher()
        try:
            self._store.open()
            self._published_ms = self._reconcile()
            self._warm()
        except BaseException:
            publisher.close()
            raise
        self._publisher = publisher
        metrics.TAKEOVERS.inc()
        log.info("this member is the forecaster, model %s", self._forecaster.version)

    def _reconcile(self) -> int | None:
        # Redis first: were the journal read first, a forecaster that was stopped between the two
        # and is fenced by now would find Redis ahead of it.
        published = self._store.read_progress().published_ms
        tail = self._journal.read_tail()
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
        return self._store.commit(sealed, None)

    def _restore(self, tail: BucketRecord) -> None:
        records = self._journal.read_back(self._settings.window_buckets)
        buckets = restore_store(self._store, tail, records)
        if buckets:
            metrics.RESTORES.inc()
            log.warning(
                "Redis was behind the journal: restored %d buckets up to %d from it",
                buckets, tail.bucket_start,
            )  # fmt: skip

    def _warm(self) -> None:
        """Read window and state from Redis; replay the buckets after the saved state."""
        from model.window import Window

        if self._forecaster is None:
            raise RuntimeError("take over first")
        rows = self._store.read_window()
        self._genres = rows.genres
        saved = self._store.read_state()
        self._window = Window(self._settings.window_buckets, self._settings.bucket_ms)
        self._state = self._forecaster.initial_state(0)
        starts = rows.starts_ms.tolist()
        width = self._forecaster.state_width
        is_usable = (
            saved is not None
            and saved.model_version == self._forecaster.version
            and saved.bucket_ms in starts
            and len(saved.blob) == 4 * width * saved.genre_count
        )
        for start, cells in zip(starts, rows.cells, strict=True):
            self._window.append(start, cells, rows.first_bucket_ms)
            if is_usable and saved is not None and start == saved.bucket_ms:
                flat = np.frombuffer(saved.blob, np.float32)
                self._state = flat.reshape(saved.genre_count, width).copy()
            elif is_usable and saved is not None and start > saved.bucket_ms:
                self._state, _ = self._step()
        if starts and not is_usable:
            self._state = self._forecaster.warm(self._window)
