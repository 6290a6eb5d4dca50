"""Streaming bucket by bucket equals the whole sequence at once, also across a restart."""

from typing import Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.measures import MEASURE_COUNT
from model.baseline import Baseline
from model.forecaster import Forecaster, Forecasts, grow_state
from model.live import LiveForecaster
from model.window import Window
from tests.unit.model.making import HORIZON, LEVELS, bare_forecaster

TOLERANCE: Final = 1e-5
"""Relative above 1, absolute below: scales are clicks, the rest is within a few units."""

BUCKET_MS: Final = 8 * 3_600_000
"""Three buckets a day, so that some dozens reach over days and a week."""

NAMES: Final = (
    "baseline", "lstm", "transformer", "live baseline", "live lstm", "live transformer",
)  # fmt: skip

FORECASTERS: dict[str, Forecaster] = {}


def forecaster_named(name: str) -> Forecaster:
    """Made once: hypothesis runs a test many times within one fixture."""
    if name not in FORECASTERS:
        baseline = Baseline(HORIZON, LEVELS)
        bare = bare_forecaster(name)
        FORECASTERS[name] = LiveForecaster(bare, baseline) if "live" in name else bare
    return FORECASTERS[name]


@st.composite
def cells_and_beginnings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Cells `(T, G, MEASURE_COUNT)` and the row each genre begins in, in that order."""
    rows = draw(st.integers(2, 60))
    genres = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([0.0, 0.3, 5.0, 2000.0, 2.0**40]))
    clicks = np.minimum(rng.poisson(min(level, 1e6), (rows, genres)) * max(1.0, level / 1e6), 2**40)
    for row in draw(st.lists(st.integers(0, rows - 1), max_size=3)):
        clicks[row] = draw(st.sampled_from([0, 1, 10**6, 2**40]))
    first = np.sort(rng.integers(0, rows, genres))
    first[0] = 0
    cells = np.zeros((rows, genres, MEASURE_COUNT), np.int64)
    cells[:, :, 0] = clicks
    if draw(st.booleans()):
        cells[:, :, 1:] = rng.integers(0, 50, (rows, genres, MEASURE_COUNT - 1))
    cells[np.arange(rows)[:, None] < first[None, :]] = 0
    return cells, first.astype(np.int64)


def streamed(
    forecaster: Forecaster,
    cells: np.ndarray,
    first: np.ndarray,
    restart_at: int = -1,
) -> tuple[np.ndarray, Window, Forecasts]:
    """Advance over all buckets; at `restart_at` only bytes and a rebuilt window survive."""
    window = Window(500, BUCKET_MS)
    state = forecaster.initial_state(0)
    for row in range(len(cells)):
        if row == restart_at:
            stored = state.tobytes()
            state = np.frombuffer(stored, np.float32).reshape(-1, forecaster.state_width)
            window = Window(500, BUCKET_MS)
            for earlier in range(row):
                # As restored from the journal: all genres known by now, cells 0 before they began.
                count = len(state)
                window.append(
                    earlier * BUCKET_MS, cells[earlier, :count], first[:count] * BUCKET_MS
                )
        known = int((first <= row).sum())
        window.append(row * BUCKET_MS, cells[row, :known], first[:known] * BUCKET_MS)
        state, forecasts = forecaster.advance(grow_state(forecaster, state, known), window)
    return state, window, forecasts


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=cells_and_beginnings())
def test_streaming_equals_the_whole_sequence(
    name: str, example: tuple[np.ndarray, np.ndarray]
) -> None:
    forecaster = forecaster_named(name)
    state, window, _ = streamed(forecaster, *example)
    np.testing.assert_allclose(forecaster.warm(window), state, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=cells_and_beginnings(), share=st.floats(0.0, 1.0))
def test_a_restart_changes_nothing(
    name: str, example: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    forecaster = forecaster_named(name)
    restart_at = max(1, int(share * (len(example[0]) - 1)))
    state, _, forecasts = streamed(forecaster, *example)
    again, _, other = streamed(forecaster, *example, restart_at=restart_at)
    np.testing.assert_array_equal(again, state)
    np.testing.assert_array_equal(other.quantiles, forecasts.quantiles)
    np.testing.assert_array_equal(other.mean, forecasts.mean)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=cells_and_beginnings())
def test_forecasting_from_a_warmed_state_is_the_same_forecast(
    name: str, example: tuple[np.ndarray, np.ndarray]
) -> None:
    forecaster = forecaster_named(name)
    _, window, forecasts = streamed(forecaster, *example)
    shorter = Window(500, BUCKET_MS)
    cells, first = example
    for row in range(len(cells) - 1):
        shorter.append(row * BUCKET_MS, cells[row], first * BUCKET_MS)
    _, warmed = forecaster.advance(forecaster.warm(shorter), window)
    np.testing.assert_allclose(warmed.mean, forecasts.mean, rtol=1e-4, atol=TOLERANCE)
    np.testing.assert_allclose(warmed.quantiles, forecasts.quantiles, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(example=cells_and_beginnings())
def test_quantiles_never_cross(name: str, example: tuple[np.ndarray, np.ndarray]) -> None:
    _, _, forecasts = streamed(forecaster_named(name), *example)
    assert np.isfinite(forecasts.mean).all()
    assert np.isfinite(forecasts.quantiles).all()
    assert (forecasts.mean >= 0).all()
    assert (forecasts.quantiles >= 0).all()
    assert (np.diff(forecasts.quantiles, axis=2) >= 0).all()
