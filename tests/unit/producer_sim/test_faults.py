import numpy as np
import pytest

from contracts.buckets import is_late
from producer_sim.faults import SOUND, Disturbed, Disturber, FaultPlan
from producer_sim.population import USER_COUNT
from tests.unit.producer_sim.making import MONDAY_MS, make_traffic

PARTITIONS = np.arange(USER_COUNT, dtype=np.int64) % 4


def disturb(plan: FaultPlan, *, slices: int = 20, seed: int = 1, slice_ms: int = 30_000
            ) -> list[Disturbed]:  # fmt: skip
    traffic = make_traffic(slice_ms=slice_ms)
    disturber = Disturber(
        plan,
        seed=seed,
        partition_of_user=PARTITIONS,
        max_out_of_orderness_ms=5_000,
        bucket_ms=60_000,
    )
    return [
        disturber.disturb(index, traffic.slice(index), MONDAY_MS + (index + 1) * slice_ms)
        for index in range(slices)
    ]


def lateness(parts: list[Disturbed]) -> tuple[list[bool], list[bool]]:
    """Walk the rule over every record; return (late by the rule, made late) of the sound ones."""
    fronts: dict[int, int] = {}
    by_rule, made = [], []
    for part in parts:
        rows = zip(
            part.clicks.event_ms.tolist(),
            PARTITIONS[part.clicks.user].tolist(),
            part.kind.tolist(),
            part.is_late.tolist(),
            strict=True,
        )
        for event_ms, partition, kind, is_made in rows:
            if kind != SOUND:
                continue
            front = fronts.get(partition)
            by_rule.append(is_late(event_ms, None if front is None else front - 5_000, 60_000))
            made.append(is_made)
            fronts[partition] = max(event_ms, front or 0)
    return by_rule, made


def test_without_faults_nothing_changes() -> None:
    parts = disturb(FaultPlan(), slices=3)
    traffic = make_traffic(slice_ms=30_000)
    for index, part in enumerate(parts):
        np.testing.assert_array_equal(part.clicks.number, traffic.slice(index).number)
        assert not part.is_late.any()
        assert not part.is_copy.any()
        assert (part.kind == SOUND).all()


@pytest.mark.parametrize("slice_ms", [1_000, 30_000])
def test_disorder_within_the_allowance_makes_nothing_late(slice_ms: int) -> None:
    plan = FaultPlan(disorder_ms=5_000, duplicates=0.1)
    parts = disturb(plan, slices=600_000 // slice_ms, slice_ms=slice_ms)
    times = np.concatenate([part.clicks.event_ms for part in parts])
    behind = np.maximum.accumulate(times) - times
    assert 4_000 < behind.max() <= 5_000
    assert not any(lateness(parts)[0])


def test_late_events_are_late_for_sure_and_nothing_else_is() -> None:
    plan = FaultPlan(disorder_ms=5_000, late=0.02, duplicates=0.02, malformed=0.02)
    by_rule, made = lateness(disturb(plan))
    assert by_rule == made
    assert sum(made) / len(made) == pytest.approx(0.02, rel=0.25)


def test_late_events_that_had_no_watermark_to_miss_are_made_up_for() -> None:
    by_rule, made = lateness(disturb(FaultPlan(late=0.5), slices=60, slice_ms=1_000))
    assert by_rule == made
    assert sum(made) / len(made) == pytest.approx(0.5, rel=0.05)


def test_duplicates_come_after_their_original_and_are_alike() -> None:
    parts = disturb(FaultPlan(disorder_ms=3_000, duplicates=0.05, late=0.05, malformed=0.05))
    seen: dict[int, tuple[int, int]] = {}
    copies = 0
    for part in parts:
        clicks = part.clicks
        for row, number in enumerate(clicks.number.tolist()):
            content = (int(clicks.event_ms[row]), int(clicks.show[row]))
            if part.is_copy[row]:
                assert seen[number] == content
                assert part.kind[row] == SOUND
                copies += 1
            else:
                assert number not in seen
                seen[number] = content
    assert copies / len(seen) == pytest.approx(0.05, rel=0.25)


def test_malformed_has_its_ratio() -> None:
    parts = disturb(FaultPlan(malformed=0.03))
    kinds = np.concatenate([part.kind for part in parts])
    assert (kinds != SOUND).mean() == pytest.approx(0.03, rel=0.2)


def test_same_seed_disturbs_alike() -> None:
    plan = FaultPlan(disorder_ms=2_000, late=0.01, duplicates=0.01, malformed=0.01)
    one, two, other = (disturb(plan, slices=5, seed=seed) for seed in (4, 4, 5))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.clicks.event_ms, b.clicks.event_ms)
        np.testing.assert_array_equal(a.kind, b.kind)
    assert any((a.kind.size, a.kind.sum()) != (b.kind.size, b.kind.sum())
               for a, b in zip(one, other, strict=True))  # fmt: skip
