import json

import numpy as np
import pytest

from consumer.messages import forecast_messages
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
