"""Whatever comes, and whatever a model says: calibrated quantiles, an exact record, no future."""

from typing import Final, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.measures import MEASURE_COUNT
from model.baseline import Baseline
from model.forecaster import Float32, Forecasts, grow_state, settle
from model.live import LiveForecaster
from model.window import Window

HOUR_MS: Final = 3_600_000

LEVEL_SETS: Final = (
    (0.1, 0.25, 0.5, 0.75, 0.9),
    (0.05, 0.5, 0.8),
    (0.1, 0.9),
    (0.5,),
    (0.8, 0.9),
    (0.01, 0.2),
)


class Anything:
    """Says anything ordered of any genre; what, is a function of the bucket alone."""

    kind: Literal["lstm"] = "lstm"
    version = "anything"
    state_width = 1

    def __init__(self, seed: int, horizon: int, quantiles: tuple[float, ...]) -> None:
        self._seed = seed
        self.horizon = horizon
        self.quantiles = quantiles

    def initial_state(self, genre_count: int) -> Float32:
        return np.zeros((genre_count, 1), np.float32)

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        rng = np.random.default_rng([self._seed, int(window.starts_ms[-1]) // HOUR_MS])
        # The same genre is told the same whether others are known or not.
        shape = (100, self.horizon, len(self.quantiles))
        said = np.sort(rng.choice([0.0, 1e-3, 0.4, 3.0, 50.0, 1e6, 1e13], shape), axis=-1)
        said = (said * rng.uniform(0.5, 1.0, shape)).astype(np.float32)[: window.genre_count]
        return state + 1, settle(said[:, :, 0], said, ())

    def warm(self, window: Window) -> Float32:
        return self.initial_state(window.genre_count) + len(window)


@st.composite
def lives(draw: st.DrawFn) -> LiveForecaster:
    horizon = draw(st.sampled_from([1, 2, 7, 30]))
    levels = draw(st.sampled_from(LEVEL_SETS))
    baseline = Baseline(horizon, levels)
    if draw(st.booleans()):
        return LiveForecaster(baseline, baseline)
    return LiveForecaster(Anything(draw(st.integers(0, 99)), horizon, levels), baseline)


@st.composite
def counts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Clicks `(T, G)` and the row each genre begins in, in that order."""
    rows, genres = draw(st.integers(2, 60)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([0.0, 0.1, 2.0, 500.0, 1e6]))
    clicks = rng.poisson(level, (rows, genres))
    for row in draw(st.lists(st.integers(0, rows - 1), max_size=3)):
        clicks[row] = draw(st.sampled_from([0, 1, 10**6, 2**40]))
    first = np.sort(rng.integers(0, rows, genres))
    first[0] = 0
    clicks[np.arange(rows)[:, None] < first[None, :]] = 0
    return clicks, first.astype(np.int64)


def append(window: Window, row: int, clicks: np.ndarray, first: np.ndarray) -> None:
    cells = np.zeros((len(clicks), MEASURE_COUNT), np.int64)
    cells[:, 0] = clicks
    window.append(row * HOUR_MS, cells, first * HOUR_MS)


def stream(
    live: LiveForecaster, clicks: np.ndarray, first: np.ndarray, restart_at: int = -1
) -> tuple[Float32, list[Forecasts]]:
    """Advance over all buckets; at `restart_at` only bytes and a rebuilt window survive."""
    window, state, published = Window(500, HOUR_MS), live.initial_state(0), []
    for row in range(len(clicks)):
        if row == restart_at:
            state = np.frombuffer(state.tobytes(), np.float32).reshape(-1, live.state_width)
            window = Window(500, HOUR_MS)
            for earlier in range(row):
                append(window, earlier, clicks[earlier, : len(state)], first[: len(state)])
        known = int((first <= row).sum())
        append(window, row, clicks[row, :known], first[:known])
        state, forecasts = live.advance(grow_state(live, state, known), window)
        published.append(forecasts)
    return state, published


def assert_same(ours: list[Forecasts], theirs: list[Forecasts]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.quantiles, other.quantiles)
        np.testing.assert_array_equal(one.is_baseline, other.is_baseline)


@settings(max_examples=100, deadline=None)
@given(live=lives(), example=counts())
def test_quantiles_never_cross_and_are_never_negative(
    live: LiveForecaster, example: tuple[np.ndarray, np.ndarray]
) -> None:
    state, published = stream(live, *example)
    assert np.isfinite(state).all()
    for forecasts in published:
        assert np.isfinite(forecasts.mean).all()
        assert np.isfinite(forecasts.quantiles).all()
        assert (forecasts.quantiles >= 0).all()
        assert (np.diff(forecasts.quantiles, axis=2) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(live=lives(), example=counts(), share=st.floats(0.0, 1.0))
def test_a_restart_at_any_bucket_changes_not_one_bit(
    live: LiveForecaster, example: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    restart_at = max(1, int(share * (len(example[0]) - 1)))
    state, published = stream(live, *example)
    again, others = stream(live, *example, restart_at=restart_at)
    assert again.tobytes() == state.tobytes()
    assert_same(published, others)


@settings(max_examples=60, deadline=None)
@given(live=lives(), example=counts(), share=st.floats(0.0, 1.0))
def test_changing_the_future_changes_no_forecast(
    live: LiveForecaster, example: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    clicks, first = example
    origin = int(share * (len(clicks) - 1))
    other = clicks.copy()
    other[origin + 1 :] = 7 * other[origin + 1 :] + 5
    other[np.arange(len(other))[:, None] < first[None, :]] = 0
    assert_same(
        stream(live, clicks, first)[1][: origin + 1], stream(live, other, first)[1][: origin + 1]
    )


@settings(max_examples=60, deadline=None)
@given(live=lives(), example=counts())
def test_genres_added_on_the_way_are_as_if_they_were_alone(
    live: LiveForecaster, example: tuple[np.ndarray, np.ndarray]
) -> None:
    clicks, first = example
    together, _ = stream(live, clicks, first)
    # The first genre is told the same things alone: it stands first there too.
    alone, _ = stream(live, clicks[:, :1], first[:1])
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-5, atol=1e-6)
    late = live.record_of(together).model.weight[-1, 0]
    seen = len(clicks) - 1 - int(first[-1])
    assert late <= seen + 1e-3
    assert (late > 0) == (seen > 0)


class Noisy:
    """Knows the level of every bucket and is sure of itself: an interval of a fixed width."""

    kind: Literal["lstm"] = "lstm"
    version = "noisy"
    state_width = 1
    horizon = 6
    quantiles = (0.1, 0.5, 0.9)

    def initial_state(self, genre_count: int) -> Float32:
        return np.zeros((genre_count, 1), np.float32)

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        median = np.full((window.genre_count, self.horizon), 1000.0, np.float32)
        around = np.array([-64.0, 0.0, 64.0], np.float32)
        return state, Forecasts(median, median[:, :, None] + around)

    def warm(self, window: Window) -> Float32:
        return self.initial_state(window.genre_count)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("times", "settling"), [(2.0, 500), (0.5, 800)])
def test_coverage_returns_to_its_target_after_the_noise_has_changed(
    seed: int, times: float, settling: int
) -> None:
    """Normal noise of deviation 50: 64 above and below cover 80 %; then it is another.

    Back from too narrow is quicker than from too wide: a miss tells more than a hit.
    """
    rng = np.random.default_rng(seed)
    shift, genres = 250, 8
    rows = shift + settling + 300
    deviation = np.where(np.arange(rows)[:, None] < shift, 50.0, 50.0 * times)
    clicks = np.rint(1000.0 + deviation * rng.standard_normal((rows, genres))).astype(np.int64)
    live = LiveForecaster(Noisy(), Baseline(6, (0.1, 0.5, 0.9)))
    _, published = stream(live, clicks, np.zeros(genres, np.int64))
    upper = np.stack([forecasts.quantiles[:, :, -1] for forecasts in published])
    lower = np.stack([forecasts.quantiles[:, :, 0] for forecasts in published])

    def covered(first: int, stop: int) -> float:
        hits = [
            (lower[row - step, :, step - 1] <= clicks[row])
            & (clicks[row] <= upper[row - step, :, step - 1])
            for row in range(first, stop)
            for step in range(1, 7)
        ]
        return float(np.mean(hits))

    assert 0.77 <= covered(100, shift) <= 0.83
    assert not 0.7 <= covered(shift + 10, shift + 40) <= 0.9
    assert 0.77 <= covered(shift + settling, rows) <= 0.83
