from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.batches import Sampler, prepare
from model.features import FEATURES, STEP_FEATURES
from model.fit import FitPlan, tune
from model.plans import TrainingPlan
from model.shape import LstmSizes, NetworkShape
from model.synthetic import simulate_history
from model.training import train

from .making import HORIZON, LEVELS, history_of, write_artifact

SHAPE = NetworkShape(len(FEATURES), len(STEP_FEATURES), len(LEVELS), LstmSizes(units=(12, 8)))
PLAN = TrainingPlan(LEVELS, epochs=4, batch_size=16, sequence_length=24, learning_rate=1e-2)


def test_targets_are_the_buckets_after_the_origin() -> None:
    # y(t) = t, so step k of origin t is t + k; the last click count is a feature of no target.
    prepared = prepare(history_of(np.arange(80)[:, None]), horizon=HORIZON, reach=50)
    batch = Sampler([prepared], length=30, seed=0).draw(32)
    clicks_there = batch.target[:, :, 0] - 1
    assert (np.diff(clicks_there, axis=1) == np.diff(batch.origins, axis=1)).all()
    assert (batch.target == clicks_there[:, :, None] + np.arange(1, HORIZON + 1)).all()
    assert batch.target.max() <= 79


def test_what_is_learnt_of_an_origin_is_what_was_known_there() -> None:
    prepared = prepare(history_of(np.arange(80)[:, None]), horizon=HORIZON, reach=50)
    batch = Sampler([prepared], length=30, seed=0).draw(8)
    rows = (batch.target[:, :, 0] - 1).astype(int)
    np.testing.assert_array_equal(batch.reference, prepared.reference[rows, 0])
    np.testing.assert_array_equal(batch.step_features, prepared.step_features[rows, 0])
    begins = rows - batch.origins
    assert (begins == begins[:, :1]).all()
    np.testing.assert_array_equal(batch.features[:, 0], prepared.features[begins[:, 0], 0])


def test_nothing_is_learnt_of_a_genre_that_is_not_there_yet() -> None:
    clicks = np.ones((80, 1), np.int64)
    clicks[:40] = 0
    prepared = prepare(history_of(clicks), horizon=HORIZON, reach=50)
    batch = Sampler([prepared], length=70, seed=0).draw(16)
    assert ((batch.weight > 0) == batch.present[np.arange(16)[:, None], batch.origins]).all()
    assert (batch.weight == 0).any()


def test_training_lowers_the_loss_and_is_reproducible() -> None:
    history = simulate_history(0, bucket_seconds=3600, bucket_count=300, genre_count=6)
    prepared = [prepare(history, horizon=HORIZON, reach=2016)]
    weights, losses = train(SHAPE, prepared, PLAN)
    again, _ = train(SHAPE, prepared, PLAN)
    assert losses[-1] < losses[0]
    for name, array in weights.items():
        np.testing.assert_allclose(again[name], array, atol=1e-5)


def test_training_goes_on_with_the_architecture_that_it_begins_with(tmp_path: Path) -> None:
    begun = write_artifact(tmp_path / "begun", "transformer")
    history = simulate_history(0, bucket_seconds=3600, bucket_count=200, genre_count=4)
    plan = FitPlan(replace(PLAN, epochs=1), HORIZON, start=tmp_path / "begun")
    tuned = tune([history], plan, tmp_path / "tuned").artifact
    assert tuned.manifest.core == begun.manifest.core
    # An epoch at Adam's rate moves no weight far: they were gone on from.
    for name, array in begun.weights.items():
        np.testing.assert_allclose(tuned.weights[name], array, atol=0.3)
        assert not np.array_equal(tuned.weights[name], array), name


def test_point_head_has_one_output() -> None:
    shape = replace(SHAPE, head="point")
    history = simulate_history(0, bucket_seconds=3600, bucket_count=200, genre_count=4)
    prepared = [prepare(history, horizon=HORIZON, reach=2016)]
    weights, losses = train(shape, prepared, PLAN)
    assert weights["out_bias"].shape == (1,)
    assert np.isfinite(losses).all()


def test_history_shorter_than_the_horizon_is_refused() -> None:
    prepared = prepare(history_of(np.ones((5, 1), np.int64)), horizon=HORIZON, reach=50)
    with pytest.raises(ValueError, match="longer than the horizon"):
        Sampler([prepared], length=10, seed=0)


def test_simulated_history_is_the_same_for_the_same_seed() -> None:
    one, same, other = (
        simulate_history(seed, bucket_seconds=900, bucket_count=200, genre_count=5)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.cells, same.cells)
    assert not np.array_equal(one.cells, other.cells)


def test_simulated_audience_is_part_of_the_clicks() -> None:
    cells = simulate_history(3, bucket_seconds=900, bucket_count=300, genre_count=20).cells
    clicks = cells[:, :, 0]
    assert (cells >= 0).all()
    assert (cells[:, :, 2] <= clicks).all()
    assert (cells[:, :, 5:8].sum(axis=2) <= clicks).all()
    has_audience = cells[:, :, 1:].any(axis=(0, 2))
    assert has_audience.any()
    assert not has_audience.all()
