"""One suite over both stores: Redis with its scripts (a server, Sentinel, a cluster), and the twin.

Buckets are 10 s long here, events may be 3 s out of order, a partition idles after 6 s:

    bucket   0        10        20        30   (seconds)
             |---A----|----B----|----C----|
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import redis

from contracts.forecasts import BucketRecord, ReplayPoint
from contracts.measures import OTHER_GENRE
from contracts.settings import Settings
from state.memory_store import MemoryStore
from state.packing import pack_row
from state.redis_store import RedisStore
from state.store import (
    SPARE_BUCKETS,
    Batch,
    DeploymentAbsentError,
    DeploymentMismatchError,
    SavedState,
    Sealed,
    Store,
)

A, B, C = 0, 10_000, 20_000

MakeStore = Callable[..., Store]


def settings_for(**changes: object) -> Settings:
    options: dict[str, object] = {
        "bucket_seconds": 10,
        "max_out_of_orderness_seconds": 3,
        "idle_timeout_seconds": 6,
        "window_buckets": 4,
        "max_genres": 3,
        **changes,
    }
    return Settings.model_validate(options)


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
def make_store(request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    opened: list[RedisStore] = []

    def make(**changes: object) -> Store:
        if request.param == "memory":
            return MemoryStore(settings_for(**changes))
        store = RedisStore.connect(
            settings_for(redis_url=request.getfixturevalue(f"{request.param}_url"), **changes)
        )
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    made = make_store()
    made.open()
    return made


def hand_over(one: Store, other: Store) -> None:
    """Have another process go on with a deployment's state; on Redis it does so by itself."""
    if isinstance(one, MemoryStore) and isinstance(other, MemoryStore):
        other.rollback(one.snapshot())


def clicks(n: int) -> tuple[int, ...]:
    return (n, 0, 0, 0, 0, 0, 0, 0)


def batch(
    start: int, end: int, watermark: int | None, cells: dict[tuple[int, str], int], p: int = 0
) -> Batch:
    return Batch(
        partition=p,
        expected_offset=start,
        next_offset=end,
        watermark_ms=watermark,
        front=None if watermark is None else (watermark + 3000, watermark + 3000),
        cells={key: clicks(n) for key, n in cells.items()},
        counted=sum(cells.values()),
    )


def seal(store: Store, published: int | None = None, now: int = 0, partitions: int = 1) -> Sealed:
    sealed = store.seal(partition_count=partitions, now_ms=now, expect_published_ms=published)
    assert isinstance(sealed, Sealed)
    return sealed


def waits(store: Store, published: int | None = None, now: int = 0, partitions: int = 1) -> bool:
    sealed = store.seal(partition_count=partitions, now_ms=now, expect_published_ms=published)
    return sealed == "wait"


def test_apply_adds_cells_and_moves_the_offset(store: Store) -> None:
    assert store.apply(batch(0, 5, 2000, {(A, "crime"): 3})).kind == "applied"
    assert store.apply(batch(5, 9, 4000, {(A, "crime"): 2, (A, "medical"): 1})).kind == "applied"

    assert store.read_open() == {A: {"crime": clicks(5), "medical": clicks(1)}}
    progress = store.read_progress()
    assert (progress.offsets, progress.watermarks) == ({0: 9}, {0: 4000})
    assert store.read_totals()["counted"] == 6
    assert store.read_genres() == {"crime": A, "medical": A}


def test_replayed_batch_changes_nothing_and_says_already(store: Store) -> None:
    store.apply(batch(0, 5, 2000, {(A, "crime"): 3}))
    assert store.apply(batch(0, 5, 2000, {(A, "crime"): 3})).kind == "already"
    assert store.read_open() == {A: {"crime": clicks(3)}}


def test_batch_of_a_zombie_is_told_where_the_offset_moved(store: Store) -> None:
    store.apply(batch(0, 5, 2000, {(A, "crime"): 3}))
    outcome = store.apply(batch(0, 3, 2000, {(A, "crime"): 2}))
    assert (outcome.kind, outcome.offset) == ("moved", 5)
    assert store.read_totals()["counted"] == 3


def test_watermark_does_not_move_back_on_out_of_order_batch(store: Store) -> None:
    store.apply(batch(0, 1, 5000, {(A, "crime"): 1}))
    store.apply(batch(1, 2, 1000, {(A, "crime"): 1}))
    assert store.read_progress().watermarks == {0: 5000}


