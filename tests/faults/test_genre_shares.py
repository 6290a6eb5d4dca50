"""Two deployments share the genres of one clicks topic; each stays exact whatever happens to it."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.oracle import Outcome
from tests.faults.trial import Trial, click

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]

START_MS = 1_772_474_400_000
"""A time in the past, epoch ms, where a bucket begins."""

GENRES = [f"genre-{n}" for n in range(12)]


def genres_of(outcome: Outcome) -> set[str]:
    return {forecast.genre for forecast in outcome.forecasts}


def write(trial: Trial, seconds: range) -> None:
    """Write two genres a click, and a late one in each round."""
    trial.write(
        *(
            (p, click(START_MS + second * 1000, genres=[GENRES[second % 12], GENRES[p + 4]]))
            for second in seconds
            for p in range(4)
        ),
        (0, click(START_MS + (seconds[0] - 500) * 1000, GENRES[seconds[0] % 12])),
    )


def test_a_killed_forecaster_of_one_share_and_lost_state_of_all_leave_both_exact(
    make_trial: MakeTrial,
) -> None:
    one = make_trial(genre_share="1/2")
    two = make_trial(genre_share="2/2", topic_clicks=one.settings.topic_clicks)
    victim = one.consume(seam=("--at", "inside-transaction:3", "--do", "kill"))
    two.consume()
    write(one, range(600, 800))
    one.wait_for(lambda: victim.poll() is not None, "the death inside the transaction")
    assert victim.exit_code == -signal.SIGKILL
    one.consume()
    two.wait_for_buckets(3)
    one.forget_state()  # of both: they share the database
    write(one, range(800, 1_000))
    outcomes = one.assert_exact(), two.assert_exact()
    assert genres_of(outcomes[0]) | genres_of(outcomes[1]) == set(GENRES)
    assert not genres_of(outcomes[0]) & genres_of(outcomes[1])
    assert any(outcome.late for outcome in outcomes)
    for trial in (one, two):
        trial.run("verify")  # exit 0: nothing differs


def test_another_share_is_refused_by_redis_and_without_it_by_the_journal(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(genre_share="1/2")
    first = trial.consume()
    write(trial, range(600, 800))
    trial.wait_for_buckets(2)
    trial.option("genre_share", "2/2")
    refused = trial.consume()
    trial.wait_for(lambda: refused.poll() is not None, "a refusal")
    assert refused.exit_code == 1
    trial.wait_for_log("has genre share 1/2, but this process 2/2: give it the same")
    first.kill()
    trial.forget_state()
    refused = trial.consume()
    trial.wait_for(lambda: refused.poll() is not None, "a refusal")
    assert refused.exit_code == 1
    trial.wait_for_log("has genre share 1/2, this process 2/2: use the same")
