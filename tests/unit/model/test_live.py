"""The model here says what a test tells it to, so that every figure can be worked by hand."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from contracts.measures import MEASURE_COUNT
from model.baseline import Baseline
from model.book import BASELINE, MODEL, Book, BookLayout
from model.forecaster import Float32, Forecasts, grow_state
from model.live import WARM_BUCKETS, LiveForecaster, choose_source
from model.pending import pending_of
from model.record import ERROR, NAIVE_ERROR, WEIGHT, Record, sums_of
from model.window import Window

from .making import HOUR_MS

LEVELS = (0.1, 0.5, 0.9)
HORIZON = 3

Say = Callable[[int], float]


class Told:
    """Forecasts, of every step, the median that `say` gives for the bucket it is of."""

    kind: Literal["lstm"] = "lstm"
    version = "told"
    state_width = 2

    def __init__(self, say: Say, horizon: int = HORIZON, width: float = 0.5) -> None:
        self._say = say
        self._width = width
        self.horizon = horizon
        self.quantiles = LEVELS

    def initial_state(self, genre_count: int) -> Float32:
        return np.zeros((genre_count, 2), np.float32)

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        bucket = int(window.starts_ms[-1]) // HOUR_MS
        said = [max(0.0, self._say(bucket + step + 1)) for step in range(self.horizon)]
        median = np.tile(np.array(said, np.float32), (window.genre_count, 1))
        factors = np.array([1 - self._width, 1.0, 1 + self._width], np.float32)
        after = state.copy()
        after[:, 0] += 1.0
        return after, Forecasts(median, median[:, :, None] * factors)

    def warm(self, window: Window) -> Float32:
        state = self.initial_state(window.genre_count)
        state[:, 0] = len(window)
        return state


def clicks_at(bucket: int) -> int:
    """A day's rhythm that seasonal naive knows but for a drift: it misses by 24 x 0.5 = 12."""
    return 100 + 60 * (bucket % 24 >= 12) + bucket // 2


def live_of(say: Say, horizon: int = HORIZON, width: float = 0.5) -> LiveForecaster:
    return LiveForecaster(Told(say, horizon, width), Baseline(horizon, LEVELS))


def append(window: Window, bucket: int, clicks: int) -> None:
    cells = np.zeros((1, MEASURE_COUNT), np.int64)
    cells[0, 0] = clicks
    window.append(bucket * HOUR_MS, cells, np.zeros(1, np.int64))


def run(
    live: LiveForecaster, buckets: int, come: Callable[[int], int] = clicks_at
) -> tuple[Float32, Window, list[Forecasts]]:
    """Stream one genre; return state, window and every bucket's forecasts."""
    window, state = Window(500, HOUR_MS), live.initial_state(0)
    published = []
    for bucket in range(buckets):
        append(window, bucket, come(bucket))
        state, forecasts = live.advance(grow_state(live, state, 1), window)
        published.append(forecasts)
    return state, window, published


def stands_in(published: list[Forecasts]) -> list[bool]:
    return [
        bool(forecasts.is_baseline is not None and forecasts.is_baseline[0])
        for forecasts in published
    ]


def test_a_forecast_is_scored_once_its_bucket_has_closed() -> None:
    live = live_of(lambda bucket: 10.0 * bucket)
    state, _, _ = run(live, 3, come=lambda bucket: 10 * bucket + 4)
    record = live.record_of(state).model
    kept = 0.5 ** (1 / 100)
    # Step 1 was said of buckets 1 and 2, step 2 of bucket 2, step 3 of none yet.
    assert record.weight[0].tolist() == pytest.approx([1 + kept, 1.0, 0.0])
    assert record.error[0].tolist() == pytest.approx([4 + 4 * kept, 4.0, 0.0], rel=1e-5)
    assert record.actual[0].tolist() == pytest.approx([24 + 14 * kept, 24.0, 0.0], rel=1e-5)
    # The last value of the origin: 10 and 20 buckets of clicks behind.
    assert record.naive_error[0].tolist() == pytest.approx([10 + 10 * kept, 20.0, 0.0], rel=1e-5)


def test_steps_without_a_closed_bucket_have_no_figures() -> None:
    live = live_of(lambda bucket: 1.0)
    record = live.record_of(run(live, 2)[0])
    assert np.isnan(record.model.wql[0]).tolist() == [False, True, True]