def test_empty_batch_moves_the_offset_past_control_records(store: Store) -> None:
    assert store.apply(batch(0, 2, None, {})).kind == "applied"
    assert store.read_progress().offsets == {0: 2}


def test_progress_of_some_partitions_is_that_of_all_without_the_others(store: Store) -> None:
    for p in range(5):
        store.apply(batch(0, p + 1, 1000 * p, {(A, "crime"): 1}, p))
    store.renew_idle(3, 4, 99)
    store.note_pause(4, 5, "too many dead letters")
    every = store.read_progress()
    for some in ([], [3], [4, 0, 9], range(3_999), range(5_000)):
        assert store.read_progress(some) == every.of(some)
    assert store.read_progress([3]).idle_until == {3: 99}
    assert store.read_progress([4, 9]).paused == {4: "too many dead letters"}
    assert store.read_progress([]).offsets == {}


def test_measures_add_up_beyond_32_bits(store: Store) -> None:
    cell = (1, 86_400_000, 1, 120, 1, 1, 0, 0)
    for i in range(3):
        store.apply(
            Batch(0, i, i + 1, cells={(A, "crime"): tuple(n * 2**20 for n in cell)}, counted=1)
        )
    assert store.read_open()[A]["crime"] == tuple(3 * n * 2**20 for n in cell)


def test_genres_past_the_limit_count_under_other(store: Store) -> None:
    store.apply(batch(0, 5, 2000, {(A, g): 1 for g in ("a", "b", "c", "d", "e")}))
    assert store.read_open()[A] == {
        "a": clicks(1), "b": clicks(1), "c": clicks(1), OTHER_GENRE: clicks(2),
    }  # fmt: skip


def test_very_many_genres_of_a_batch_are_all_added_known_new_and_past_the_limit(
    make_store: MakeStore,
) -> None:
    store = make_store(max_genres=1_500)
    store.open()
    names = [f"g{number}" for number in range(1_700)]
    store.apply(batch(0, 1, 1000, {(A, name): 1 for name in names[::3]}))
    store.apply(batch(1, 2, 1000, {(A, name): 2 for name in names}))
    store.apply(batch(2, 3, 1000, {(bucket, name): 4 for bucket in (A, B) for name in names}))
    own = names[::3] + [name for name in names if name not in names[::3]][: 1_500 - 567]
    counts = {name: clicks(6 + (name in names[::3])) for name in own}
    opened = store.read_open()
    assert opened[A] == counts | {OTHER_GENRE: clicks(200 * 6)}
    assert opened[B] == dict.fromkeys(own, clicks(4)) | {OTHER_GENRE: clicks(200 * 4)}
    assert store.read_genres() == dict.fromkeys([*own, OTHER_GENRE], A)


def test_bucket_closes_exactly_when_the_watermark_reaches_its_end(store: Store) -> None:
    store.apply(batch(0, 1, 9999, {(A, "crime"): 1}))
    assert waits(store)
    store.apply(batch(1, 2, 10_000, {(B, "crime"): 7}))
    sealed = seal(store)
    assert (sealed.bucket_ms, sealed.genres, sealed.cells[:, 0].tolist()) == (A, ("crime",), [1])
    assert sealed.cut == {0: 2}
    assert sealed.replay_from == {0: (1, None)}


