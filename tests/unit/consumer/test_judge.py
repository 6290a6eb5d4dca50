"""Candidate beside champion on live buckets, and what follows from it."""

import numpy as np
import pytest

from consumer.models import promote
from consumer.shadow import Scores
from model.forecaster import Forecasts
from state.model_store import BUILT_IN, DriftFigures
from state.store import Sealed
from tests.unit.consumer.lineups import World


def sealed(bucket_ms: int, *clicks: int) -> Sealed:
    cells = np.zeros((len(clicks), 8), np.int64)
    cells[:, 0] = clicks
    names = tuple("abcdef"[: len(clicks)])
    return Sealed(bucket_ms, names, np.zeros(len(clicks), np.int64), cells, {}, {}, False)


def forecasts(*quantiles: list[list[float]]) -> Forecasts:
    array = np.array(quantiles, np.float32)
    return Forecasts(array.mean(axis=2), array)


def test_a_loss_is_of_every_forecast_made_for_the_bucket() -> None:
    scores = Scores((0.1, 0.9), horizon=2, bucket_ms=10)
    scores.hold(sealed(0, 1), forecasts([[1.0, 3.0], [0.0, 4.0]]))
    scores.hold(sealed(10, 1), forecasts([[2.0, 2.0], [9.0, 9.0]]))
    # Bucket 20 came to 5: step 2 from bucket 0 said 0..4, step 1 from bucket 10 said 2..2.
    loss = scores.score(20, np.array([5]))
    first = (0.1 * 5 + 0.9 * 1) / 2
    second = (0.1 * 3 + 0.9 * 3) / 2
    assert loss.pinball == pytest.approx(first + second)
    assert (loss.clicks, loss.terms) == (10.0, 2)
    assert scores.score(20, np.array([5]), since_ms=10).pinball == pytest.approx(second)


def test_a_forecast_above_what_came_costs_the_other_share() -> None:
    scores = Scores((0.9,), horizon=1, bucket_ms=10)
    scores.hold(sealed(0, 1, 1), forecasts([[4.0]], [[0.0]]))
    assert scores.score(10, np.array([0, 0, 7])).pinball == pytest.approx(0.1 * 4)
    assert scores.score(20, np.array([0, 0, 7])).terms == 0, "nothing was said of that bucket"


def test_candidate_and_champion_are_compared_on_the_buckets_that_both_forecast() -> None:
    world = World()
    world.close(5)
    world.register("m-2", 3.0)
    world.close(6)
    figures = world.models.read_notes().figures
    assert figures["m-2"].model_version == "m-2"
    # Made ready after bucket 5, in shadow after 6, its first forecast is from 7: scored from 8 on.
    assert (figures["m-2"].since_ms, figures["m-2"].as_of_ms) == (70_000, 100_000)
    assert figures["m-2"].buckets == 3
    assert figures["m-2"].loss > figures["m-2"].champion_loss > 0
    assert figures[BUILT_IN].as_of_ms == 100_000


def test_the_comparison_goes_on_after_a_restart() -> None:
    world = World()
    world.register("m-2", 3.0)
    world.close(6)
    before = world.models.read_notes().figures["m-2"].buckets
    world.restart()
    world.close(4)
    after = world.models.read_notes().figures["m-2"].buckets
    assert after == before + 3, "the first bucket has no forecast from before the restart"


def run_duel(factor: float, **changes: object) -> World:
    world = World(promote_after_buckets=6, **changes)
    world.register("m-2", factor)
    world.close(14)
    return world


def test_a_candidate_that_wins_by_the_margin_promotes_itself_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The built-in says the reference and some: the half of it is further from what comes.
    better = World(auto_promote=True, promote_after_buckets=6)
    better.register("worse", 3.0)
    promote(better.models, "worse", 0)
    better.register("m-2", 1.0)
    better.close(14)
    versions = better.topics.versions()
    assert versions[0] == "worse"
    assert versions[-1] == "m-2"
    assert better.models.read().previous == "worse"
    assert "m-2 is promoted: WQL" in caplog.text
    shadow = versions.index("m-2")
    assert shadow >= 6


def test_a_candidate_that_loses_or_is_not_to_promote_itself_stays_one() -> None:
    assert run_duel(3.0, auto_promote=True).models.read().candidate == "m-2"
    world = World(promote_after_buckets=6)
    world.register("worse", 3.0)
    promote(world.models, "worse", 0)
    world.register("m-2", 1.0)
    world.close(14)
    assert world.models.read().champion == "worse"


def test_drift_of_the_champion_asks_for_retraining_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.close(5)
    champion = world.lineup.champion
    almost = DriftFigures(count=500, mean=-50.0, spread=1.0, sum=39.0, lowest=0.0)
    champion.figures = champion.figures.model_copy(update={"drift": almost})
    world.close(3)
    request = world.models.read_notes().retrain
    assert request is not None
    assert "grown worse beside seasonal naive" in request.reason
    assert caplog.text.count("retraining is asked for") == 1
    assert champion.figures.drift is not None
    assert champion.figures.drift.count < 5, "it begins anew"
