"""The protocol, on the consumer's own loop and closer, under every fault in any order.

`python -m tests.property.protocol --schedules 10000 --store redis` runs many more, `--trace SEED`
tells one, and `--without RULE` shows why a rule is there.
"""

import os
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given, settings

from tests.property.protocol.ablations import RULES
from tests.property.protocol.running import Run, runner
from tests.property.protocol.schedule import Schedule, schedule_of, schedules

SCHEDULES: Final = int(os.environ.get("GENRECAST_TEST_SCHEDULES", "100"))
"""Schedules run in memory, a third as many on Redis: what takes some 20 s each."""

SHRINKING_SECONDS: Final = 900
"""How long a failing test may take, seconds: hypothesis makes schedules small for 300 of them."""

ENOUGH_SCHEDULES: Final = 150
"""Schedules in which a missing rule must show; most show in the first three."""

SHOWN: Final = (
    "apply compares offsets",
    "skipped below the restored cut",
    "replay begins at the first open event",
    "partitions are counted anew",
    "older forecasters are fenced",
    "the journal is read on taking over",
    "control records move the offset",
    "owned offsets are compared",
    "records in hand are read again",
    "side topics acknowledge first",
    "event ids are stored with the counts",
    "away is not idle",
)
"""Rules whose absence shows soon; the others need thousands of schedules, or luck."""


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Run]:
    with runner("memory") as run:
        yield run


@pytest.fixture(scope="module")
def on_redis() -> Iterator[Run]:
    with runner("redis") as run:
        yield run


@pytest.mark.timeout(SHRINKING_SECONDS)
@settings(max_examples=SCHEDULES, deadline=None)
@given(schedule=schedules())
def test_every_record_has_one_place_and_every_bucket_is_published_once(
    in_memory: Run, schedule: Schedule
) -> None:
    violations, _ = in_memory(schedule, None)
    assert violations == []


@pytest.mark.timeout(SHRINKING_SECONDS)
@settings(max_examples=max(1, SCHEDULES // 3), deadline=None)
@given(schedule=schedules())
def test_the_scripts_hold_it_too_and_publish_what_the_twin_publishes(
    in_memory: Run, on_redis: Run, schedule: Schedule
) -> None:
    violations, world = on_redis(schedule, None)
    assert violations == []
    _, twin = in_memory(schedule, None)
    assert world.broker.published == twin.broker.published
    assert world.broker.late == twin.broker.late


@pytest.mark.parametrize("rule", SHOWN)
def test_without_one_of_its_rules_it_does_not_hold(in_memory: Run, rule: str) -> None:
    with RULES[rule]():
        assert any(in_memory(schedule_of(seed), None)[0] for seed in range(ENOUGH_SCHEDULES))


def test_a_run_is_a_function_of_its_schedule(in_memory: Run) -> None:
    schedule = schedule_of(7)
    told: list[list[str]] = [[], []]
    for lines in told:
        in_memory(schedule, lines.append)
    assert told[0] == told[1]
    assert any("PUBLISHED" in line for line in told[0])
