"""One suite over both stores of tastes: Redis with its scripts (server, cluster), and the twin."""

from collections.abc import Iterator

import numpy as np
import pytest

from contracts.forecasts import BucketRecord, ReplayPoint
from state.memory_store import MemoryStore
from state.memory_tastes import MemoryTastes
from state.redis_client import RedisClient
from state.redis_store import RedisStore
from state.redis_tastes import RedisTastes
from state.store import Store
from state.taste_store import ENTRY, HEAD, Entries, TasteBatch, TasteStore
from state.tastes import Taste, TasteReader, taste_of
from tests.contract.test_stores import A, batch, settings_for

NOON = 1_767_571_200_000
DAY = 86_400_000


@pytest.fixture(params=["memory", "redis", "cluster"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Store, TasteStore]]:
    if request.param == "memory":
        settings = settings_for(tastes=True, taste_half_life_days=1)
        tastes = MemoryTastes(settings)
        yield MemoryStore(settings, tastes=tastes), tastes
        return
    url = request.getfixturevalue(f"{request.param}_url")
    settings = settings_for(tastes=True, taste_half_life_days=1, redis_url=url)
    client = RedisClient(settings)
    yield RedisStore(client, settings), RedisTastes(client, settings)
    client.close()


@pytest.fixture
def store(both: tuple[Store, TasteStore]) -> TasteStore:
    return both[1]


def record(latest_ms: int, **affinities: float) -> Entries:
    """A record whose genres are named by number: n0, n1 and so on."""
    pairs = [(int(name[1:]), amount) for name, amount in affinities.items()]
    return np.array([(HEAD, float(latest_ms)), *pairs], ENTRY)


def wrote(start: int | None, end: int, **changes: object) -> TasteBatch:
    of_ann: dict[str, object] = {
        "genres": (), "new_genres": ["crime", "noir"], "users": ["ann"],
        "entries": record(NOON, n0=2.0, n1=1.0),
    }  # fmt: skip
    return TasteBatch("0", start, end, **(of_ann | changes))  # type: ignore[arg-type]


def taste(store: TasteStore, user: str, at_ms: int) -> Taste | None:
    return taste_of(user, at_ms, *store.read_user(user))


def test_a_taste_halves_with_every_half_life_and_never_grows_back(store: TasteStore) -> None:
    assert store.write(wrote(None, 5)) == "written"
    assert taste(store, "ann", NOON) == Taste("ann", NOON, {"crime": 2.0, "noir": 1.0})
    assert taste(store, "ann", NOON + 2 * DAY) == Taste("ann", NOON, {"crime": 0.5, "noir": 0.25})
    assert taste(store, "ann", NOON - DAY) == taste(store, "ann", NOON)
    assert taste(store, "bob", NOON) is None


def test_the_reader_finds_what_was_written(redis_url: str) -> None:
    settings = settings_for(redis_url=redis_url, taste_half_life_days=1)
    client = RedisClient(settings)
    reader = TasteReader(client, settings.app)
    assert reader.read("ann", NOON) is None
    store = RedisTastes(client, settings)
    store.write(wrote(None, 5))
    found = reader.read("ann", NOON + DAY)
    client.close()
    assert found == Taste("ann", NOON, {"crime": 1.0, "noir": 0.5})
    assert found is not None
    assert list(found.affinities) == ["crime", "noir"]


