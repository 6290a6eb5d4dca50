"""One suite over the registry of models: on Redis (a server, Sentinel, a cluster), and the twin."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from state.memory_store import MemoryStore
from state.model_store import (
    BUILT_IN,
    KEPT_VERSIONS,
    DriftFigures,
    LiveFigures,
    MemoryModels,
    ModelBytes,
    ModelEntry,
    ModelStore,
    Notes,
    Registry,
    RetrainRequest,
)
from state.redis_models import RedisModels
from state.redis_store import RedisStore
from state.store import Store
from tests.contract.test_stores import A, B, batch, seal, settings_for


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[ModelStore, Store]]:
    """The registry and the windows beside it."""
    if request.param == "memory":
        in_memory = MemoryModels()
        yield in_memory, MemoryStore(settings_for(), in_memory.generation)
        return
    settings = settings_for(redis_url=request.getfixturevalue(f"{request.param}_url"))
    models, store = RedisModels.connect(settings), RedisStore.connect(settings)
    yield models, store
    models.close()
    store.close()


@pytest.fixture
def models(both: tuple[ModelStore, Store]) -> ModelStore:
    return both[0]


def entry(version: str, at: int = 0) -> ModelEntry:
    return ModelEntry(
        version=version,
        registered_at=at,
        architecture="transformer",
        source="topic",
        metrics={"wql": 0.3, "mase": None},
    )


def files(name: str) -> ModelBytes:
    return ModelBytes(f'{{"{name}": 1}}'.encode(), f"{name}\x00\xff\r\n".encode("latin-1"))


def filled() -> tuple[Registry, dict[str, ModelBytes]]:
    entries = {"m-1": entry("m-1", 1), "m-2": entry("m-2", 2)}
    registry = Registry(
        champion="m-1", candidate="m-2", previous=BUILT_IN, moved_at_ms=77, entries=entries
    )
    return registry, {"m-1": files("m-1"), "m-2": files("m-2")}


def test_there_is_no_registry_at_first(models: ModelStore) -> None:
    assert models.read() == Registry()
    assert models.read_notes() == Notes()
    assert models.read_bytes("m-1") is None


def test_what_is_written_is_read_back_byte_for_byte(models: ModelStore) -> None:
    registry, added = filled()
    assert models.write(registry, added)
    assert models.read() == replace(registry, generation=1)
    assert models.read_bytes("m-1") == files("m-1")
    assert models.read_bytes("m-2") == files("m-2")
    assert [models.read().status_of(v) for v in ("m-1", "m-2")] == ["champion", "candidate"]


def test_a_change_made_from_an_older_registry_changes_nothing(models: ModelStore) -> None:
    registry, added = filled()
    assert models.write(registry, added)
    late = replace(registry, champion="m-2", entries={"m-3": entry("m-3")})
    assert not models.write(late, {"m-3": files("m-3")})
    assert models.read() == replace(registry, generation=1)
    assert models.read_bytes("m-3") is None


def test_versions_that_are_gone_lose_their_files_and_others_keep_theirs(
    models: ModelStore,
) -> None:
    registry, added = filled()
    models.write(registry, added)
    fewer = replace(
        models.read(), champion=BUILT_IN, previous=None, entries={"m-2": entry("m-2", 2)}
    )
    assert models.write(fewer, {})
    assert models.read() == replace(fewer, generation=2)
    assert models.read_bytes("m-1") is None
    assert models.read_bytes("m-2") == files("m-2")


def test_a_seal_tells_where_the_registry_stands(both: tuple[ModelStore, Store]) -> None:
    models, store = both
    store.open()
    store.apply(batch(0, 1, 20_000, {(A, "crime"): 1}))
    assert seal(store).models_generation == 0
    registry, added = filled()
    models.write(registry, added)
    sealed = seal(store)
    assert (sealed.bucket_ms, sealed.models_generation) == (A, 1)
    store.commit(sealed)
    models.write(models.read(), {})
    sealed = seal(store, published=A)
    assert (sealed.bucket_ms, sealed.models_generation) == (B, 2)


def test_windows_made_anew_leave_the_registry_alone(both: tuple[ModelStore, Store]) -> None:
    models, store = both
    store.open()
    registry, added = filled()
    models.write(registry, added)
    store.wipe()
    assert models.read() == replace(registry, generation=1)
    assert models.read_bytes("m-1") == files("m-1")


def test_notes_are_replaced_together_and_move_no_generation(models: ModelStore) -> None:
    registry, added = filled()
    models.write(registry, added)
    drift = DriftFigures(count=3, mean=-0.1, spread=0.2, sum=1.5, lowest=-2.0)
    first = LiveFigures(
        model_version="m-1", since_ms=5, as_of_ms=9, rolling={"wql": 0.2, "mase": None}, drift=drift
    )
    second = LiveFigures(buckets=2, loss=1.0, champion_loss=2.0, clicks=8.0)
    models.note({"m-1": first, "m-2": second})
    assert models.read_notes().figures == {"m-1": first, "m-2": second}
    assert (second.wql, second.champion_wql) == (0.25, 0.5)
    models.note({"m-2": second})
    assert models.read_notes().figures == {"m-2": second}
    assert models.read().generation == 1


def test_retraining_is_asked_for_and_taken_back(models: ModelStore) -> None:
    request = RetrainRequest(asked_at=4, reason="drift")
    models.ask_retrain(request)
    assert models.read_notes().retrain == request
    models.ask_retrain(None)
    assert models.read_notes().retrain is None


def test_only_the_newest_are_kept_beside_those_in_use() -> None:
    entries = {f"m-{at}": entry(f"m-{at}", at) for at in range(KEPT_VERSIONS + 3)}
    pruned = Registry(champion="m-0", candidate="m-2", entries=entries).pruned()
    assert sorted(pruned.entries) == ["m-0", "m-2", "m-5", "m-6", "m-7", "m-8"]


def test_what_a_strange_hand_wrote_into_redis_is_left_out(redis_url: str) -> None:
    models = RedisModels.connect(settings_for(redis_url=redis_url))
    registry, added = filled()
    models.write(registry, added)
    models.note({"m-1": LiveFigures()})
    with redis.Redis.from_url(redis_url) as client:
        prefix = "{genrecast:default}:"
        assert all(key.decode().startswith(prefix) for key in client.scan_iter())
        client.hset(prefix + "models", "m-2", "no JSON")
        client.hset(prefix + "model_figures", "m-1", '{"buckets": "many"}')
        client.set(prefix + "model_retrain", "[]")
    assert set(models.read().entries) == {"m-1"}
    assert models.read_notes() == Notes()
    models.close()
