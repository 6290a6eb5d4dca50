"""The model that ships: small, sound, and better than seasonal naive where it has not been."""

import numpy as np
import pytest

from contracts.settings import Settings
from model.artifact import MANIFEST_NAME, WEIGHTS_NAME, load_artifact
from model.backtest import BacktestPlan, backtest
from model.registry import SHIPPED_DIRECTORY, load_forecaster
from model.synthetic import simulate_history

MAX_SHIPPED_BYTES = 2_000_000


def test_shipped_model_is_small() -> None:
    sizes = [(SHIPPED_DIRECTORY / name).stat().st_size for name in (WEIGHTS_NAME, MANIFEST_NAME)]
    assert sum(sizes) < MAX_SHIPPED_BYTES


def test_shipped_model_is_the_recipe() -> None:
    manifest = load_artifact(SHIPPED_DIRECTORY).manifest
    assert manifest.units == (128, 64)
    assert manifest.horizon == 24
    assert manifest.quantiles == (0.1, 0.25, 0.5, 0.75, 0.9)
    assert {60, 300, 900, 3600} <= set(manifest.bucket_seconds)


def test_shipped_manifest_reports_a_model_that_beats_seasonal_naive() -> None:
    manifest = load_artifact(SHIPPED_DIRECTORY).manifest
    metrics, naive = manifest.metrics, manifest.naive_metrics
    assert metrics.wql is not None
    assert metrics.mase is not None
    assert metrics.coverage is not None
    assert naive.wql is not None
    assert naive.mase is not None
    assert metrics.wql < 0.8 * naive.wql
    assert metrics.mase < 0.8 * naive.mase
    assert 0.75 <= metrics.coverage <= 0.85


@pytest.mark.parametrize(("bucket_seconds", "first_row"), [(900, 250), (3600, 250)])
def test_shipped_model_beats_seasonal_naive_on_series_it_has_not_seen(
    bucket_seconds: int, first_row: int
) -> None:
    history = simulate_history(
        2024, bucket_seconds=bucket_seconds, bucket_count=500, genre_count=20
    )
    settings = Settings(bucket_seconds=bucket_seconds, horizon=24)
    forecaster, reason = load_forecaster(settings)
    assert reason is None
    result = backtest(history, forecaster, BacktestPlan(first_row, stride=5))
    assert result.model.wql < 0.85 * result.naive.wql
    assert result.model.mase < 0.85 * result.naive.mase
    assert 0.7 <= result.model.coverage <= 0.9
    assert np.isfinite(result.model.mse)
