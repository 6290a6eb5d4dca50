"""The forecaster killed again and again, at every point in turn, with nobody beside it."""

import os
import signal
from collections.abc import Callable
from typing import Final

import pytest

from tests.faults.seam import POINTS
from tests.faults.trial import TRAFFIC, Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(1800)]

KILLS: Final = int(os.environ.get("GENRECAST_TEST_KILLS", "24"))
"""How many deaths in a row; 100 take some minutes."""

AT_LOSS: Final = ("before-restore", "after-restore")
"""Points that a forecaster passes only where Redis has lost its state."""

PASSED_ONCE: Final = ("after-fence", *AT_LOSS)
"""Points that a forecaster passes once, when it takes over."""


def test_counts_are_exact_though_one_forecaster_after_the_other_is_killed(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(bucket_seconds=10, session_timeout_seconds=1)
    trial.simulate("--rate", 300, "--seconds", 4 * KILLS, *TRAFFIC)
    trial.consume()
    trial.wait_for_buckets(2)
    trial.consumers[0].kill()
    points = list(POINTS)
    for number in range(KILLS):
        point = points[number % len(points)]
        if point in AT_LOSS:
            trial.forget_state()
        passing = 1 if point in PASSED_ONCE else 1 + number % 3
        victim = trial.consume(seam=("--at", f"{point}:{passing}", "--do", "kill"))
        trial.wait_for(lambda v=victim: v.poll() is not None, f"death {number} at {point}")  # type: ignore[misc]
        assert victim.exit_code == -signal.SIGKILL, trial.describe()
    trial.simulators[0].send(signal.SIGTERM)
    trial.consume()
    outcome = trial.assert_exact()
    assert len(outcome.journal) > KILLS // 2
