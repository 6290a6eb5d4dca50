import numpy as np
import pytest

from contracts.measures import MEASURE_COUNT
from model.forecaster import grow_state
from model.lstm import level_weights
from model.window import Window

from .making import HOUR_MS, make_forecaster


def test_step_is_traced_once_however_genres_grow() -> None:
    forecaster = make_forecaster()
    window = Window(50, HOUR_MS)
    state = forecaster.initial_state(0)
    for row, genre_count in enumerate([1, 2, 3, 17, 17, 200]):
        cells = np.ones((genre_count, MEASURE_COUNT), np.int64)
        window.append(row * HOUR_MS, cells, np.zeros(genre_count, np.int64))
        state, _ = forecaster.advance(grow_state(forecaster, state, genre_count), window)
    assert forecaster.network.trace_count == 1


def test_sequence_and_steps_are_the_same_network() -> None:
    network = make_forecaster().network
    shape = network.shape
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 40, shape.feature_count)).astype(np.float32)
    memory = np.zeros((3, shape.memory_width), np.float32)
    ones = np.ones((3, 4), np.float32)
    steps = np.ones((3, 4, shape.step_feature_count), np.float32)
    stepped = memory
    for row in range(40):
        stepped, _, _ = network.step(features[:, row], stepped, steps, ones, ones)
    whole = network.warm(features, np.ones((3, 40), bool), memory)
    np.testing.assert_allclose(whole, stepped, atol=1e-5)


def test_a_step_is_forecast_alike_whatever_the_horizon() -> None:
    network = make_forecaster().network
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(2, 9, network.shape.step_feature_count)).astype(np.float32)
    features = rng.normal(size=(2, network.shape.feature_count)).astype(np.float32)
    memory = np.zeros((2, network.shape.memory_width), np.float32)
    ones = np.ones((2, 9), np.float32)
    _, _, long = network.step(features, memory, steps, ones, ones)
    _, _, short = network.step(features, memory, steps[:, :3], ones[:, :3], ones[:, :3])
    np.testing.assert_allclose(long[:, :3], short, rtol=1e-6)


def test_levels_that_are_there_are_taken_as_they_are() -> None:
    weights = level_weights((0.1, 0.25, 0.5, 0.75, 0.9), (0.1, 0.5, 0.9))
    assert weights.T.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]


def test_level_halfway_is_the_mean_of_its_neighbours() -> None:
    np.testing.assert_allclose(level_weights((0.2, 0.4), (0.3,))[:, 0], [0.5, 0.5])


def test_level_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="not within"):
        level_weights((0.2, 0.4), (0.1, 0.3))
