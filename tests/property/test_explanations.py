"""Whatever came, an explanation adds up; what the model does not read explains nothing."""

from functools import cache
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from model.audience import AUDIENCE
from model.features import FEATURES, STEP_FEATURES
from model.moved import Moved, explain_network, explain_reference
from model.network_forecaster import NetworkForecaster
from model.path_integral import LARGEST_ERROR, PathIntegral
from model.scales import SCALE_COUNT
from model.shape import Architecture, NetworkShape
from model.window import Window
from tests.unit.model.making import (
    CORES,
    HORIZON,
    HOUR_MS,
    LEVELS,
    MONDAY_MS,
    artifact_of,
    make_artifact,
    make_forecaster,
)

WEIGHTS = np.full(HORIZON, 1.0 / HORIZON, np.float32)

counts = st.lists(st.integers(0, 400), min_size=20, max_size=60)


READING: Final[dict[Architecture, str]] = {"lstm": "lstm1_kernel", "transformer": "in_kernel"}
"""The array whose rows are features."""


@cache
def forecaster(architecture: Architecture) -> NetworkForecaster:
    return make_forecaster(architecture)


@cache
def deaf(architecture: Architecture) -> NetworkForecaster:
    """A model that does not read the audience."""
    weights = make_artifact(architecture=architecture).weights
    kernel = weights[READING[architecture]].copy()
    kernel[[FEATURES.index(name) for name in AUDIENCE]] = 0.0
    shape = NetworkShape(len(FEATURES), len(STEP_FEATURES), len(LEVELS), CORES[architecture])
    return NetworkForecaster(
        artifact_of({**weights, READING[architecture]: kernel}, shape), HORIZON, LEVELS
    )


@cache
def integral_of(made: NetworkForecaster) -> PathIntegral:
    return PathIntegral(made.network)


def window_of(clicks: list[int], seed: int) -> Window:
    """Buckets of an hour, with an audience at random."""
    rng = np.random.default_rng(seed)
    window = Window(2016, HOUR_MS)
    for row, count in enumerate(clicks):
        cells = np.zeros((1, MEASURE_COUNT), np.int64)
        cells[0, 0] = count
        cells[0, 5] = rng.binomial(count, rng.random())
        cells[0, 6] = count - cells[0, 5]
        window.append(MONDAY_MS + row * HOUR_MS, cells, np.array([MONDAY_MS]))
    return window


def moved(made: NetworkForecaster, window: Window, state: NDArray[np.float32]) -> Moved:
    return explain_network(made, integral_of(made), state=state, window=window, weights=WEIGHTS)


def by_cause(found: Moved, name: str) -> float:
    return sum(clicks for (cause, _), clicks in found.causes.items() if cause == name)


@pytest.mark.parametrize("architecture", READING)
@settings(max_examples=15)
@given(clicks=counts, seed=st.integers(0, 99), other=st.integers(0, 99))
def test_causes_add_up_to_the_change_and_explain_the_forecast_that_was_made(
    architecture: Architecture, clicks: list[int], seed: int, other: int
) -> None:
    made, window = forecaster(architecture), window_of(clicks, seed)
    # As if it had streamed for longer than the window: it remembers what can't be read again.
    before = made.warm(window.up_to(len(window) - 1))
    before[:, SCALE_COUNT:] += 0.1 * np.random.default_rng(other).normal(
        size=before[:, SCALE_COUNT:].shape
    ).astype(np.float32)
    state, forecasts = made.advance(before, window)
    found = moved(made, window, state)
    np.testing.assert_allclose(found.forecast, forecasts.mean[0].mean(), rtol=1e-4, atol=1e-4)
    change = found.forecast - found.ordinary
    gross = sum(abs(clicks) for clicks in found.causes.values())
    lacking = abs(sum(found.causes.values()) - change)
    assert lacking <= max(LARGEST_ERROR * abs(change), 1e-3 * gross, 1e-3)


@pytest.mark.parametrize("architecture", READING)
@settings(max_examples=10)
@given(clicks=counts, seed=st.integers(0, 99))
def test_what_the_model_does_not_read_explains_nothing(
    architecture: Architecture, clicks: list[int], seed: int
) -> None:
    window, unhearing, hearing = (
        window_of(clicks, seed),
        deaf(architecture),
        forecaster(architecture),
    )
    found = moved(unhearing, window, unhearing.warm(window))
    assert by_cause(found, "audience") == 0.0
    heard = moved(hearing, window, hearing.warm(window))
    assert sum(clicks) == 0 or by_cause(heard, "audience") != 0.0


@settings(max_examples=30)
@given(clicks=counts, seed=st.integers(0, 99))
def test_causes_of_a_baseline_forecast_add_up(clicks: list[int], seed: int) -> None:
    window = window_of(clicks, seed)
    scales = forecaster("lstm").warm(window)[:, :SCALE_COUNT]
    found = explain_reference(scales=scales, window=window, horizon=HORIZON, weights=WEIGHTS)
    np.testing.assert_allclose(
        sum(found.causes.values()), found.forecast - found.ordinary, rtol=1e-3, atol=1e-3
    )
