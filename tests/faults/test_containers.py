"""Servers in containers, killed and frozen by the engine: exact all the same."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import require_engine
from tests.faults.container_lab import ContainerLab, container_laboratory
from tests.faults.trial import TRAFFIC, Trial

pytestmark = [pytest.mark.containers, pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def boxes() -> Iterator[ContainerLab]:
    require_engine()
    with container_laboratory() as lab:
        yield lab


@pytest.fixture
def boxed(boxes: ContainerLab, tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(boxes, tmp_path / "logs")  # type: ignore[arg-type]  # the part of it that is used
    trial.consume()
    trial.consume()
    trial.simulate("--events", 8_000, "--rate", 800, *TRAFFIC)
    trial.wait_for_buckets(3)
    yield trial
    trial.end()


def test_counts_are_exact_after_the_brokers_container_was_killed(
    boxes: ContainerLab, boxed: Trial
) -> None:
    boxes.stack.kafka.kill()
    boxes.stack.kafka.start()
    boxes.wait()
    boxed.assert_exact()


def test_counts_are_exact_after_the_container_of_redis_was_killed(
    boxes: ContainerLab, boxed: Trial
) -> None:
    boxes.stack.redis.kill()
    boxes.stack.redis.start()
    boxes.wait()
    boxed.assert_exact()


def test_counts_are_exact_after_frozen_containers_and_a_dead_consumer(
    boxes: ContainerLab, boxed: Trial
) -> None:
    boxes.stack.kafka.pause()
    boxed.consumers[0].kill()
    time.sleep(4)  # longer than the session
    boxes.stack.kafka.resume()
    boxes.stack.redis.pause()
    time.sleep(2)
    boxes.stack.redis.resume()
    boxes.wait()
    boxed.consume()
    boxed.assert_exact()
