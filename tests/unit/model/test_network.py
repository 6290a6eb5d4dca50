from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from contracts.measures import MEASURE_COUNT
from model.forecaster import grow_state
from model.network_forecaster import level_weights
from model.shape import Architecture, TransformerSizes
from model.window import Window

from .making import HOUR_MS, make_forecaster

ARCHITECTURES: tuple[Architecture, ...] = ("lstm", "transformer")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_step_is_traced_once_however_genres_grow(architecture: Architecture) -> None:
    forecaster = make_forecaster(architecture)
    window = Window(50, HOUR_MS)
    state = forecaster.initial_state(0)
    for row, genre_count in enumerate([1, 2, 3, 17, 17, 200]):
        cells = np.ones((genre_count, MEASURE_COUNT), np.int64)
        window.append(row * HOUR_MS, cells, np.zeros(genre_count, np.int64))
        state, _ = forecaster.advance(grow_state(forecaster, state, genre_count), window)
    assert forecaster.network.trace_count == 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("length", [1, 7, 8, 14, 40])
def test_sequence_and_steps_are_the_same_network(architecture: Architecture, length: int) -> None:
    network = make_forecaster(architecture).network
    shape = network.shape
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, length, shape.feature_count)).astype(np.float32)
    memory = rng.normal(size=(3, shape.memory_width)).astype(np.float32)
    ones = np.ones((3, 4), np.float32)
    steps = np.ones((3, 4, shape.step_feature_count), np.float32)
    stepped = memory
    for row in range(length):
        stepped, _, _ = network.step(features[:, row], stepped, steps, ones, ones)
    whole = network.warm(features, np.ones((3, length), bool), memory)
    np.testing.assert_allclose(whole, stepped, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_step_shares_no_memory_with_what_it_was_given(architecture: Architecture) -> None:
    network = make_forecaster(architecture).network
    shape = network.shape
    rng = np.random.default_rng(0)
    sizes = (shape.feature_count, shape.memory_width, (4, shape.step_feature_count), 4, 4)
    # Large and at an address that TensorFlow could read in place.
    given = [rng.random((256, *np.atleast_1d(size)), np.float32) for size in sizes]
    as_given = [each.copy() for each in given]
    found = network.step(*given)
    as_found = [each.copy() for each in found]
    for each, before in zip(given, as_given, strict=True):
        np.testing.assert_array_equal(each, before)
        each.fill(np.nan)
    for each, before in zip(found, as_found, strict=True):
        np.testing.assert_array_equal(each, before)


def test_a_step_of_other_numbers_than_float32_is_refused() -> None:
    network = make_forecaster().network
    shape = network.shape
    sizes = (shape.feature_count, shape.memory_width, (4, shape.step_feature_count), 4, 4)
    given = [np.zeros((3, *np.atleast_1d(size))) for size in sizes]
    with pytest.raises(tf.errors.InvalidArgumentError, match="float"):
        network.step(*given)


def test_a_transformer_reads_its_window_and_nothing_before_it() -> None:
    network = make_forecaster("transformer").network
    sizes = network.shape.core
    assert isinstance(sizes, TransformerSizes)
    rng = np.random.default_rng(0)
    # Each layer looks `window` buckets further back than the one above it.
    reach = sizes.layers * sizes.window
    features = rng.normal(size=(1, reach + 2, network.shape.feature_count)).astype(np.float32)
    memory = np.zeros((1, network.shape.memory_width), np.float32)

    def last_output(changed: int) -> Any:  # noqa: ANN401 (a tensor)
        other = features.copy()
        other[0, changed] += 1.0
        return network.sequence(other, np.ones((1, reach + 2), bool), memory)[0, -1].numpy()

    as_it_was = network.sequence(features, np.ones((1, reach + 2), bool), memory)[0, -1].numpy()
    np.testing.assert_array_equal(last_output(0), as_it_was)
    assert not np.array_equal(last_output(1), as_it_was)


def test_a_transformer_sees_no_bucket_before_it_came() -> None:
    network = make_forecaster("transformer").network
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1, 30, network.shape.feature_count)).astype(np.float32)
    memory = np.zeros((1, network.shape.memory_width), np.float32)
    other = features.copy()
    other[0, 20:] = rng.normal(size=other[0, 20:].shape)
    present = np.ones((1, 30), bool)
    before, after = (network.sequence(f, present, memory).numpy() for f in (features, other))
    np.testing.assert_array_equal(before[0, :20], after[0, :20])
    assert not np.array_equal(before[0, 20], after[0, 20])


def test_memory_of_a_transformer_is_no_longer_after_years() -> None:
    # Nothing counts buckets: a state that has gone around its window forgets where it began.
    network = make_forecaster("transformer").network
    sizes = network.shape.core
    assert isinstance(sizes, TransformerSizes)
    rng = np.random.default_rng(0)
    # The last output looks one bucket further back than the keys and values that are kept.
    reach = sizes.layers * sizes.window + 1
    features = rng.normal(size=(1, reach, network.shape.feature_count)).astype(np.float32)
    present = np.ones((1, reach), bool)
    young = np.zeros((1, network.shape.memory_width), np.float32)
    old = rng.normal(size=young.shape).astype(np.float32)
    np.testing.assert_array_equal(
        network.warm(features, present, young), network.warm(features, present, old)
    )


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
