import numpy as np
import pytest

from model.pending import MOST_SCORED_STEPS, pending_of, scored_steps


@pytest.mark.parametrize("horizon", [1, 2, 5, 12, MOST_SCORED_STEPS])
def test_all_steps_of_a_short_horizon_are_scored(horizon: int) -> None:
    assert scored_steps(horizon).tolist() == list(range(1, horizon + 1))


def test_a_far_horizon_is_scored_at_steps_that_differ_and_reach_its_end() -> None:
    for horizon in range(MOST_SCORED_STEPS + 1, 1001):
        steps = scored_steps(horizon)
        assert len(steps) == MOST_SCORED_STEPS
        assert (steps[0], steps[-1]) == (1, horizon)
        assert (np.diff(steps) > 0).all()


@pytest.mark.parametrize("horizon", [1, 3, 12, 100])
def test_a_forecast_is_found_when_its_bucket_closes_and_not_overwritten_before(
    horizon: int,
) -> None:
    pending = pending_of(horizon)
    kept = np.full((pending.slot_count, 2), -1)
    for bucket in range(1_000_000, 1_000_000 + 3 * horizon):
        found = kept[pending.slots(bucket)]
        for (origin, target), step in zip(found.tolist(), pending.steps.tolist(), strict=True):
            if bucket - step >= 1_000_000:
                assert (origin, target) == (bucket - step, bucket)
        kept[pending.slots(bucket), 0] = bucket
        kept[pending.slots(bucket), 1] = bucket + pending.steps


def test_a_ring_of_origins_is_read_before_its_oldest_is_overwritten() -> None:
    pending = pending_of(3)
    ring = np.full(pending.reach, -1)
    for bucket in range(50, 60):
        if bucket >= 53:
            assert ring[pending.origins(bucket)].tolist() == [bucket - 1, bucket - 2, bucket - 3]
        ring[bucket % pending.reach] = bucket


def test_slots_of_twelve_steps_are_the_triangle() -> None:
    assert pending_of(12).slot_count == 12 * 13 // 2
