"""Redis under Sentinel and as a cluster: primaries die, replicas lag, slots move."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings
from state.redis_store import RedisStore
from state.store import Batch, StoreError, StoreUnavailableError
from tests.faults.lab import wait_for
from tests.faults.redis_servers import (
    PASSWORD,
    SERVICE,
    Cluster,
    RedisServer,
    Watched,
    cluster_of_six,
    migrate_key,
    watched_pair,
)
from tests.faults.trial import TRAFFIC, Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with watched_pair(tmp_path) as watched:
        yield watched


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with cluster_of_six(tmp_path) as cluster:
        yield cluster


def under_traffic(trial: Trial) -> None:
    trial.consume()
    trial.consume()
    trial.simulate("--events", 12_000, "--rate", 1_500, *TRAFFIC)
    trial.wait_for_buckets(4)


def restores(trial: Trial) -> int:
    return trial.store.read_totals().get("restores", 0)


def lag_and_crash(trial: Trial, primary: RedisServer) -> None:
    """Kill a primary whose replica lacks the last published buckets."""
    primary.cut_replication()
    trial.wait_for_buckets(trial.published() + 3)
    primary.crash()


def test_sentinel_promotes_a_replica_that_lags(watched: Watched, make_trial: MakeTrial) -> None:
    trial = make_trial(**watched.options)
    under_traffic(trial)
    lag_and_crash(trial, watched.primary)
    trial.wait_for(lambda: watched.primary_port() == watched.replica.port, "the failover")
    watched.primary.start()  # back, with a past of its own; the sentinels make it a replica
    trial.assert_exact()
    assert restores(trial) >= 1


def test_sentinel_changes_over_while_all_are_well(watched: Watched, make_trial: MakeTrial) -> None:
    trial = make_trial(**watched.options)
    under_traffic(trial)
    watched.sentinels[0].client.sentinel_failover(SERVICE)
    trial.wait_for(lambda: watched.primary_port() == watched.replica.port, "the failover")
    trial.assert_exact()


def test_a_cluster_promotes_a_replica_that_lags(cluster: Cluster, make_trial: MakeTrial) -> None:
    trial = make_trial(redis_url=cluster.url)
    under_traffic(trial)
    primary = cluster.owner_of(f"{{genrecast:{trial.settings.app}}}:meta")
    lag_and_crash(trial, primary)
    trial.wait_for(lambda: cluster.replica_of(primary).is_primary(), "the failover")
    primary.start()
    trial.assert_exact()
    assert restores(trial) >= 1


def test_our_slot_moves_to_another_node(cluster: Cluster, make_trial: MakeTrial) -> None:
    trial = make_trial(redis_url=cluster.url)
    under_traffic(trial)
    source = cluster.owner_of(f"{{genrecast:{trial.settings.app}}}:meta")
    target = next(node for node in cluster.nodes[:3] if node is not source)
    with cluster.moving(f"{{genrecast:{trial.settings.app}}}:meta", target) as slot:
        while keys := source.client.cluster("GETKEYSINSLOT", slot, 1):
            migrate_key(source, target, keys[0])
            time.sleep(0.05)  # consumers find some keys here and some there
    trial.assert_exact()
    assert not restores(trial)


def clicks(by_bucket: dict[int, int]) -> dict[tuple[int, str], tuple[int, ...]]:
    return {(start, "drama"): (n, 0, 0, 0, 0, 0, 0, 0) for start, n in by_bucket.items()}


def test_a_batch_is_refused_whole_when_one_of_its_keys_has_moved(cluster: Cluster) -> None:
    settings = Settings.model_validate({"redis_url": cluster.url, "bucket_seconds": 10})
    store = RedisStore.connect(settings)
    first = Batch(0, 0, 5, None, 12_000, cells=clicks({20_000: 2, 10_000: 5}), counted=7)
    both = Batch(0, 5, 9, 12_000, 21_000, cells=clicks({20_000: 3, 10_000: 1}), counted=4)
    try:
        store.open()
        store.apply(first)
        prefix = "{genrecast:default}:"
        source = cluster.owner_of(prefix)
        for name in ("idle", "restored_cut"):  # all keys that `apply` is given exist
            source.client.hset(prefix + name, "7", "0")
        target = next(node for node in cluster.nodes[:3] if node is not source)
        with cluster.moving(prefix, target) as slot:
            migrate_key(source, target, f"{prefix}bucket:10000")
            with pytest.raises(StoreUnavailableError):
                store.apply(both)
            while keys := source.client.cluster("GETKEYSINSLOT", slot, 10):
                for key in keys:
                    migrate_key(source, target, key)
        wait_for(lambda: _applies(store, both), "the new node")
        counted = {start: cells["drama"][0] for start, cells in store.read_open().items()}
        assert counted == {10_000: 6, 20_000: 5}
    finally:
        store.close()


def _applies(store: RedisStore, batch: Batch) -> bool:
    try:
        return store.apply(batch).kind == "applied"
    except StoreUnavailableError:
        return False


def test_what_is_wrong_with_an_address_is_said(cluster: Cluster) -> None:
    node = next(n for n in cluster.nodes[:3] if n is not cluster.owner_of("{genrecast:default}"))
    assert "GENRECAST_REDIS_URL must be redis+cluster://" in refusal(node.url)
    told = refusal(cluster.url.replace(PASSWORD, "s3cret-word"))
    assert told.startswith("Redis refuses the login")
    assert "s3cret" not in told


def test_sentinels_without_an_answer_are_said_to_be(watched: Watched) -> None:
    told = refusal(watched.url.replace("/genrecast", "/nobody"))
    assert told == "Redis: no sentinel names a primary 'nobody'"
    wrong = watched.primary.directory / "wrong"
    wrong.write_text("s3cret-word")
    told = refusal(watched.url, **{**watched.options, "redis_sentinel_password_file": wrong})
    assert told.startswith("a sentinel refuses the login")
    assert "GENRECAST_REDIS_SENTINEL_PASSWORD" in told
    assert "s3cret" not in told


def refusal(url: str, **options: object) -> str:
    store = RedisStore.connect(Settings.model_validate({**options, "redis_url": url}))
    with pytest.raises(StoreError) as caught:
        store.open()
    store.close()
    return str(caught.value)
