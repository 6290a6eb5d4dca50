"""Where the cause of a forecast is known, the explanation names it."""

from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from model.batches import prepare
from model.features import FEATURES, STEP_FEATURES
from model.history import History
from model.moved import Moved, TooYoungError, explain_network, explain_reference
from model.network_forecaster import NetworkForecaster
from model.path_integral import PathIntegral
from model.plans import TrainingPlan
from model.registry import load_forecaster
from model.scales import SCALE_COUNT
from model.shape import NetworkShape
from model.training import train
from model.window import Window

from .making import CORES, HOUR_MS, LEVELS, MONDAY_MS, artifact_of, make_forecaster

QUARTER_MS = 900_000
DAY = 96
"""Quarters of an hour."""

STEPS = 8


def windowed(cells: NDArray[np.int64], bucket_ms: int, first: int = 0) -> Window:
    """A window of one genre's cells `(T, MEASURE_COUNT)`, `first` buckets after Monday midnight."""
    window = Window(2016, bucket_ms)
    begun = MONDAY_MS + first * bucket_ms
    for row, cell in enumerate(cells):
        window.append(begun + row * bucket_ms, cell[None], np.array([begun]))
    return window


def cells_of(clicks: NDArray[np.int64]) -> NDArray[np.int64]:
    cells = np.zeros((len(clicks), MEASURE_COUNT), np.int64)
    cells[:, 0] = clicks
    return cells


def explained(forecaster: NetworkForecaster, window: Window) -> Moved:
    weights = np.full(forecaster.horizon, 1.0 / forecaster.horizon, np.float32)
    return explain_network(
        forecaster, PathIntegral(forecaster.network), state=forecaster.warm(window),
        window=window, weights=weights,
    )  # fmt: skip


def totals(found: Moved) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for (cause, _), clicks in found.causes.items():
        sums[cause] += clicks
    return sums


def largest(found: Moved) -> str:
    sums = totals(found)
    return max(sums, key=lambda cause: abs(sums[cause]))


@pytest.fixture(scope="module")
def shipped() -> NetworkForecaster:
    forecaster, _ = load_forecaster(Settings(bucket_seconds=900, horizon=STEPS))
    assert isinstance(forecaster, NetworkForecaster)
    return forecaster


def test_a_burst_an_hour_ago_is_told_as_recent_and_by_its_buckets(
    shipped: NetworkForecaster,
) -> None:
    clicks = np.random.default_rng(1).poisson(50, 8 * DAY)
    clicks[-5:] += [400, 300, 200, 150, 120]
    found = explained(shipped, windowed(cells_of(clicks), QUARTER_MS))
    assert found.forecast > 1.2 * found.ordinary
    assert largest(found) == "recent"
    assert totals(found)["recent"] > 0
    assert np.abs(found.buckets[-5:]).sum() > np.abs(found.buckets[:-5]).sum()


def test_a_day_like_every_day_is_told_as_the_same_time_before(shipped: NetworkForecaster) -> None:
    rows = np.arange(8 * DAY)
    # The peak comes an hour after the origin.
    rhythm = np.exp(0.9 * np.cos(2 * np.pi * (rows - 8 * DAY - 4) / DAY))
    clicks = np.random.default_rng(1).poisson(50 * rhythm)
    found = explained(shipped, windowed(cells_of(clicks), QUARTER_MS))
    assert found.forecast > 1.5 * found.ordinary
    assert largest(found) == "same_time"
    assert totals(found)["same_time"] > 0


def test_a_baseline_forecast_is_told_by_the_same_two_causes() -> None:
    rows = np.arange(8 * DAY)
    clicks = np.rint(50 * np.exp(0.9 * np.cos(2 * np.pi * (rows - 8 * DAY - 4) / DAY)))
    window = windowed(cells_of(clicks.astype(np.int64)), QUARTER_MS)
    scales = make_forecaster().warm(window)[:, :SCALE_COUNT]
    weights = np.full(STEPS, 1.0 / STEPS, np.float32)
    found = explain_reference(scales=scales, window=window, horizon=STEPS, weights=weights)
    assert largest(found) == "same_time"
    assert found.points == 0


@pytest.mark.parametrize("buckets", [1, 15])
def test_a_genre_that_has_just_come_is_not_explained(buckets: int) -> None:
    window = windowed(cells_of(np.full(buckets, 9)), HOUR_MS)
    with pytest.raises(TooYoungError, match=f"for {buckets} buckets; an explanation needs 16"):
        explained(make_forecaster(), window)


# A world in which the next bucket depends on its hour and on this bucket's audience, and on nothing
# else. Its genres have not been there for a day: no earlier day can tell the hour's part.

YOUNG = 23
"""Buckets of a genre's life."""


def eventful(
    shares: NDArray[np.float64], first_hour: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Cells of buckets with these shares of women; each share moves the bucket after it."""
    hours = first_hour + np.arange(len(shares))
    before = np.concatenate([[0.5], shares[:-1]])
    rate = 60 * np.exp(0.6 * np.cos(2 * np.pi * hours / 8) + 2.0 * (before - 0.5))
    cells = cells_of(rng.poisson(rate))
    cells[:, 5] = np.rint(cells[:, 0] * shares)
    cells[:, 6] = cells[:, 0] - cells[:, 5]
    return cells


def lives(first_hour: int, rng: np.random.Generator) -> History:
    """Twelve young genres."""
    length = YOUNG + 2
    return History(
        names=tuple(f"genre-{i}" for i in range(12)),
        bucket_seconds=3600,
        starts_ms=MONDAY_MS + (first_hour + np.arange(length, dtype=np.int64)) * HOUR_MS,
        cells=np.stack(
            [eventful(rng.uniform(0.1, 0.9, length), first_hour, rng) for _ in range(12)], axis=1
        ),
    )


@pytest.fixture(scope="module", params=CORES)
def taught(request: pytest.FixtureRequest) -> NetworkForecaster:
    """A small model that has learnt that world."""
    rng = np.random.default_rng(7)
    prepared = [prepare(lives(hour, rng), horizon=1, reach=2016) for hour in range(24)]
    shape = NetworkShape(len(FEATURES), len(STEP_FEATURES), len(LEVELS), CORES[request.param])
    plan = TrainingPlan(LEVELS, epochs=10, batch_size=32, sequence_length=20, learning_rate=1e-2)
    weights, losses = train(shape, prepared, plan)
    assert losses[-1] < losses[0]
    return NetworkForecaster(artifact_of(weights, shape), 1, LEVELS)


@pytest.mark.parametrize(
    ("share", "next_hour", "cause"),
    [
        pytest.param(0.9, 2, "audience", id="an audience that is not the usual one"),
        pytest.param(0.5, 0, "calendar", id="an hour that is a peak everywhere"),
    ],
)
def test_the_cause_is_named_that_the_world_has(
    taught: NetworkForecaster, share: float, next_hour: int, cause: str
) -> None:
    rng = np.random.default_rng(3)
    shares = rng.uniform(0.4, 0.6, YOUNG)
    shares[-1] = share
    first_hour = (next_hour - YOUNG) % 24
    window = windowed(eventful(shares, first_hour, rng), HOUR_MS, first_hour)
    found = explained(taught, window)
    assert largest(found) == cause
    assert totals(found)[cause] > 0
