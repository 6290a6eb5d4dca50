"""A consumer with a name of its own in the group: back in time, it moves nobody's partitions."""

import time
from collections.abc import Callable
from typing import Final

import pytest

from consumer.broker.source import ClickSource
from consumer.errors import InvariantError
from tests.faults.lab import CALM_SECONDS
from tests.faults.trial import Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(300)]

SESSION_SECONDS: Final = 24
"""Longer than a member is away here; a rebalance is heard of within a fifth of it."""

POLL_MS: Final = 50


def member(trial: Trial, name: str) -> ClickSource:
    named = {"group_instance_id": name, "session_timeout_seconds": SESSION_SECONDS}
    return ClickSource(trial.settings.model_copy(update=named))


def poll_until(is_so: Callable[[], bool], *members: ClickSource) -> None:
    deadline = time.monotonic() + CALM_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, [set(one.owned) for one in members]
        for one in members:
            one.poll(POLL_MS)


def generation(one: ClickSource) -> int:
    number: int = one._consumer._coordinator._generation.generation_id
    return number


def test_who_is_back_has_its_partitions_again_and_nobody_elses_moved(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(partitions=4)
    stays, goes = member(trial, "pod-0"), member(trial, "pod-1")
    try:
        poll_until(lambda: len(stays.owned) == len(goes.owned) == 2, stays, goes)
        poll_until(lambda: generation(stays) == generation(goes), stays, goes)
        kept, left, before = stays.owned, goes.owned, generation(stays)
        goes.close()
        is_back = member(trial, "pod-1")
        try:
            poll_until(lambda: is_back.owned == left, is_back, stays)
        finally:
            is_back.close()
        assert stays.owned == kept
        assert generation(stays) == before, "no rebalance"
    finally:
        stays.close()


def test_the_older_of_two_with_one_name_ends_and_says_why(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(partitions=1)
    older = member(trial, "pod-0")
    try:
        poll_until(lambda: len(older.owned) == 1, older)
        newer = member(trial, "pod-0")
        try:
            poll_until(lambda: len(newer.owned) == 1, newer)
            with pytest.raises(InvariantError, match="same GENRECAST_GROUP_INSTANCE_ID"):
                poll_until(lambda: commits(older), older, newer)
        finally:
            newer.close()
    finally:
        older.close()


def commits(source: ClickSource) -> bool:
    """Commit, as the loop does after a batch; never enough to stop for."""
    source.commit({0: 0})
    return False
