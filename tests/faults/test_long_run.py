"""A long run under a compressed clock: memory, descriptors and keys stay flat."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.faults.spawner import Member
from tests.faults.trial import Trial

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(300)]

WINDOW_BUCKETS = 60
"""The window is full early, so that it does not grow any more when the measuring begins."""


def rss_bytes(member: Member) -> int:
    text = Path(f"/proc/{member.pid}/status").read_text(encoding="utf-8")
    return 1024 * int(next(line for line in text.splitlines() if "VmRSS" in line).split()[1])


def descriptors(member: Member) -> int:
    return len(list(Path(f"/proc/{member.pid}/fd").iterdir()))


def test_memory_descriptors_and_keys_stay_flat_over_hundreds_of_buckets(
    make_trial: Callable[..., Trial],
) -> None:
    trial = make_trial(window_buckets=WINDOW_BUCKETS)
    consumers = [trial.consume(), trial.consume()]
    trial.simulate(
        "--seconds", 27, "--rate", 400, "--start", "2026-03-02T00:00", "--speed", 600,
        "--disorder-seconds", 5, "--late", 0.01, "--malformed", 0.005,
    )  # fmt: skip
    with redis.Redis.from_url(trial.redis_url) as client:
        seen = []
        for count in (2 * WINDOW_BUCKETS, 7 * WINDOW_BUCKETS):
            trial.wait_for_buckets(count)
            seen.append(
                (
                    [rss_bytes(member) for member in consumers],
                    [descriptors(member) for member in consumers],
                    # Open buckets come and go, more on a busy machine.
                    client.dbsize() - len(trial.store.read_open()),
                )
            )
    (rss, files, keys), (rss_later, files_later, keys_later) = seen
    for before, after in zip(rss, rss_later, strict=True):
        assert after - before < 15_000_000, f"{before / 1e6:.0f} -> {after / 1e6:.0f} MB"
    for before, after in zip(files, files_later, strict=True):
        assert after - before <= 5, f"{before} -> {after} descriptors"
    # One key of each bucket would be 300.
    assert abs(int(str(keys_later)) - int(str(keys))) <= WINDOW_BUCKETS
    outcome = trial.assert_exact()
    assert len(outcome.journal) > 7 * WINDOW_BUCKETS
