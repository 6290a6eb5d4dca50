"""Closing: each bucket published once, whoever dies on the way; the journal has the last word."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson
import pytest

from consumer.closing import Closer
from consumer.errors import FencedError, InvariantError
from consumer.lineup import Lineup
from contracts.alerts import GenreAlert
from contracts.forecasts import BucketRecord
from contracts.settings import Settings
from model.baseline import Baseline
from model.forecaster import Forecaster
from state.memory_store import MemoryStore
from tests.contract.test_stores import A, B, C, batch, settings_for


@dataclass
class Topics:
    """What is committed on the forecast topic and in the journal."""

    forecasts: list[tuple[int, str, int]] = field(default_factory=list)
    journal: list[BucketRecord] = field(default_factory=list)
    alerts: list[GenreAlert] = field(default_factory=list)
    dies: str = ""
    opened: int = 0

    def publish(
        self,
        bucket_ms: int,
        forecasts: Iterator[tuple[str, bytes]],
        journal: bytes,
        alerts: Sequence[tuple[str, bytes]],
    ) -> None:
        if self.dies == "before":
            raise FencedError("the broker is gone")
        for genre, value in forecasts:
            self.forecasts.append((bucket_ms, genre, orjson.loads(value)["observed_clicks"]))
        self.journal.append(BucketRecord.model_validate_json(journal))
        self.alerts += [GenreAlert.model_validate_json(value) for _, value in alerts]
        if self.dies == "after":
            raise FencedError("the reply to the commit is lost")

    def close(self) -> None:
        return

    def open(self) -> "Topics":
        self.opened += 1
        return self

    def read_tail(self) -> BucketRecord | None:
        return self.journal[-1] if self.journal else None

    def read_back(self, buckets: int) -> list[BucketRecord]:
        return self.journal[-buckets:]


def load_baseline(settings: Settings) -> tuple[Forecaster, str | None]:
    return Baseline(settings.horizon, settings.quantiles), None


def closer_of(store: MemoryStore, topics: Topics, partitions: int = 1) -> Closer:
    return Closer(
        store=store,
        journal=topics,
        open_publisher=topics.open,
        partition_count=lambda: partitions,
        lineup=Lineup(settings=settings_for(), load_built_in=load_baseline),
    )


def fill(store: MemoryStore) -> None:
    """Three buckets of clicks on one partition; A and B are due, C is open."""
    store.open()
    store.apply(batch(0, 4, 2000, {(A, "crime"): 4}))
    store.apply(batch(4, 9, 21_000, {(B, "crime"): 3, (B, "noir"): 1, (C, "noir"): 1}))


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore(settings_for())
    fill(made)
    return made


EXPECTED = [(A, "crime", 4), (B, "crime", 3), (B, "noir", 1)]


def close_all(closer: Closer) -> None:
    while closer.close_next():
        pass


def test_due_buckets_are_published_once_in_order(store: MemoryStore) -> None:
    topics = Topics()
    close_all(closer_of(store, topics))
    assert topics.forecasts == EXPECTED
    assert [record.bucket_start for record in topics.journal] == [A, B]
    assert topics.journal[-1].cut == {0: 9}
    assert store.read_progress().published_ms == B
    assert store.read_window().starts_ms.tolist() == [A, B]


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_forecaster_that_dies_around_the_commit_leaves_nothing_twice_or_missing(
    store: MemoryStore, dies: str
) -> None:
    topics = Topics(dies=dies)
    with pytest.raises(FencedError):
        closer_of(store, topics).close_next()
    assert store.read_progress().published_ms is None

    topics.dies = ""
    close_all(closer_of(store, topics))
    assert topics.forecasts == EXPECTED
    assert store.read_progress().published_ms == B


def test_one_that_was_fenced_takes_over_anew_by_opening_another_producer(
    store: MemoryStore,
) -> None:
    topics = Topics(dies="before")
    closer = closer_of(store, topics)
    with pytest.raises(FencedError):
        closer.close_next()
    closer.release()
    topics.dies = ""
    close_all(closer)
    assert topics.forecasts == EXPECTED
    assert topics.opened == 2


def test_an_emptied_store_is_restored_and_reads_the_open_buckets_again(store: MemoryStore) -> None:
    topics = Topics()
    close_all(closer_of(store, topics))

    emptied = MemoryStore(settings_for())
    close_all(closer_of(emptied, topics))
    assert topics.forecasts == EXPECTED, "nothing is published again"
    progress = emptied.read_progress()
    assert progress.published_ms == B
    assert emptied.read_window().cells.tolist() == store.read_window().cells.tolist()
    # The open bucket C began with the batch at offset 4: from there its clicks come again.
    assert progress.offsets == {0: 4}


def test_a_journal_that_is_behind_the_store_stops_everything(store: MemoryStore) -> None:
    topics = Topics()
    close_all(closer_of(store, topics))
    topics.journal.pop()
    with pytest.raises(InvariantError, match="genre-buckets ends at 0"):
        closer_of(store, topics).close_next()


def test_the_second_forecaster_warms_up_to_the_same_forecasts(store: MemoryStore) -> None:
    alone, handed_over = Topics(), Topics()
    other = MemoryStore(settings_for())
    fill(other)
    close_all(closer_of(store, alone))
    assert closer_of(other, handed_over).close_next()
    close_all(closer_of(other, handed_over))
    assert handed_over.forecasts == alone.forecasts
    assert [r.counts for r in handed_over.journal] == [r.counts for r in alone.journal]


class StoppedOnOpening(MemoryStore):
    """A store at whose opening the process is stopped, and others go on meanwhile."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__(settings_for())
        self.meanwhile: Callable[[], None] | None = None
        fill(self)
        self.meanwhile = meanwhile

    def open(self) -> None:
        super().open()
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()


