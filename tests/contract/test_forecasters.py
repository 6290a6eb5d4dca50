"""One suite over all forecasters: the baseline, LSTM, Transformer, bare and as they run live."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from contracts.measures import MEASURE_COUNT
from model.baseline import Baseline
from model.forecaster import Forecaster, Forecasts, grow_state
from model.live import LiveForecaster
from model.window import Window
from tests.unit.model.making import HORIZON, HOUR_MS, LEVELS, bare_forecaster

NAMES = ("baseline", "lstm", "transformer", "live baseline", "live lstm", "live transformer")


@dataclass(frozen=True)
class Clicks:
    """Counts to stream: `(T, G)`, and the row where each genre begins."""

    counts: np.ndarray
    first_row: np.ndarray


@pytest.fixture(scope="module", params=NAMES)
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    baseline = Baseline(HORIZON, LEVELS)
    bare = bare_forecaster(request.param)
    return LiveForecaster(bare, baseline) if "live" in request.param else bare


def stream(
    forecaster: Forecaster,
    clicks: Clicks,
    capacity: int = 2016,
    see: Callable[[Forecasts], None] = lambda forecasts: None,
) -> tuple[np.ndarray, Window, Forecasts | None]:
    """Advance bucket by bucket; genres become known when they begin."""
    window = Window(capacity, HOUR_MS)
    state, forecasts = forecaster.initial_state(0), None
    for row, counts in enumerate(clicks.counts):
        known = int((clicks.first_row <= row).sum())
        cells = np.zeros((known, MEASURE_COUNT), np.int64)
        cells[:, 0] = counts[:known]
        window.append(row * HOUR_MS, cells, clicks.first_row[:known] * HOUR_MS)
        state, forecasts = forecaster.advance(grow_state(forecaster, state, known), window)
        see(forecasts)
    return state, window, forecasts


def steady(level: float, rows: int, genres: int = 1, seed: int = 0) -> Clicks:
    rng = np.random.default_rng(seed)
    return Clicks(rng.poisson(level, (rows, genres)), np.zeros(genres, np.int64))


HOSTILE = {
    "zeros": np.zeros((80, 2), np.int64),
    "huge": np.full((80, 2), 2**40),
    "beyond": np.full((80, 2), 2**62),
    "burst": np.where(np.arange(80)[:, None] == 40, 2**40, 3) * np.ones((1, 2), np.int64),
    "alternating": np.where(np.arange(80)[:, None] % 2, 2**40, 0) * np.ones((1, 2), np.int64),
    "silence": np.where(np.arange(80)[:, None] < 40, 10_000, 0) * np.ones((1, 2), np.int64),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_forecasts_are_finite_ordered_and_not_negative(forecaster: Forecaster, name: str) -> None:
    def check(forecasts: Forecasts) -> None:
        assert forecasts.mean.shape == (2, HORIZON)
        assert forecasts.quantiles.shape == (2, HORIZON, len(LEVELS))
        assert forecasts.mean.dtype == forecasts.quantiles.dtype == np.float32
        assert np.isfinite(forecasts.mean).all()
        assert np.isfinite(forecasts.quantiles).all()
        assert (forecasts.mean >= 0).all()
        assert (forecasts.quantiles >= 0).all()
        assert (np.diff(forecasts.quantiles, axis=2) >= 0).all()
        assert forecasts.reset_genres == ()

    stream(forecaster, Clicks(HOSTILE[name], np.zeros(2, np.int64)), see=check)


def test_first_bucket_already_has_an_interval(forecaster: Forecaster) -> None:
    _, _, forecasts = stream(forecaster, steady(20.0, rows=1))
    assert forecasts is not None
    assert (forecasts.quantiles[0, :, -1] > forecasts.quantiles[0, :, 0]).all()


def test_advance_is_a_pure_function(forecaster: Forecaster) -> None:
    state, window, _ = stream(forecaster, steady(5.0, rows=30, genres=3))
    kept = state.copy()
    first_state, first = forecaster.advance(state, window)
    second_state, second = forecaster.advance(state, window)
    np.testing.assert_array_equal(state, kept)
    np.testing.assert_array_equal(first_state, second_state)
    np.testing.assert_array_equal(first.quantiles, second.quantiles)


def test_state_has_its_width(forecaster: Forecaster) -> None:
    state, _, _ = stream(forecaster, steady(5.0, rows=3, genres=4))
    assert state.shape == (4, forecaster.state_width)
    assert state.dtype == np.float32


def test_genres_do_not_see_one_another(forecaster: Forecaster) -> None:
    together = steady(5.0, rows=60, genres=3)
    alone = Clicks(together.counts[:, 1:2], np.zeros(1, np.int64))
    _, _, all_three = stream(forecaster, together)
    _, _, only_one = stream(forecaster, alone)
    assert all_three is not None
    assert only_one is not None
    np.testing.assert_allclose(all_three.quantiles[1], only_one.quantiles[0], rtol=1e-5)


def test_genre_that_is_not_there_yet_keeps_the_initial_state(forecaster: Forecaster) -> None:
    window = Window(100, HOUR_MS)
    cells = np.zeros((2, MEASURE_COUNT), np.int64)
    cells[0, 0] = 9
    window.append(0, cells, np.array([0, 5 * HOUR_MS]))
    state, forecasts = forecaster.advance(forecaster.initial_state(2), window)
    np.testing.assert_array_equal(state[1], forecaster.initial_state(1)[0])
    assert not np.array_equal(state[0], state[1])
    assert np.isfinite(forecasts.quantiles).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e38])
def test_broken_state_begins_anew_and_is_reported(forecaster: Forecaster, poison: float) -> None:
    state, window, _ = stream(forecaster, steady(5.0, rows=30, genres=3))
    state[1, forecaster.state_width // 2] = poison
    begun = state.copy()
    begun[1] = forecaster.initial_state(1)[0]
    after, forecasts = forecaster.advance(state, window)
    expected, _ = forecaster.advance(begun, window)
    assert forecasts.reset_genres == (1,)
    assert np.isfinite(forecasts.quantiles).all()
    np.testing.assert_array_equal(after, expected)


def test_empty_window_is_refused(forecaster: Forecaster) -> None:
    with pytest.raises(ValueError, match="empty"):
        forecaster.advance(forecaster.initial_state(0), Window(10, HOUR_MS))


def test_state_of_other_genres_is_refused(forecaster: Forecaster) -> None:
    state, window, _ = stream(forecaster, steady(5.0, rows=3, genres=2))
    with pytest.raises(ValueError, match="shape"):
        forecaster.advance(state[:1], window)


def test_warming_an_empty_window_is_the_initial_state(forecaster: Forecaster) -> None:
    assert forecaster.warm(Window(10, HOUR_MS)).shape == (0, forecaster.state_width)


def test_grow_state_adds_initial_rows(forecaster: Forecaster) -> None:
    state, _, _ = stream(forecaster, steady(5.0, rows=3))
    grown = grow_state(forecaster, state, 3)
    np.testing.assert_array_equal(grown[:1], state)
    np.testing.assert_array_equal(grown[1:], forecaster.initial_state(2))
    with pytest.raises(ValueError, match="1 genres for a state of 3"):
        grow_state(forecaster, grown, 1)
