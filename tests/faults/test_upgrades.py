"""What changes under a running deployment: versions, partitions, settings. Counts stay exact."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.trial import TRAFFIC, Trial, click
from tests.faults.versions import EarlierConsumers, earlier_tree

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(300)]

MakeTrial = Callable[..., Trial]

START_MS = 1_772_474_400_000
"""A time in the past, epoch ms, where a bucket begins."""

BUCKET_MS = 30_000


@pytest.fixture
def earlier(trial: Trial, tmp_path: Path) -> Iterator[EarlierConsumers]:
    tree = earlier_tree(tmp_path / "earlier")
    made = EarlierConsumers(tree, trial.logs / "earlier-consume.log", trial.own_options, [])
    yield made
    made.end()


def ends_well(trial: Trial, process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    trial.wait_for(lambda: process.poll() is not None, "an end by SIGTERM")
    assert process.returncode == 0, trial.describe()


def test_counts_are_exact_through_a_rolling_upgrade_a_kill_in_the_middle_and_the_way_back(
    trial: Trial, earlier: EarlierConsumers
) -> None:
    first, second = earlier.start(), earlier.start()
    trial.simulate("--seconds", 200, "--rate", 600, *TRAFFIC)
    trial.wait_for_buckets(2)
    today = trial.consume()  # both versions in one group
    trial.wait_for_buckets(trial.published() + 2)
    first.kill()
    trial.consume()
    trial.wait_for_buckets(trial.published() + 2)
    ends_well(trial, second)  # today's alone
    trial.wait_for_buckets(trial.published() + 2)
    back = earlier.start()  # what today's has written is read by the earlier one
    trial.wait_for_buckets(trial.published() + 2)
    today.kill()
    trial.stop_consumers()
    trial.wait_for_buckets(trial.published() + 1)
    ends_well(trial, back)
    trial.simulators[0].send(signal.SIGTERM)
    outcome = trial.assert_exact()
    assert len(outcome.journal) > 10


def test_an_event_of_an_added_partition_for_a_published_bucket_is_on_the_late_topic(
    make_trial: MakeTrial,
) -> None:
    trial = make_trial(partitions=1)
    trial.consume()
    trial.write(*((0, click(START_MS + n * BUCKET_MS)) for n in range(6)))
    trial.wait_for_buckets(3)
    trial.with_admin(lambda admin: admin.create_partitions({trial.settings.topic_clicks: 2}))
    trial.write((1, click(START_MS)), (1, click(START_MS + 6 * BUCKET_MS)))
    outcome = trial.assert_exact(was_idle=True)
    assert [dict(late.headers)["genrecast-partition"] for late in outcome.late] == [b"1"]


def test_another_bucket_length_is_refused_by_what_redis_holds_and_without_it_by_the_journal(
    trial: Trial,
) -> None:
    first = trial.consume()
    trial.write(*((p, click(START_MS + n * BUCKET_MS)) for n in range(4) for p in range(4)))
    trial.wait_for_buckets(2)
    trial.option("bucket_seconds", 10)
    refused = trial.consume()
    trial.wait_for(lambda: refused.poll() is not None, "a refusal")
    assert refused.exit_code == 1
    trial.wait_for_log("has bucket_ms 30000, but this process 10000: give it the same")
    first.kill()
    trial.forget_state()
    refused = trial.consume()
    trial.wait_for(lambda: refused.poll() is not None, "a refusal")
    assert refused.exit_code == 1
    trial.wait_for_log("has buckets of 30 s, this process 10 s: use the same")
    trial.option("bucket_seconds", 30)
    trial.consume()
    trial.assert_exact()