def test_sealed_bucket_is_the_same_until_it_is_committed(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    first = seal(store)
    store.apply(batch(1, 2, 20_000, {(B, "crime"): 4, (B, "new"): 4}))
    again = seal(store)
    assert again.cut == first.cut == {0: 1}
    assert again.cells[:1].tolist() == first.cells.tolist()
    assert again.genres == ("crime", "new")
    assert again.is_known.tolist() == [True, False]


def test_only_after_commit_the_next_bucket_closes(store: Store) -> None:
    store.apply(batch(0, 1, 30_000, {(A, "crime"): 1, (C, "crime"): 2}))
    first = seal(store)
    state = SavedState("m1", A, 1, b"\x00\x01")
    assert store.commit(first, [state])
    assert store.commit(first, [state]), "a lost reply is repeated"
    second = seal(store, published=A)
    assert (second.bucket_ms, second.cells[:, 0].tolist()) == (B, [0])
    store.commit(second)
    third = seal(store, published=B)
    assert (third.bucket_ms, third.cells[:, 0].tolist()) == (C, [2])
    assert store.read_states() == {"m1": state}
    window = store.read_window()
    assert window.starts_ms.tolist() == [A, B]
    assert window.cells[:, 0, 0].tolist() == [1, 0]


def test_forecaster_that_is_behind_is_told_so(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    store.commit(seal(store))
    stale = store.seal(partition_count=1, now_ms=0, expect_published_ms=None)
    assert stale == "disagrees"


def test_commit_of_another_cut_is_refused(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    sealed = seal(store)
    other = Sealed(
        sealed.bucket_ms, sealed.genres, sealed.first_bucket_ms, sealed.cells, {0: 7}, {}, False
    )
    assert not store.commit(other)
    assert store.read_progress().published_ms is None


def test_partition_never_seen_holds_the_watermark(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    assert waits(store, partitions=2)


def test_idle_lease_lets_the_others_close_and_ends(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    assert store.renew_idle(1, 0, until_ms=2000)
    assert waits(store, partitions=2, now=2000), "the lease has ended"
    assert seal(store, partitions=2, now=1999).bucket_ms == A


def test_idle_lease_of_a_partition_that_moved_is_refused(store: Store) -> None:
    store.apply(batch(0, 4, 5000, {(A, "crime"): 1}))
    assert not store.renew_idle(0, 3, until_ms=2000)


def test_a_pause_is_told_until_the_partition_is_read_on(store: Store) -> None:
    store.apply(batch(0, 4, 5000, {(A, "crime"): 1}))
    store.note_pause(0, 4, "too many: dead letters")
    store.note_pause(1, 7, "believed elsewhere")
    store.note_pause(2, 0, "at its beginning")
    paused = {0: "too many: dead letters", 2: "at its beginning"}
    assert store.read_progress().paused == paused
    store.apply(batch(4, 5, 5000, {(A, "crime"): 1}))
    assert store.read_progress().paused == {2: "at its beginning"}
    store.wipe()
    store.open()
    assert store.read_progress().paused == {}


def test_all_idle_and_live_moves_on_by_the_time_elapsed(store: Store) -> None:
    # Front 5 s at timestamp 5 s; idle for 6 s; the bucket ends at 10 s = 5 - 3 + 8.
    store.apply(batch(0, 1, 2000, {(A, "crime"): 1}))
    store.renew_idle(0, 1, until_ms=10**9)
    assert waits(store, now=5000 + 6000 + 7999)
    assert seal(store, now=5000 + 6000 + 8000).bucket_ms == A


def test_replay_that_went_idle_before_anyone_looked_closes_what_it_had_reached(
    store: Store,
) -> None:
    # Partition 0 reached 21 s, partition 1 only 12 s; both are long idle at the first look.
    old = 10**9
    for p, reached in ((0, B + 11_000), (1, A + 12_000)):
        watched = replace(batch(0, 1, reached, {(A, "crime"): 1}, p), front=(reached + 3000, old))
        store.apply(watched)
        store.renew_idle(p, 1, until_ms=10**12)
    store.renew_idle(2, 0, until_ms=10**12)
    assert waits(store, now=old, partitions=3), "the third may still have its first record to come"
    sealed = seal(store, now=old, partitions=2)
    assert (sealed.bucket_ms, sealed.cells[0, 0]) == (A, 2)
    store.commit(sealed)
    assert waits(store, published=A, now=old, partitions=2), "no further than the slowest of all"


def test_all_idle_after_a_replay_holds_until_finished_by_hand(store: Store) -> None:
    old = Batch(0, 0, 1, watermark_ms=2000, front=(5000, 10**9), cells={(A, "g"): clicks(1)})
    store.apply(old)
    store.renew_idle(0, 1, until_ms=10**12)
    assert waits(store, now=2 * 10**9)
    assert store.finish() == 1
    assert seal(store, now=2 * 10**9).bucket_ms == A


def test_record_for_a_closed_bucket_waits_until_it_is_published(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    sealed = seal(store)
    late = batch(1, 2, 11_000, {(A, "crime"): 1, (B, "crime"): 1})
    assert store.apply(late).kind == "wait"
    store.commit(sealed)
    outcome = store.apply(late)
    assert (outcome.kind, outcome.published_ms) == ("refused", A)
    assert store.read_progress().offsets == {0: 1}


def test_gap_longer_than_the_window_resets_it(store: Store) -> None:
    store.apply(batch(0, 1, 10_000, {(A, "crime"): 1}))
    store.commit(seal(store))
    far = 1_000_000
    store.apply(batch(1, 2, far + 10_000, {(far, "crime"): 2}))
    sealed = seal(store, published=A)
    assert (sealed.bucket_ms, sealed.is_reset) == (far, True)
    store.commit(sealed)
    assert store.read_window().starts_ms.tolist() == [far]
    assert store.read_totals()["window_resets"] == 1


def test_window_keeps_its_length_and_some_spare_buckets(store: Store) -> None:
    kept = 4 + SPARE_BUCKETS
    closed = kept + 5
    end = (closed + 1) * 10_000
    store.apply(batch(0, 1, end, {(b * 10_000, "crime"): b + 1 for b in range(closed)}))
    published = None
    for _ in range(closed):
        sealed = seal(store, published)
        store.commit(sealed)
        published = sealed.bucket_ms
    assert store.read_window().cells[:, 0, 0].tolist() == list(range(6, 6 + kept))


def test_states_of_several_versions_are_kept_apart_and_replaced_together(store: Store) -> None:
    first, second = SavedState("m1", A, 1, b"one\n\x00"), SavedState("m2", A, 1, b"")
    store.apply(batch(0, 1, 30_000, {(A, "crime"): 1}))
    store.commit(seal(store), [first, second], model_version="m1")
    assert store.read_states() == {"m1": first, "m2": second}
    assert store.read_progress().model_version == "m1"

    store.commit(seal(store, published=A))
    assert store.read_states() == {"m1": first, "m2": second}, "none to save leaves those"
    assert store.read_progress().model_version == "m1"

    third = SavedState("m3", C, 1, b"\xff")
    store.commit(seal(store, published=B), [third], model_version="m3")
    assert store.read_states() == {"m3": third}


def test_states_warmed_in_between_are_saved_beside_the_others_unless_redis_went_on(
    store: Store,
) -> None:
    store.apply(batch(0, 1, 20_000, {(A, "crime"): 1}))
    saved, warmed = SavedState("m1", A, 1, b"x"), SavedState("m2", A, 1, b"y")
    store.commit(seal(store), [saved])
    assert store.save_states(A, [warmed])
    assert store.read_states() == {"m1": saved, "m2": warmed}
    assert not store.save_states(B, [SavedState("m2", B, 1, b"z")])
    assert store.read_states() == {"m1": saved, "m2": warmed}


def test_restore_resets_to_the_journal_and_holds_closing_until_the_cut(store: Store) -> None:
    store.apply(batch(0, 3, 5000, {(A, "gone"): 1}))
    record = BucketRecord(
        bucket_start=A,
        bucket_seconds=10,
        counts={"crime": list(clicks(4))},
        genres_first_bucket={"crime": A},
        cut={0: 9},
        replay_from={0: ReplayPoint(offset=7, watermark=6000)},
        model_version="m",
        emitted_at=0,
    )
    rows = {A: pack_row(np.array([clicks(4)], np.int64))}
    assert store.restore(record, rows)
    assert not store.restore(record, rows), "not behind any more"
    progress = store.read_progress()
    assert (progress.offsets, progress.watermarks) == ({0: 7}, {0: 6000})
    assert store.read_open() == {}
    store.apply(batch(7, 8, 20_000, {(B, "crime"): 1}))
    assert waits(store, published=A)
    store.apply(batch(8, 9, 20_000, {}))
    assert seal(store, published=A).bucket_ms == B
    assert store.read_window().cells[:, 0, 0].tolist() == [4]


def test_absent_deployment_is_named(make_store: MakeStore) -> None:
    store = make_store()
    reads = (store.read_progress, store.read_window, store.read_states)
    for asked in (lambda: store.apply(batch(0, 1, None, {})), *reads):
        with pytest.raises(DeploymentAbsentError):
            asked()


def test_other_bucket_length_is_refused_by_every_script(redis_url: str) -> None:
    first = RedisStore.connect(settings_for(redis_url=redis_url))
    first.open()
    other = RedisStore.connect(settings_for(redis_url=redis_url, bucket_seconds=60))
    with pytest.raises(DeploymentMismatchError, match=r"bucket_ms 10000.*60000"):
        other.open()
    with pytest.raises(DeploymentMismatchError):
        other.apply(batch(0, 1, None, {}))
    with pytest.raises(DeploymentMismatchError):
        other.seal(partition_count=1, now_ms=0, expect_published_ms=None)
    first.close()
    other.close()


@pytest.mark.parametrize(
    ("version", "advice"), [(2, "newer.*bring this process up to date"), (0, "older.*rebuild")]
)
def test_state_of_another_version_is_refused_by_every_script_and_by_reading(
    redis_url: str, version: int, advice: str
) -> None:
    store = RedisStore.connect(settings_for(redis_url=redis_url))
    store.open()
    store.apply(batch(0, 5, B + 3000, {(A, "crime"): 3}))
    sealed = seal(store)
    record = BucketRecord(
        bucket_start=C, bucket_seconds=10, counts={}, genres_first_bucket={}, cut={},
        replay_from={}, model_version="", emitted_at=0,
    )  # fmt: skip
    [meta] = [key for key in redis.Redis.from_url(redis_url).scan_iter() if key.endswith(b":meta")]
    with redis.Redis.from_url(redis_url) as client:
        client.hset(meta, "schema_version", version)
        before = {key: client.dump(key) for key in client.scan_iter()}
        for asked in (
            store.open,
            store.read_progress,
            store.finish,
            lambda: store.apply(batch(5, 6, None, {})),
            lambda: store.seal(partition_count=1, now_ms=0, expect_published_ms=None),
            lambda: store.commit(sealed),
            lambda: store.save_states(A, []),
            lambda: store.renew_idle(0, 5, 9),
            lambda: store.note_pause(0, 5, "why"),
            lambda: store.restore(record, {}),
        ):
            with pytest.raises(DeploymentMismatchError, match=advice):
                asked()
        assert {key: client.dump(key) for key in client.scan_iter()} == before
    store.wipe()  # what `rebuild` begins with
    store.open()
    store.close()


def test_a_shorter_window_lets_go_of_all_rows_that_it_no_longer_keeps(
    make_store: MakeStore,
) -> None:
    def close(store: Store, number: int) -> None:
        start, before = number * B, None if number == 0 else (number - 1) * B
        store.apply(batch(number, number + 1, start + B, {(start, "crime"): 1}))
        assert store.commit(seal(store, before))

    wide = make_store(window_buckets=SPARE_BUCKETS)
    wide.open()
    for number in range(2 * SPARE_BUCKETS):
        close(wide, number)
    narrow = make_store(window_buckets=2)
    hand_over(wide, narrow)
    close(narrow, 2 * SPARE_BUCKETS)
    assert len(narrow.read_window().starts_ms) == 2 + SPARE_BUCKETS


def test_genres_past_a_raised_limit_are_counted_by_name_and_sums_stay(
    make_store: MakeStore,
) -> None:
    few = make_store(max_genres=1)
    few.open()
    few.apply(batch(0, 2, 1000, {(A, "crime"): 1, (A, "noir"): 2}))
    more = make_store(max_genres=5)
    hand_over(few, more)
    more.apply(batch(2, 4, 1000, {(A, "noir"): 3, (A, "drama"): 4}))
    hand_over(more, few)
    few.apply(batch(4, 6, 1000, {(A, "noir"): 5, (A, "medical"): 6}))  # a member not yet restarted
    assert few.read_open() == {
        A: {
            "crime": clicks(1), OTHER_GENRE: clicks(2 + 6), "noir": clicks(3 + 5),
            "drama": clicks(4),
        }
    }  # fmt: skip


def test_keys_of_a_deployment_share_one_hash_slot(redis_url: str) -> None:
    store = RedisStore.connect(settings_for(redis_url=redis_url))
    store.open()
    store.apply(batch(0, 1, 10_000, {(A, "{evil}*\n../"): 1}))
    store.commit(seal(store), [SavedState("m", A, 1, b"x")])
    store.apply(batch(1, 2, 12_000, {(B, "crime"): 1}))
    with redis.Redis.from_url(redis_url) as client:
        keys = [key.decode() for key in client.scan_iter()]
    assert len(keys) > 8
    assert all(key.startswith("{genrecast:default}:") for key in keys)
    store.close()


def with_ids(
    start: int, end: int, ids: dict[int, bytes], cells: dict[tuple[int, str], int]
) -> Batch:
    return replace(batch(start, end, None, cells), event_ids=ids)


def test_event_ids_are_kept_until_their_bucket_is_published(store: Store) -> None:
    assert store.read_event_ids(0) == (0, {})
    store.apply(with_ids(0, 2, {A: b"a", B: b"b"}, {(A, "crime"): 1, (B, "crime"): 1}))
    store.apply(replace(with_ids(2, 3, {A: b"c"}, {(A, "crime"): 1}), watermark_ms=B))
    assert store.read_event_ids(0) == (3, {A: b"ac", B: b"b"})
    assert store.read_event_ids(1) == (0, {})

    sealed = seal(store)
    assert store.read_event_ids(0) == (3, {A: b"ac", B: b"b"})
    assert store.commit(sealed)
    assert store.read_event_ids(0) == (3, {B: b"b"})


def test_batch_that_did_not_move_the_offset_leaves_no_event_ids(store: Store) -> None:
    store.apply(with_ids(0, 2, {A: b"a"}, {(A, "crime"): 1}))
    assert store.apply(with_ids(0, 2, {A: b"a"}, {(A, "crime"): 1})).kind == "already"
    assert store.apply(with_ids(1, 4, {A: b"x"}, {(A, "crime"): 1})).kind == "moved"
    assert store.read_event_ids(0) == (2, {A: b"a"})


def test_repeated_events_alone_are_refused_for_a_closed_bucket_too(store: Store) -> None:
    store.apply(batch(0, 2, B, {(A, "crime"): 1}))
    sealed = seal(store)
    repeated = with_ids(2, 3, {A: b""}, {})
    assert store.apply(repeated).kind == "wait"
    store.commit(sealed)
    assert store.apply(repeated).kind == "refused"


def test_wiped_store_is_as_one_that_never_was(store: Store) -> None:
    store.apply(with_ids(0, 2, {A: b"a"}, {(A, "crime"): 1}))
    store.apply(batch(2, 3, B, {(B, "crime"): 1}))
    seal(store)
    store.wipe()
    with pytest.raises(DeploymentAbsentError):
        store.read_progress()
    store.open()
    assert store.read_open() == {}
    assert store.read_event_ids(0) == (0, {})
    assert store.read_totals() == {}
    assert store.apply(batch(0, 2, 2000, {(A, "crime"): 1})).kind == "applied"
    assert store.read_open() == {A: {"crime": clicks(1)}}


def test_totals_tell_duplicates_and_lost_records(store: Store) -> None:
    store.apply(replace(batch(0, 5, None, {}), duplicates=2, lost=3))
    assert store.read_totals() == {"duplicates": 2, "lost": 3}


def test_impressions_are_told_in_the_totals_and_hold_no_replay_back(store: Store) -> None:
    store.apply(batch(0, 1, A, {(A, "crime"): 1}))
    shown = replace(batch(1, 5, B + 20_000, {}), impressions=4)
    store.apply(shown)
    assert store.apply(shown).kind == "already"
    store.apply(replace(batch(5, 6, B + 20_000, {(B, "crime"): 1}), counted=1, attributed=1))
    totals = store.read_totals()
    assert (totals["impressions"], totals["attributed"]) == (4, 1)
    assert seal(store).replay_from[0][0] == 5


def test_commit_of_a_seal_whose_genres_the_store_no_longer_has_in_that_order_is_refused(
    store: Store,
) -> None:
    store.apply(batch(0, 1, B, {(A, "crime"): 1, (A, "medical"): 2}))
    sealed = seal(store)
    for genres in (("medical", "crime"), ("crime", "medical", "noir")):
        other = replace(
            sealed,
            genres=genres,
            first_bucket_ms=np.full(len(genres), A),
            cells=np.zeros((len(genres), 8), np.int64),
        )
        assert not store.commit(other)
    assert store.read_progress().published_ms is None
    store.apply(batch(1, 2, None, {(B, "noir"): 1}))  # genres that came since are no matter
    assert store.commit(sealed)
