"""Links cut, slow and half-open, and a reply that never arrives."""

import signal
from collections.abc import Callable

import pytest

from tests.faults.lab import Lab
from tests.faults.proxy import Proxy
from tests.faults.trial import TRAFFIC, Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

Chosen = Callable[[Lab], Proxy]


def kafka(lab: Lab) -> Proxy:
    return lab.kafka_link


def redis(lab: Lab) -> Proxy:
    return lab.redis_link


def begin(trial: Trial) -> None:
    """Have two consumers count, one on each side of the proxies."""
    trial.consume(by_proxy=True)
    trial.consume()
    trial.simulate("--events", 8_000, "--rate", 1_000, *TRAFFIC)
    trial.wait_for_buckets(3)


@pytest.mark.parametrize("link", [kafka, redis])
def test_counts_are_exact_over_a_link_that_is_cut_again_and_again(
    lab: Lab, trial: Trial, link: Chosen
) -> None:
    begin(trial)
    cut = 0
    for count in range(4, 9):
        cut += link(lab).cut()
        trial.wait_for_buckets(count)
    assert cut > 0
    trial.assert_exact()


@pytest.mark.parametrize("link", [kafka, redis])
def test_counts_are_exact_over_a_slow_link(lab: Lab, trial: Trial, link: Chosen) -> None:
    begin(trial)
    link(lab).delay_seconds = 0.1
    trial.finish_simulators()
    link(lab).delay_seconds = 0.0
    trial.assert_exact()


@pytest.mark.parametrize("link", [kafka, redis])
def test_a_half_open_link_hangs_nobody(lab: Lab, trial: Trial, link: Chosen) -> None:
    begin(trial)
    link(lab).mode = "deaf"
    trial.finish_simulators()
    # Not healed by a cut: the client's own time-outs must find it out.
    link(lab).mode = "pass"
    trial.assert_exact()


def test_a_link_that_is_deaf_from_the_start_is_waited_for(lab: Lab, trial: Trial) -> None:
    lab.kafka_link.mode = lab.redis_link.mode = "deaf"
    trial.consume(by_proxy=True)
    trial.simulate("--events", 3_000, "--rate", 3_000, *TRAFFIC)
    trial.wait_for_log("not ready")
    lab.heal()
    trial.assert_exact()


@pytest.mark.parametrize("script", ["apply", "seal", "commit"])
def test_a_script_whose_reply_was_lost_counts_once(lab: Lab, trial: Trial, script: str) -> None:
    trial.consume(by_proxy=True)
    trial.simulate("--seconds", 120, "--rate", 1_500, *TRAFFIC)
    trial.wait_for_buckets(2)
    sha = trial.script_sha(script).encode()
    for _ in range(3):
        before = lab.redis_link.lost_replies
        lab.redis_link.loses_reply_to = lambda request: sha in request
        trial.wait_for(lambda b=before: lab.redis_link.lost_replies > b, "a lost reply")  # type: ignore[misc]
    trial.simulators[0].send(signal.SIGTERM)
    outcome = trial.assert_exact()
    totals = trial.store.read_totals()
    assert totals["counted"] + totals["late"] + totals["dead_letters"] == len(outcome.clicks)
