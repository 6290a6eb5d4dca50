"""A rejoin that takes longer than one poll is not forgotten."""

import time
from collections.abc import Callable
from operator import methodcaller

import pytest
from kafka.admin import NewPartitions

from consumer.broker.source import ClickSource
from tests.faults.lab import CALM_SECONDS
from tests.faults.trial import Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

SHORT_MS = 1
"""Ends while the broker still gathers the group."""


def poll_until_owned(source: ClickSource, partitions: set[int]) -> None:
    deadline = time.monotonic() + CALM_SECONDS
    while source.owned != partitions:
        assert time.monotonic() < deadline, f"owns {set(source.owned)}, not {partitions}"
        source.poll(SHORT_MS)


def test_added_partitions_are_taken_up_however_short_the_polls(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(partitions=1)
    topic = trial.settings.topic_clicks
    source = ClickSource(trial.settings)
    try:
        poll_until_owned(source, {0})
        for count in range(2, 5):
            wanted = {topic: NewPartitions(count)}
            trial.with_admin(methodcaller("create_partitions", wanted))
            poll_until_owned(source, set(range(count)))
    finally:
        source.close()


def test_revoked_partitions_get_an_owner_though_the_client_forgets_to_rejoin(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(partitions=2)
    first = ClickSource(trial.settings)
    second = ClickSource(trial.settings)
    try:
        poll_until_owned(first, {0, 1})
        deadline = time.monotonic() + CALM_SECONDS
        while len(first.owned) == 2:
            assert time.monotonic() < deadline, "nothing is revoked for the second member"
            second.poll(SHORT_MS)
            first.poll(SHORT_MS)
        first._consumer._coordinator.rejoin_needed = False
        while not second.owned:
            assert time.monotonic() < deadline, f"{set(first.owned)} of 2 partitions are owned"
            first.poll(SHORT_MS)
            second.poll(SHORT_MS)
        assert first.owned | second.owned == {0, 1}
    finally:
        first.close()
        second.close()


def test_partitions_of_a_lost_membership_get_an_owner(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(partitions=3)
    first = ClickSource(trial.settings)
    try:
        poll_until_owned(first, {0, 1, 2})
        second = ClickSource(trial.settings)
        try:
            # As when the broker gave the member up while it could not be reached.
            first._consumer._coordinator.reset_generation()
            deadline = time.monotonic() + CALM_SECONDS
            while not second.owned or len(first.owned | second.owned) < 3:
                owned = f"{set(first.owned)} and {set(second.owned)} of 3 partitions are owned"
                assert time.monotonic() < deadline, owned
                second.poll(SHORT_MS)
                first.poll(SHORT_MS)
        finally:
            second.close()
    finally:
        first.close()
