import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from consumer.messages import forecast_messages
from contracts.forecasts import GenreForecast
from contracts.settings import Settings
from model.baseline import Baseline
from model.forecaster import Forecasts
from state.store import Sealed

HOUR_MS = 3_600_000


class Lstm(Baseline):
    kind = "lstm"  # type: ignore[assignment]


def sealed_of(*genres: str) -> Sealed:
    return Sealed(
        bucket_ms=HOUR_MS,
        genres=genres,
        first_bucket_ms=np.zeros(len(genres), np.int64),
        cells=np.zeros((len(genres), 8), np.int64),
        cut={0: 1},
        replay_from={},
        is_reset=False,
    )


@pytest.mark.parametrize(
    ("is_baseline", "kinds"),
    [(None, ["lstm", "lstm"]), (np.array([False, True]), ["lstm", "baseline"])],
)
def test_a_genre_says_which_kind_its_forecast_is(
    is_baseline: np.ndarray | None, kinds: list[str]
) -> None:
    settings = Settings(horizon=2, quantiles=(0.1, 0.5, 0.9), bucket_seconds=3600)
    forecasts = Forecasts(
        mean=np.ones((2, 2), np.float32),
        quantiles=np.ones((2, 2, 3), np.float32),
        is_baseline=is_baseline,
    )
    model = Lstm(2, settings.quantiles)
    messages = forecast_messages(sealed_of("crime", "war"), forecasts, settings, model, 0)
    assert [json.loads(value)["kind"] for _, value in messages] == kinds


@given(
    numbers=hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(0, 2.0**40, width=32)),
    genre=st.text(min_size=1, max_size=20),
)
def test_every_number_is_published_rounded_at_its_step(numbers: np.ndarray, genre: str) -> None:
    settings = Settings(horizon=3, quantiles=(0.1, 0.5, 0.9), bucket_seconds=3600)
    numbers[..., 1:].sort(axis=2)
    forecasts = Forecasts(mean=numbers[..., 0], quantiles=numbers[..., 1:])
    sealed = sealed_of("%s", genre)
    model = Lstm(3, settings.quantiles)
    for g, (name, value) in enumerate(forecast_messages(sealed, forecasts, settings, model, 7)):
        found = GenreForecast.model_validate_json(value)
        assert found.genre == name == ("%s", genre)[g]
        assert [step.start for step in found.horizon] == [(2 + k) * HOUR_MS for k in range(3)]
        told = [[step.mean, *step.quantiles.values()] for step in found.horizon]
        assert told == np.round(numbers[g].astype(np.float64), 4).tolist()
        assert list(found.horizon[0].quantiles) == ["0.1", "0.5", "0.9"]


def test_a_genre_that_is_not_known_yet_is_not_published() -> None:
    settings = Settings(horizon=1, quantiles=(0.5,), bucket_seconds=3600)
    ones = np.ones((2, 1, 1), np.float32)
    sealed = sealed_of("crime", "war")
    sealed.first_bucket_ms[0] = 2 * HOUR_MS
    forecasts = Forecasts(mean=ones[..., 0], quantiles=ones * np.array([[[1]], [[2]]], np.float32))
    (message,) = forecast_messages(sealed, forecasts, settings, Lstm(1, (0.5,)), 0)
    assert message[0] == "war"
    assert json.loads(message[1])["horizon"][0]["quantiles"] == {"0.5": 2.0}
