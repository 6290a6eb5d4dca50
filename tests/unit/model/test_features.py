import numpy as np
import pytest

from model.features import build_features, feature_names
from model.history import History
from model.scales import initial_scales, observe
from model.window import past_of

from .making import HORIZON, history_of


def features_of(history: History, reach: int = 2016) -> np.ndarray:
    past = past_of(
        history.cells,
        history.first_row,
        starts_ms=history.starts_ms,
        bucket_ms=history.bucket_ms,
        reach=reach,
    )
    scales = initial_scales(len(history.names))
    rows = len(history.starts_ms)
    return build_features(past, 0, rows, observe(past, 0, rows, scales=scales, horizon=HORIZON))


@pytest.mark.parametrize("bucket_seconds", [300, 3600, 28_800, 86_400])
def test_changing_the_future_changes_no_feature(bucket_seconds: int) -> None:
    rng = np.random.default_rng(3)
    clicks = rng.poisson(6.0, (400, 3)) + 1
    changed = clicks.copy()
    changed[200:] = rng.poisson(900.0, (200, 3)) + 1
    one, other = (features_of(history_of(c, bucket_seconds)) for c in (clicks, changed))
    np.testing.assert_array_equal(one[:200], other[:200])
    assert not np.array_equal(one[200:], other[200:])


def test_features_have_their_names() -> None:
    features = features_of(history_of(np.ones((30, 2), np.int64)))
    assert features.shape == (30, 2, len(feature_names(HORIZON)))
    assert len(set(feature_names(HORIZON))) == features.shape[2]


def test_features_stay_small_whatever_the_counts() -> None:
    clicks = np.full((60, 2), 2**60)
    clicks[::7] = 0
    features = features_of(history_of(clicks))
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= 8.0


def test_features_hardly_depend_on_the_level() -> None:
    rhythm = 1000 + 500 * np.sin(np.arange(24 * 10) * 2 * np.pi / 24)
    small, large = (
        features_of(history_of((rhythm * factor).astype(np.int64)[:, None])) for factor in (1, 3)
    )
    names = feature_names(HORIZON)
    reference = [i for i, name in enumerate(names) if name.startswith("reference")]
    np.testing.assert_allclose(small[-1, 0, reference], large[-1, 0, reference], atol=0.01)


def test_midnight_on_monday_begins_day_and_week() -> None:
    names = feature_names(HORIZON)
    # The origin is Sunday 23:00, so the next bucket is Monday 00:00: sine 0, cosine 1.
    features = features_of(history_of(np.ones((24 * 7, 1), np.int64)))[-1, 0]
    for cycle in ("day", "week"):
        assert features[names.index(f"next_{cycle}_sin1")] == pytest.approx(0.0, abs=1e-6)
        assert features[names.index(f"next_{cycle}_cos1")] == pytest.approx(1.0)