def test_what_is_scored_is_what_was_published_with_its_calibration() -> None:
    live = live_of(lambda bucket: float(clicks_at(bucket)), width=0.01)
    _, _, published = run(live, 40, come=lambda bucket: clicks_at(bucket) + (bucket % 2) * 30)
    state, _, _ = run(live, 41, come=lambda bucket: clicks_at(bucket) + (bucket % 2) * 30)
    upper = [forecasts.quantiles[0, 0, -1] for forecasts in published]
    came = [clicks_at(bucket) + (bucket % 2) * 30 for bucket in range(1, 41)]
    kept = 0.5 ** (1 / 100)
    lower = [forecasts.quantiles[0, 0, 0] for forecasts in published]
    hits = sum(
        kept ** (39 - age) * (low <= clicks <= high)
        for age, (low, clicks, high) in enumerate(zip(lower, came, upper, strict=True))
    )
    assert live.record_of(state).published.hits[0, 0] == pytest.approx(hits, rel=1e-5)


def test_a_model_worse_than_seasonal_naive_gives_way_to_the_baseline() -> None:
    live = live_of(lambda bucket: 3.0 * clicks_at(bucket))
    state, _, published = run(live, 120)
    assert not stands_in(published)[30]
    assert stands_in(published)[-1]
    assert published[-1].quantiles[0, 0, 1] < 2 * clicks_at(120)
    record = live.record_of(state)
    assert record.is_baseline.tolist() == [True]
    assert record.model.overall().skill < 0 < record.baseline.overall().skill  # type: ignore[union-attr]


def test_a_good_model_is_published_throughout() -> None:
    live = live_of(lambda bucket: clicks_at(bucket) + 3.0)
    _, _, published = run(live, 150)
    assert not any(stands_in(published))
    np.testing.assert_array_equal(published[-1].mean[0], [clicks_at(150 + i) + 3 for i in range(3)])


def test_a_model_that_recovers_is_published_again_and_does_not_flap() -> None:
    live = live_of(lambda bucket: clicks_at(bucket) * (3.0 if bucket < 150 else 1.0))
    chosen = stands_in(run(live, 900)[2])
    assert chosen[149]
    assert not chosen[-1]
    assert int(np.abs(np.diff(np.array(chosen, int))).sum()) == 2


def test_the_record_says_what_was_published_and_what_the_model_would_have() -> None:
    live = live_of(lambda bucket: 3.0 * clicks_at(bucket))
    record: Record = live.record_of(run(live, 1000)[0])
    assert record.baseline is not None
    assert record.published.overall().mase == pytest.approx(record.baseline.overall().mase, 0.05)
    assert record.model.overall().mase > 5 * record.published.overall().mase


def test_a_bucket_is_scored_by_what_its_own_origin_published() -> None:
    live = live_of(lambda bucket: 3.0 * clicks_at(bucket))
    window, state = Window(500, HOUR_MS), live.initial_state(1)
    before = live.record_of(state)
    for bucket in range(200):
        append(window, bucket, clicks_at(bucket))
        state, forecasts = live.advance(state, window)
        record = live.record_of(state)
        if stands_in([forecasts])[0]:
            break
    # The first origin on the baseline: what has been scored by now was all the model's.
    np.testing.assert_array_equal(record.published.error, record.model.error)
    for later in range(bucket + 1, bucket + 3):
        before = record
        append(window, later, clicks_at(later))
        state, _ = live.advance(state, window)
        record = live.record_of(state)
    assert record.baseline is not None
    assert before.baseline is not None
    kept = 0.5 ** (1 / 100)

    def gained(now: np.ndarray, then: np.ndarray) -> np.ndarray:
        return np.asarray((now - kept * then)[0], np.float64)

    published = gained(record.published.error, before.published.error)
    baseline = gained(record.baseline.error, before.baseline.error)
    model = gained(record.model.error, before.model.error)
    np.testing.assert_allclose(published[:2], baseline[:2], atol=0.05)
    np.testing.assert_allclose(published[2], model[2], rtol=1e-3)


