import numpy as np
import pytest

from producer_sim.load.latencies import Latencies


def with_latencies(latency_s: list[float], *, warmup_s: float = 0.0) -> Latencies:
    latencies = Latencies(warmup_s)
    latencies.add(np.arange(len(latency_s)) / 10, np.array(latency_s))
    return latencies


def test_percentiles_worked_by_hand() -> None:
    latencies = with_latencies([0.001] * 98 + [0.5, 2.0])
    assert latencies.percentile_s(50) == pytest.approx(0.001)
    assert latencies.percentile_s(99) == pytest.approx(0.5, rel=0.001)
    assert latencies.summary_ms()["max"] == pytest.approx(2_000, rel=0.001)


def test_latency_is_rounded_up_never_down() -> None:
    assert with_latencies([0.00011]).percentile_s(50) == pytest.approx(0.0002)


def test_warm_up_is_in_its_seconds_and_not_in_the_whole() -> None:
    latencies = with_latencies([5.0] * 10 + [0.001] * 10, warmup_s=1.0)
    assert latencies.count == 10
    assert latencies.percentile_s(100) == pytest.approx(0.001)
    assert latencies.by_second_ms(50) == pytest.approx({0: 5_000, 1: 1}, rel=0.01)


def test_merged_histograms_are_those_of_all_values_together() -> None:
    rng = np.random.default_rng(3)
    parts = [(rng.random(700) * 5, rng.exponential(0.05, 700)) for _ in range(3)]
    together, merged = Latencies(), Latencies()
    for due_s, latency_s in parts:
        together.add(due_s, latency_s)
        other = Latencies()
        other.add(due_s, latency_s)
        merged.merge(other.write())
    assert merged.count == 2_100
    assert merged.summary_ms() == together.summary_ms()
    assert merged.by_second_ms(99) == together.by_second_ms(99)


def test_nothing_measured_tells_nothing() -> None:
    assert Latencies().summary_ms() == {}
