"""What a `redis_url` can lead to, beside the one server of all tests: emptied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.redis_servers import Cluster, Watched, cluster_of_six, watched_pair


@pytest.fixture(scope="session")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched_pair(Path(tmp_path_factory.mktemp("watched"))) as watched:
        yield watched


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of_six(Path(tmp_path_factory.mktemp("cluster"))) as cluster:
        yield cluster


@pytest.fixture
def sentinel_url(_watched: Watched) -> str:
    """A primary that three sentinels name."""
    _watched.primary.client.flushall()
    return _watched.url


@pytest.fixture
def cluster_url(_cluster: Cluster) -> str:
    """A cluster of three primaries and their replicas."""
    for node in _cluster.nodes[:3]:
        node.client.flushall()
    return _cluster.url
