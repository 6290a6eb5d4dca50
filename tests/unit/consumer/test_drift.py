"""Page and Hinkley: a loss that rises and stays is drift; noise, outliers and rhythm are not."""

import numpy as np
import pytest

from consumer.drift import LEAST_COUNT, next_drift, watched_loss
from state.model_store import DriftFigures


def first_alarm(values: np.ndarray) -> int | None:
    figures = DriftFigures()
    for i, value in enumerate(values.tolist()):
        figures, has_drifted = next_drift(figures, value)
        if has_drifted:
            return i
    return None


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_no_drift(seed: int) -> None:
    assert first_alarm(np.random.default_rng(seed).normal(-0.2, 0.3, 5000)) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_rises_by_its_own_spread_is_found_within_a_hundred_buckets(seed: int) -> None:
    values = np.random.default_rng(seed).normal(-0.2, 0.3, 1200)
    values[1000:] += 0.3
    found = first_alarm(values)
    assert found is not None
    assert 1010 <= found < 1100


def test_some_wild_buckets_are_no_drift() -> None:
    values = np.random.default_rng(1).normal(0.0, 0.1, 2000)
    values[500::100] = 50.0
    assert first_alarm(values) is None


def test_a_loss_that_falls_is_no_drift() -> None:
    values = np.random.default_rng(1).normal(0.0, 0.1, 2000)
    values[1000:] -= 1.0
    assert first_alarm(values) is None


def test_nothing_counts_before_the_spread_is_known() -> None:
    figures = DriftFigures()
    for value in [0.0, 9.0] * (LEAST_COUNT // 2):
        figures, has_drifted = next_drift(figures, value)
        assert not has_drifted
        assert (figures.sum, figures.lowest) == (0.0, 0.0)


def test_the_sums_begin_anew_after_an_alarm() -> None:
    figures = DriftFigures(count=500, mean=0.0, spread=0.01, sum=39.9, lowest=0.0)
    figures, has_drifted = next_drift(figures, 1.0)
    assert has_drifted
    assert figures == DriftFigures()


def test_the_watched_loss_is_skill_whatever_the_traffic() -> None:
    quiet = watched_loss(loss=50.0, naive_loss=100.0, clicks=1_000.0)
    busy = watched_loss(loss=50_000.0, naive_loss=100_000.0, clicks=1_000_000.0)
    assert quiet == pytest.approx(busy, abs=0.01)
    assert watched_loss(0.0, 0.0, 0.0) == 0.0