def test_a_taste_is_the_sum_over_strands_as_of_the_latest_click(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    later = record(NOON + DAY, n1=3.0)
    names = ["crime", "noir"]
    store.write(TasteBatch("1", None, 4, genres=names, users=["ann"], entries=later))
    found = taste(store, "ann", 0)
    assert found == Taste("ann", NOON + DAY, {"noir": 3.5, "crime": 1.0})
    assert found is not None
    assert list(found.affinities) == ["noir", "crime"]


def test_a_replay_and_a_zombie_change_nothing(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    for start, end in ((None, 5), (4, 9), (6, 9)):
        assert store.write(wrote(start, end, entries=record(NOON, n0=9.0))) == "moved"
    assert store.read_offsets() == {"0": 5}
    assert taste(store, "ann", NOON) == Taste("ann", NOON, {"crime": 2.0, "noir": 1.0})


def test_records_come_back_in_the_order_asked_for_with_empty_ones_between(
    store: TasteStore,
) -> None:
    store.write(wrote(None, 5))
    held = store.read("0", ["nobody", "ann", "none"])
    expected = np.concatenate([record(0), record(NOON, n0=2.0, n1=1.0), record(0)])
    assert (held.offset, held.entries.tolist()) == (5, expected.tolist())
    assert store.read("1", ["ann"]).offset is None


def test_many_users_are_written_and_read_at_once(store: TasteStore) -> None:
    users = [f"user-{i}" for i in range(9_001)]
    entries = np.concatenate([record(NOON + i, **({"n0": i} if i % 2 else {"n0": 1, "n1": i}))
                              for i in range(len(users))])  # fmt: skip
    store.write(wrote(None, 5, users=users, entries=entries))
    assert store.read("0", users).entries.tolist() == entries.tolist()


def test_a_forgotten_user_is_gone_and_stays_forgotten(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    assert store.forget("ann", NOON + DAY)
    assert not store.forget("ann", NOON), "again, and earlier: nothing is known, nothing changes"
    assert not store.forget("bob", NOON)
    assert taste(store, "ann", NOON) is None
    held = store.read("0", ["cay", "ann"])
    assert held.forgotten == {1: NOON + DAY}
    store.begin({})
    assert store.read("0", ["ann"]).forgotten == {0: NOON + DAY}


def test_what_was_read_before_somebody_was_forgotten_is_not_written(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    held = store.read("0", ["ann"])
    store.forget("ann", NOON)
    names = store.read_genres()
    stale = wrote(5, 9, forgets=held.forgets, genres=names, new_genres=[])
    assert store.write(stale) == "forgot"
    assert taste(store, "ann", NOON) is None
    assert store.read_offsets() == {"0": 5}


def test_what_was_read_before_everybody_was_dropped_is_not_written(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    held, names = store.read("0", ["ann"]), store.read_genres()
    store.begin({"0": 5})
    stale = wrote(5, 9, forgets=held.forgets, genres=names, new_genres=[], entries=held.entries)
    assert store.write(stale) == "forgot"
    assert taste(store, "ann", NOON) is None


def test_a_number_never_means_another_genre(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    assert store.write(wrote(5, 9, new_genres=["comedy"])) == "genres"
    assert store.write(wrote(5, 9, genres=["crime", "comedy"], new_genres=[])) == "genres"
    assert store.read_genres() == ["crime", "noir"]


def test_old_users_are_dropped(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    names = store.read_genres()
    of_bob = {"users": ["bob"], "entries": record(NOON + DAY, n0=1.0)}
    update = wrote(5, 9, genres=names, new_genres=[], look_over=10, **of_bob)
    store.write(update)
    assert taste(store, "ann", NOON) is not None
    store.write(
        wrote(9, 10, genres=names, new_genres=[], look_over=10, oldest_ms=NOON + 1, **of_bob)
    )
    assert taste(store, "ann", NOON) is None
    assert taste(store, "bob", NOON) is not None


def test_to_begin_drops_everybody_and_sets_offsets(store: TasteStore) -> None:
    store.write(wrote(None, 5))
    store.begin({"0": 3, "refill:0": 1})
    assert taste(store, "ann", NOON) is None
    assert store.read_offsets() == {"0": 3, "refill:0": 1}


def journal_record() -> BucketRecord:
    return BucketRecord(
        bucket_start=A, bucket_seconds=10, counts={}, genres_first_bucket={}, cut={0: 9},
        replay_from={0: ReplayPoint(offset=7, watermark=6000)}, model_version="m", emitted_at=0,
    )  # fmt: skip


def test_a_restore_keeps_tastes_that_went_back_with_the_counts(
    both: tuple[Store, TasteStore],
) -> None:
    counts, tastes = both
    counts.open()
    counts.apply(batch(0, 5, 10_000, {(A - 10_000, "crime"): 1}))
    sealed = counts.seal(partition_count=1, now_ms=0, expect_published_ms=None)
    assert not isinstance(sealed, str)
    counts.commit(sealed)
    tastes.write(wrote(None, 5))
    assert counts.restore(journal_record(), {})
    assert tastes.read_offsets() == {"0": 5}
    assert taste(tastes, "ann", NOON) is not None


def test_a_restore_of_an_emptied_redis_has_tastes_begin_where_reading_begins(
    both: tuple[Store, TasteStore],
) -> None:
    counts, tastes = both
    counts.open()
    tastes.write(wrote(None, 5))
    assert counts.restore(journal_record(), {})
    assert tastes.read_offsets() == {"0": 7}
    assert taste(tastes, "ann", NOON) is None
