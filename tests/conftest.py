"""Real services for each worker's whole run, and how tests are shared among workers."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from stack.runner import Endpoints, Stack
from tests.containers import containers, require_engine

# A busy machine is no failure: no test of ours is about its own speed.
hypothesis_settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("unhurried")

WORKER_BYTES: Final = 2_500_000_000
"""Memory of a worker: TensorFlow in it and in a process under test, two brokers."""

TESTS: Final = Path(__file__).parent

LONGEST_FIRST: Final = ("browser", "integration", "faults", "unit", "property", "contract")
"""Folders in the order of how long a file of theirs takes; one that is not here goes before."""


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait about half of their time: a worker more than cores, if memory is enough."""
    fitting = psutil.virtual_memory().available // WORKER_BYTES
    return max(1, min(len(os.sched_getaffinity(0)) + 1, fitting))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several workers begin with long files: one that is left at the end, all wait for."""
    if hasattr(config, "workerinput"):
        places = {folder: place for place, folder in enumerate(LONGEST_FIRST)}
        items.sort(key=lambda item: places.get(item.path.relative_to(TESTS).parts[0], -1))


@pytest.fixture(scope="session")
def services() -> Iterator[Endpoints]:
    """Kafka and Redis from `stack`, in a directory of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="genrecast-tests-") as directory,
        Stack(Path(directory), 0, redis_port=0, dies_with_parent=True) as stack,
    ):
        yield stack.endpoints


@pytest.fixture(scope="session")
def container_services() -> Iterator[Endpoints]:
    """Kafka and Redis in containers, where a Docker engine answers."""
    require_engine()
    with containers() as endpoints:
        yield endpoints


@pytest.fixture(params=["stack", pytest.param("containers", marks=pytest.mark.containers)])
def any_services(request: pytest.FixtureRequest) -> Endpoints:
    """The services that end-to-end tests run against: one after the other, both."""
    name = "services" if request.param == "stack" else "container_services"
    endpoints: Endpoints = request.getfixturevalue(name)
    return endpoints


@pytest.fixture
def redis_url(services: Endpoints) -> str:
    """An emptied Redis database; deployments of end-to-end tests use another one."""
    url = services.redis_url.removesuffix("/0") + "/9"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
