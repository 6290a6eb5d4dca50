"""Consumers killed, frozen, slowed down, come and gone: the counts stay exact."""

import collections
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.lab import Lab
from tests.faults.oracle import Outcome
from tests.faults.trial import TRAFFIC, Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

MakeTrial = Callable[..., Trial]


def writings(outcome: Outcome) -> collections.Counter[tuple[bytes, bytes]]:
    """Count how often each record was written to a side topic."""
    headers = [dict(record.headers) for record in (*outcome.late, *outcome.dead_letters)]
    return collections.Counter((h["genrecast-partition"], h["genrecast-offset"]) for h in headers)


@pytest.mark.parametrize(
    "at",
    [
        "before-apply:5",
        "after-apply:5",
        "after-seal:4",
        "between-batches:12",
        "inside-transaction:4",
        "after-publish:4",
        "after-commit:4",
        "before-side-topics:3",
        "after-side-topics:3",
    ],
)
def test_counts_are_exact_after_a_kill(trial: Trial, at: str) -> None:
    victim = trial.consume(seam=("--at", at, "--do", "kill"))
    trial.simulate("--events", 6_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for(lambda: victim.poll() is not None, f"the death at {at}")
    assert victim.exit_code == -signal.SIGKILL, trial.describe()
    trial.consume()
    trial.assert_exact()


@pytest.mark.parametrize("at", ["before-restore", "after-restore"])
def test_counts_are_exact_after_a_kill_while_lost_state_is_restored(trial: Trial, at: str) -> None:
    first = trial.consume()
    trial.simulate("--events", 6_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for_buckets(3)
    first.kill()
    trial.forget_state()
    victim = trial.consume(seam=("--at", at, "--do", "kill"))
    trial.wait_for(lambda: victim.poll() is not None, f"the death at {at}")
    assert victim.exit_code == -signal.SIGKILL, trial.describe()
    trial.consume()
    trial.assert_exact()


def test_sigterm_finishes_the_batch_and_nothing_is_replayed(trial: Trial) -> None:
    first = trial.consume()
    trial.simulate("--events", 8_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for_buckets(3)
    first.send(signal.SIGTERM)
    assert first.wait(timeout=15) == 0, trial.describe()
    trial.consume()
    outcome = trial.assert_exact()
    # Written again would show here: the side topics are at least once only after a crash.
    assert set(writings(outcome).values()) == {1}
    totals = trial.store.read_totals()
    assert totals["counted"] + totals["late"] + totals["dead_letters"] == len(outcome.clicks)


@pytest.mark.parametrize("at", ["after-apply:5", "after-seal:4", "inside-transaction:4"])
def test_zombies_are_fenced_and_rejoin(trial: Trial, at: str) -> None:
    zombies = [trial.consume(seam=("--at", at, "--do", "stop")) for _ in range(2)]
    trial.simulate("--events", 12_000, "--rate", 1_200, *TRAFFIC)
    trial.wait_for(lambda: any(z.is_stopped() for z in zombies), "the first zombie")
    before = trial.published()
    trial.consume()
    # The next one owns partition 0 only once the session of the frozen one is over.
    trial.wait_for(
        lambda: trial.published() > before + 5 or all(z.is_stopped() for z in zombies),
        "a successor, or a second zombie",
    )
    trial.wait_for_buckets(before + 5)
    for zombie in zombies:
        zombie.send(signal.SIGCONT)
    outcome = trial.assert_exact()
    assert all(zombie.exit_code == 0 for zombie in zombies), trial.describe()
    assert len(outcome.journal) > before


def test_counts_are_exact_though_members_come_and_go_fifty_times(trial: Trial) -> None:
    rng = random.Random(4)
    for _ in range(3):
        trial.consume()
    trial.simulate("--events", 14_000, "--rate", 700, *TRAFFIC)
    for number in range(50):
        leaving = rng.choice(trial.running())
        if number % 5 == 0:
            leaving.kill()
        else:
            leaving.send(signal.SIGTERM)
        trial.consume()
        time.sleep(rng.uniform(0.1, 0.6))
    outcome = trial.assert_exact()
    read = {record.partition for record in outcome.clicks}
    assert read == outcome.progress.offsets.keys()


def test_a_step_slower_than_the_poll_interval_leaves_rejoins_and_counts_once(trial: Trial) -> None:
    slow = trial.consume(
        seam=("--at", "after-apply:6", "--do", "sleep:6", "--max-poll-interval", 2_000)
    )
    trial.consume()
    trial.simulate("--seconds", 120, "--rate", 1_000, *TRAFFIC)
    trial.wait_for(lambda: "seam: sleep" in slow.log.read_text(encoding="utf-8"), "the slow step")
    trial.simulators[0].send(signal.SIGTERM)
    trial.assert_exact()
    assert slow.exit_code == 0, trial.describe()


def test_a_dead_forecaster_is_replaced_within_session_and_five_seconds(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    forecaster = trial.consume()
    trial.simulate("--seconds", 120, "--rate", 1_000, *TRAFFIC)
    trial.wait_for_buckets(3)
    trial.consume()
    time.sleep(1.5)  # it has joined
    forecaster.kill()
    killed_at, before = time.monotonic(), trial.published()
    trial.wait_for(lambda: trial.published() > before, "the next bucket")
    seconds = time.monotonic() - killed_at
    with capsys.disabled():
        session = trial.settings.session_timeout_seconds
        print(f"\ntaken over {seconds:.1f} s after a SIGKILL, session timeout {session:g} s")
    trial.simulators[0].send(signal.SIGTERM)
    trial.assert_exact()


def test_counts_are_exact_with_the_trained_model_and_its_forecaster_killed(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(bucket_seconds=60)
    trial.memory_limit_bytes = 1_500_000_000
    victim = trial.consume(seam=("--at", "inside-transaction:3", "--do", "kill"))
    trial.simulate("--events", 6_000, "--rate", 2_000, *TRAFFIC)
    trial.wait_for(lambda: victim.poll() is not None, "the death inside the transaction")
    trial.consume()
    outcome = trial.assert_exact()
    assert {forecast.kind for forecast in outcome.forecasts} == {"lstm"}


def test_consumer_that_does_not_forecast_never_loads_the_model(
    make_trial: MakeTrial, lab: Lab
) -> None:
    trial = make_trial(bucket_seconds=60)
    trial.memory_limit_bytes = 1_500_000_000
    trial.consume()
    trial.simulate("--events", 3_000, "--rate", 1_500, *TRAFFIC)
    trial.wait_for_buckets(2)
    reader = trial.consume()
    trial.assert_exact()
    assert reader.peak_rss_bytes < 320_000_000