@pytest.mark.parametrize(
    ("naive", "model", "baseline", "before", "after"),
    [
        (100.0, 90.0, 50.0, 0.0, 0.0),  # skilful, though the baseline is better
        (100.0, 110.0, 90.0, 0.0, 1.0),
        (100.0, 110.0, 120.0, 0.0, 0.0),  # the baseline is worse still
        (100.0, 100.5, 90.0, 0.0, 0.0),  # worse by less than matters
        (100.0, 98.0, 90.0, 1.0, 1.0),  # not yet clearly better again
        (100.0, 96.0, 90.0, 1.0, 0.0),
        (100.0, 110.0, 112.0, 1.0, 1.0),
        (100.0, 110.0, 114.0, 1.0, 0.0),  # the baseline has become the worse
    ],
)
def test_the_source_follows_the_rolling_errors(
    naive: float, model: float, baseline: float, before: float, after: float
) -> None:
    book = book_of(weight=50.0, naive=naive, model=model, baseline=baseline, before=before)
    choose_source(book, fullest=100.0)
    assert book.on_baseline.tolist() == [after]


def test_a_young_record_does_not_speak_against_a_model() -> None:
    for weight, after in ((24.0, 0.0), (25.0, 1.0)):
        book = book_of(weight=weight, naive=100.0, model=200.0, baseline=50.0, before=0.0)
        choose_source(book, fullest=100.0)
        assert book.on_baseline.tolist() == [after]


def book_of(*, weight: float, naive: float, model: float, baseline: float, before: float) -> Book:
    layout = BookLayout(pending_of(1), source_count=2, first=0)
    book = layout.book(np.zeros((1, layout.width), np.float32))
    book.sums[:, WEIGHT] = weight
    book.sums[:, NAIVE_ERROR] = naive
    book.sums[:, sums_of(MODEL).start + ERROR] = model
    book.sums[:, sums_of(BASELINE).start + ERROR] = baseline
    book.on_baseline[:] = before
    return book


def test_a_silent_genre_stays_with_the_model() -> None:
    live = live_of(lambda bucket: 0.01)
    assert not any(stands_in(run(live, 200, come=lambda bucket: 0)[2]))


def test_the_baseline_alone_is_calibrated_and_scored_but_replaced_by_nothing() -> None:
    baseline = Baseline(HORIZON, LEVELS)
    live = LiveForecaster(baseline, baseline)
    state, _, published = run(live, 60)
    assert live.kind == "baseline"
    assert published[-1].is_baseline is None
    record = live.record_of(state)
    assert record.baseline is None
    assert record.published is record.model
    assert record.is_baseline.tolist() == [True]


def test_model_and_baseline_must_agree() -> None:
    with pytest.raises(ValueError, match="differ"):
        LiveForecaster(Told(float), Baseline(HORIZON + 1, LEVELS))


def test_the_version_names_the_model_and_what_is_done_to_it() -> None:
    assert live_of(float).version == "told+live-2"


def test_warming_takes_the_last_buckets_one_by_one() -> None:
    live = live_of(lambda bucket: clicks_at(bucket) + 3.0)
    state, window, _ = run(live, WARM_BUCKETS + 50)
    warmed = live.warm(window)
    np.testing.assert_array_equal(warmed[:, 0], state[:, 0])
    record = live.record_of(warmed).model
    kept = 0.5 ** (1 / 100)
    buckets = WARM_BUCKETS - 1  # the first of them has no forecast before it
    assert record.weight[0, 0] == pytest.approx((1 - kept**buckets) / (1 - kept), rel=1e-4)
    assert record.overall().mase == pytest.approx(live.record_of(state).model.overall().mase, 0.1)


def test_many_genres_are_warmed_over_fewer_buckets_but_the_horizon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model.live.WARM_ROWS", 1)
    live = live_of(lambda bucket: 10.0)
    _, window, _ = run(live, 40)
    record = live.record_of(live.warm(window)).model
    # The horizon's three buckets: the first of them has no forecast before it.
    assert record.weight[0].tolist() == pytest.approx([1.993, 1.0, 0.0], abs=1e-3)


def test_a_far_horizon_is_calibrated_at_the_steps_between_too() -> None:
    noise = np.random.default_rng(1).integers(-40, 41, 200)
    live = live_of(lambda bucket: float(clicks_at(bucket)), horizon=60, width=0.05)
    _, _, published = run(live, 200, come=lambda bucket: clicks_at(bucket) + int(noise[bucket]))
    assert not stands_in(published)[-1]
    last = published[-1].quantiles[0]
    # Five per cent, as the model says, is far too little of noise like this.
    assert (last[:, -1] / last[:, 1] > 1.07).all()
