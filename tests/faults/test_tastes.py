"""Tastes are what the log adds up to, though consumers die and Redis is emptied."""

import signal
from collections.abc import Callable, Iterable, Mapping

import pytest
import redis

from contracts.events import ClickEvent
from state.redis_client import RedisClient
from state.redis_tastes import RedisTastes
from state.tastes import TasteReader
from tests.faults.oracle import Identity, Outcome, expect
from tests.faults.trial import TRAFFIC, Trial
from tests.taste_oracle import assert_same, tastes_of

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]

OPTIONS = {"tastes": True, "taste_half_life_days": 0.02, "taste_genres": 250}
"""A half-life of half an hour, within the traffic's event time; no genre is left out."""


def valid_events(trial: Trial, outcome: Outcome) -> Mapping[Identity, ClickEvent]:
    return expect(outcome.clicks, trial.settings).valid


def assert_tastes(trial: Trial, events: Iterable[ClickEvent], but: str = "") -> None:
    expected = tastes_of(events, trial.settings)
    assert len(expected) > 100
    client = RedisClient(trial.settings)
    try:
        reader = TasteReader(client, trial.settings.app)
        for user, taste in expected.items():
            found = reader.read(user, 0)
            if user == but:
                assert found is None
            else:
                assert_same(found, taste)
    finally:
        client.close()


@pytest.mark.parametrize("at", ["after-apply:5", "before-taste-write:3", "after-taste-write:3"])
def test_tastes_are_exact_after_a_kill(make_trial: MakeTrial, at: str) -> None:
    trial = make_trial(**OPTIONS)
    victim = trial.consume(seam=("--at", at, "--do", "kill"))
    trial.simulate("--events", 6_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for(lambda: victim.poll() is not None, f"the death at {at}")
    assert victim.exit_code == -signal.SIGKILL, trial.describe()
    trial.consume()
    outcome = trial.assert_exact()
    assert_tastes(trial, valid_events(trial, outcome).values())


def catch_up(trial: Trial) -> None:
    """Have a consumer add what the one before had not written yet, as the next to read does."""
    ends = {str(p): end for p, end in trial.store.read_progress().offsets.items()}
    client = RedisClient(trial.settings)
    try:
        tastes = RedisTastes(client, trial.settings)
        if tastes.read_offsets() != ends:
            trial.consume()
            trial.wait_for(lambda: tastes.read_offsets() == ends, "tastes as far as the counts")
            trial.stop_consumers()
    finally:
        client.close()


def test_after_redis_was_emptied_tastes_hold_what_is_read_from_there_on(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(**OPTIONS)
    trial.consume()
    trial.simulate("--events", 6_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for_buckets(3)
    trial.stop_consumers()
    published_ms = trial.store.read_progress().published_ms
    trial.forget_state()
    trial.consume()
    outcome = trial.assert_exact()
    # The consumer may have begun before the journal was read, and ended before it saw.
    catch_up(trial)
    [tail] = [record for record in outcome.journal if record.bucket_start == published_ms]
    events = valid_events(trial, outcome)
    begins = {p: point.offset for p, point in tail.replay_from.items()}
    assert_tastes(trial, [e for (p, at), e in events.items() if at >= begins.get(p, 0)])
    trial._deployment.run("rebuild", "--since", "2026-03-02", "--yes")
    assert_tastes(trial, events.values())


def test_a_user_is_forgotten_while_a_consumer_runs_and_dies(make_trial: MakeTrial) -> None:
    trial = make_trial(**OPTIONS)
    consumer = trial.consume()
    trial.simulate("--events", 9_000, "--rate", 1_500, *TRAFFIC)
    key = f"{{genrecast:{trial.settings.app}}}:tastes:0"
    with redis.Redis.from_url(trial.redis_url, decode_responses=True) as client:
        trial.wait_for(lambda: bool(client.exists(key)), "the first tastes")
        user = str(client.hkeys(key)[0])
    assert "Erased." in trial._deployment.run("forget", "--user", user)
    consumer.kill()
    trial.consume()
    outcome = trial.assert_exact()
    assert_tastes(trial, valid_events(trial, outcome).values(), but=user)
    assert "Nothing was known" in trial._deployment.run("forget", "--user", user)
