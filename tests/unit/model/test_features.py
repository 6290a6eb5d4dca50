import numpy as np
import pytest

from model.calendar import CALENDAR
from model.features import FEATURES, STEP_FEATURES, build_features, build_step_features
from model.history import History
from model.scales import initial_scales, observe
from model.window import past_of

from .making import HORIZON, history_of


def features_of(history: History, reach: int = 2016) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of every origin and of their steps."""
    past = past_of(
        history.cells,
        history.first_row,
        starts_ms=history.starts_ms,
        bucket_ms=history.bucket_ms,
        reach=reach,
    )
    scales = initial_scales(len(history.names))
    rows = len(history.starts_ms)
    observed = observe(past, 0, rows, scales=scales, horizon=HORIZON)
    return (
        build_features(past, 0, rows, observed),
        build_step_features(past, 0, rows, observed),
    )


@pytest.mark.parametrize("bucket_seconds", [300, 3600, 28_800, 86_400])
def test_changing_the_future_changes_no_feature(bucket_seconds: int) -> None:
    rng = np.random.default_rng(3)
    clicks = rng.poisson(6.0, (400, 3)) + 1
    changed = clicks.copy()
    changed[200:] = rng.poisson(900.0, (200, 3)) + 1
    ones, others = (features_of(history_of(c, bucket_seconds)) for c in (clicks, changed))
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one[:200], other[:200])
        assert not np.array_equal(one[200:], other[200:])


def test_features_have_their_names() -> None:
    features, steps = features_of(history_of(np.ones((30, 2), np.int64)))
    assert features.shape == (30, 2, len(FEATURES))
    assert steps.shape == (30, 2, HORIZON, len(STEP_FEATURES))
    assert len(set(FEATURES)) == len(FEATURES)
    assert len(set(STEP_FEATURES)) == len(STEP_FEATURES)


def test_features_stay_small_whatever_the_counts() -> None:
    clicks = np.full((60, 2), 2**60)
    clicks[::7] = 0
    for features in features_of(history_of(clicks)):
        assert np.isfinite(features).all()
        assert np.abs(features).max() <= 8.0


def test_features_hardly_depend_on_the_level() -> None:
    rhythm = 1000 + 500 * np.sin(np.arange(24 * 15) * 2 * np.pi / 24)
    (small, small_steps), (large, large_steps) = (
        features_of(history_of((rhythm * factor).astype(np.int64)[:, None])) for factor in (1, 3)
    )
    absolute = {"day_level", "spread", "surprise", "support"}
    relative = [i for i, name in enumerate(FEATURES) if name not in absolute]
    np.testing.assert_allclose(small[-1, 0, relative], large[-1, 0, relative], atol=0.01)
    relative = [i for i, name in enumerate(STEP_FEATURES) if name not in absolute]
    np.testing.assert_allclose(
        small_steps[-1, 0, :, relative], large_steps[-1, 0, :, relative], atol=0.01
    )


def test_midnight_on_monday_begins_day_and_week() -> None:
    # The origin is Sunday 23:00, so the next bucket is Monday 00:00: sine 0, cosine 1.
    features, steps = features_of(history_of(np.ones((24 * 7, 1), np.int64)))
    for names, read in ((FEATURES, features[-1, 0]), (STEP_FEATURES, steps[-1, 0, 0])):
        for cycle in ("day", "week"):
            assert read[names.index(f"{cycle}_sin1")] == pytest.approx(0.0, abs=1e-6)
            assert read[names.index(f"{cycle}_cos1")] == pytest.approx(1.0)


def test_a_step_sees_the_same_time_on_each_day_before() -> None:
    days = np.repeat([10, 20, 30, 40, 50, 60, 70, 80], 24)
    _, steps = features_of(history_of(days[:, None]))
    ratios = [steps[-1, 0, 0, STEP_FEATURES.index(f"{ago}_days_ago")] for ago in range(1, 8)]
    clicks = np.array([80, 70, 60, 50, 40, 30, 20]) + 0.5
    np.testing.assert_allclose(np.diff(ratios), np.diff(np.log(clicks)), rtol=1e-4)
    assert steps[-1, 0, 0, STEP_FEATURES.index("14_days_ago")] == 0.0
    assert steps[-1, 0, 0, STEP_FEATURES.index("days_known")] == 1.0


def test_the_calendar_is_the_same_whatever_the_year() -> None:
    assert len(CALENDAR) == 12
    years = 52 * 7 * 24
    features, _ = features_of(history_of(np.ones((years + 1, 1), np.int64)))
    first = FEATURES.index(CALENDAR[0])
    np.testing.assert_allclose(features[0, 0, first:], features[years, 0, first:], atol=1e-5)