def test_one_stopped_while_taking_over_finds_no_contradiction_when_it_goes_on() -> None:
    topics = Topics()
    shared = StoppedOnOpening(lambda: close_all(closer_of(shared, topics)))
    close_all(closer_of(shared, topics))
    assert topics.forecasts == EXPECTED


def test_counts_that_lack_what_retention_took_are_not_committed_but_restored(
    store: MemoryStore,
) -> None:
    topics = Topics(dies="after")
    with pytest.raises(FencedError):
        closer_of(store, topics).close_next()
    topics.dies = ""

    # Read again after Redis went back, with offsets 0-3 gone: the same cut, another count.
    again = MemoryStore(settings_for())
    again.open()
    again.apply(batch(0, 3, None, {}))
    again.apply(batch(3, 4, 2000, {(A, "crime"): 1}))
    again.apply(batch(4, 9, 21_000, {(B, "crime"): 3, (B, "noir"): 1, (C, "noir"): 1}))
    assert closer_of(again, topics).close_next() is False
    assert again.read_window().cells[:, 0, 0].tolist() == [4]


def test_a_lapsed_idle_lease_closes_nothing_on_taking_over(store: MemoryStore) -> None:
    topics = Topics(dies="after")
    store.renew_idle(1, 0, until_ms=2**60)
    with pytest.raises(FencedError):
        closer_of(store, topics, partitions=2).close_next()
    topics.dies = ""

    # Redis went back to before the close, and nobody has looked at partition 1 for long.
    again = MemoryStore(settings_for())
    fill(again)
    again.renew_idle(1, 0, until_ms=2000)
    close_all(closer_of(again, topics, partitions=2))
    assert topics.forecasts == EXPECTED[:1]


def test_genres_that_redis_lost_again_make_the_forecaster_begin_anew() -> None:
    topics, store = Topics(), MemoryStore(settings_for())
    store.open()
    store.apply(batch(0, 4, 12_000, {(A, "crime"): 4, (B, "crime"): 3}))
    close_all(closer_of(store, topics))
    before = store.snapshot()

    store.apply(batch(4, 5, 12_000, {(B, "noir"): 1}))
    closer = closer_of(store, topics)
    close_all(closer)  # takes over and learns of the second genre
    store.rollback(before)
    store.apply(batch(4, 6, 21_000, {(B, "crime"): 1}))
    close_all(closer)
    assert topics.forecasts == [(A, "crime", 4), (B, "crime", 4)]
