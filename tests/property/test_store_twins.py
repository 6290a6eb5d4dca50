"""The in-memory twin and the scripts agree after any sequence of calls."""

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state.memory_store import MemoryStore
from state.redis_store import RedisStore
from state.store import Batch, Sealed, Store
from tests.contract.test_stores import clicks, settings_for

Call = tuple[str, int, int, int, tuple[tuple[int, str, int], ...]]

calls = st.lists(
    st.tuples(
        st.sampled_from(["apply", "apply", "apply", "idle", "seal", "seal", "replay", "finish"]),
        st.integers(0, 2),
        st.integers(1, 4),
        st.integers(0, 120),
        st.lists(
            st.tuples(st.integers(0, 9), st.sampled_from("abcde"), st.integers(1, 5)), max_size=4
        ).map(tuple),
    ),
    min_size=5,
    max_size=60,
)


class Driver:
    """Makes the calls on one store, remembering only what a consumer would."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.store.open()
        self.last: Batch | None = None

    def make(self, call: Call) -> object:
        name, p, n, second, clicked = call
        progress = self.store.read_progress()
        if name == "apply":
            offset = progress.offsets.get(p, 0)
            cells = {(bucket * 10_000, g): clicks(k) for bucket, g, k in clicked}
            moved = second * 1000 if cells else None
            front = None if moved is None else (moved, moved + second * 997)
            self.last = Batch(
                p, offset, offset + n, progress.watermarks.get(p), moved, front, cells
            )
            return self.store.apply(self.last)
        if name == "replay":
            return self.store.apply(self.last) if self.last else None
        if name == "idle":
            return self.store.renew_idle(p, progress.offsets.get(p, 0), second * 1000)
        if name == "finish":
            return self.store.finish()
        return self.seal(second * 1000, n, progress.published_ms)

    def seal(self, now_ms: int, n: int, published_ms: int | None) -> object:
        sealed = self.store.seal(partition_count=3, now_ms=now_ms, expect_published_ms=published_ms)
        if not isinstance(sealed, Sealed):
            return sealed
        committed = self.store.commit(sealed) if n > 1 else None
        named = dict(
            zip(
                sealed.genres,
                zip(sealed.is_known.tolist(), sealed.cells.tolist(), strict=True),
                strict=True,
            )
        )
        return (sealed.bucket_ms, named, sealed.cut, sealed.replay_from, sealed.is_reset, committed)


def everything(store: Store) -> object:
    window = store.read_window()
    return (
        store.read_progress(), store.read_totals(), store.read_open(), window.genres,
        window.starts_ms.tolist(), window.cells.tolist(), window.first_bucket_ms.tolist(),
    )  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calls=calls)
def test_memory_and_redis_agree_after_any_sequence_of_calls(
    redis_url: str, calls: list[Call]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    scripts = RedisStore.connect(settings_for(redis_url=redis_url))
    try:
        on_redis, in_memory = Driver(scripts), Driver(MemoryStore(settings_for()))
        for call in calls:
            assert on_redis.make(call) == in_memory.make(call)
        assert everything(on_redis.store) == everything(in_memory.store)
    finally:
        scripts.close()
