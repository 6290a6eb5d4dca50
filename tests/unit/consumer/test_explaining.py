"""A published forecast is made again from the store, then explained; or it is said why not."""

import io
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import orjson
import pytest
from pydantic import SecretStr

from consumer.explain_requests import answer_requests, read_settings
from consumer.explaining import Explainer, ExplainError
from contracts.explain_requests import ExplainReply, ExplainRequest, settings_line
from contracts.forecasts import GenreForecast, HorizonStep
from contracts.measures import MEASURE_COUNT
from contracts.settings import Settings
from model.artifact import pack_weights
from model.live import LiveForecaster
from model.registry import live, open_artifact
from model.shape import Architecture
from model.window import Window
from state.model_store import MemoryModels, ModelBytes, ModelEntry, Registry
from state.store import SavedState, StoreUnavailableError, WindowRows
from tests.unit.model.making import CORES, HORIZON, HOUR_MS, LEVELS, MONDAY_MS, make_artifact

GENRES = ("crime", "noir")
BUCKETS = 30
"""Too few for the baseline to stand in for a model that knows nothing."""
SETTINGS = Settings(bucket_seconds=3600, horizon=3, quantiles=(0.5,))
"""Another horizon than the forecast's: it tells its own."""


@dataclass
class Rows:
    """What a store holds, as far as explaining reads it."""

    window: WindowRows
    states: dict[str, SavedState] = field(default_factory=dict)

    def read_window(self) -> WindowRows:
        return self.window

    def read_states(self) -> dict[str, SavedState]:
        return self.states


@dataclass
class Streamed:
    """A deployment of two genres that has streamed for some buckets."""

    forecaster: LiveForecaster
    explainer: Explainer
    rows: Rows
    published: list[GenreForecast]
    states: list[SavedState]


@cache
def stream(architecture: Architecture) -> Streamed:
    artifact = make_artifact(architecture=architecture)
    deployed = SETTINGS.model_copy(update={"horizon": HORIZON, "quantiles": LEVELS})
    forecaster = live(open_artifact(artifact, deployed))
    window = Window(deployed.window_buckets, HOUR_MS)
    cells = np.zeros((BUCKETS, 2, MEASURE_COUNT), np.int64)
    cells[:, :, 0] = np.random.default_rng(2).poisson([40, 7], (BUCKETS, 2))
    first = np.full(2, MONDAY_MS)
    state = forecaster.initial_state(2)
    published, states = [], []
    for row in range(BUCKETS):
        start = MONDAY_MS + row * HOUR_MS
        window.append(start, cells[row], first)
        state, forecasts = forecaster.advance(state, window)
        published.append(
            GenreForecast(
                genre="noir",
                bucket_start=start,
                bucket_seconds=3600,
                observed_clicks=int(cells[row, 1, 0]),
                model_version=forecaster.version,
                kind=forecasts.kind_of(1, forecaster.kind),
                horizon=[
                    HorizonStep(
                        step=step + 1,
                        start=start + (step + 1) * HOUR_MS,
                        mean=round(float(forecasts.mean[1, step]), 4),
                        quantiles={
                            f"{level:g}": float(value)
                            for level, value in zip(
                                LEVELS, forecasts.quantiles[1, step], strict=True
                            )
                        },
                    )
                    for step in range(HORIZON)
                ],
                emitted_at=start,
            )
        )
        states.append(SavedState(forecaster.version, start, 2, state.tobytes()))
    starts = MONDAY_MS + np.arange(BUCKETS, dtype=np.int64) * HOUR_MS
    rows = Rows(WindowRows(GENRES, first, starts, cells))
    models, version = MemoryModels(), artifact.manifest.model_version
    manifest = artifact.manifest.model_dump_json().encode()
    files = {version: ModelBytes(manifest, pack_weights(artifact.weights))}
    entries = {version: ModelEntry(version=version, registered_at=0)}
    models.write(Registry(champion=version, entries=entries), files)
    explainer = Explainer(SETTINGS, rows, models)  # type: ignore[arg-type]
    return Streamed(forecaster, explainer, rows, published, states)


@pytest.fixture(scope="module")
def deployed() -> Streamed:
    return stream("lstm")


@pytest.mark.parametrize("behind", [0, 3], ids=["saved last", "saved three buckets ago"])
@pytest.mark.parametrize("architecture", CORES)
def test_the_published_forecast_is_made_again_from_the_saved_state(
    architecture: Architecture, behind: int
) -> None:
    deployed = stream(architecture)
    saved = deployed.states[-1 - behind]
    deployed.rows.states = {saved.model_version: saved}
    published = deployed.published[-1]
    found = deployed.explainer.explain(published)
    mean = np.mean([step.mean for step in published.horizon])
    assert found.forecast == pytest.approx(mean, abs=2e-3)
    assert found.reproduction.is_exact
    moved = sum(cause.clicks for cause in found.causes)
    assert moved == pytest.approx(found.change, abs=0.01 * abs(found.change) + 1e-3)
    assert (found.first_step, found.last_step) == (1, HORIZON)
    assert [bucket.start for bucket in found.buckets] == deployed.rows.window.starts_ms.tolist()


def test_one_step_can_be_asked_for(deployed: Streamed) -> None:
    deployed.rows.states = {deployed.forecaster.version: deployed.states[-1]}
    published = deployed.published[-1]
    found = deployed.explainer.explain(published, 2)
    assert found.forecast == pytest.approx(published.horizon[1].mean, abs=2e-3)
    with pytest.raises(ExplainError, match="step 7 is not among the steps 1 to 6"):
        deployed.explainer.explain(published, 7)


def test_without_its_state_the_rest_is_told_as_remembered(deployed: Streamed) -> None:
    deployed.rows.states = {}
    published = deployed.published[-5]
    raised = published.model_copy(
        update={"horizon": [s.model_copy(update={"mean": s.mean + 5.0}) for s in published.horizon]}
    )
    found = deployed.explainer.explain(raised)
    assert not found.reproduction.is_exact
    assert "no longer kept" in found.reproduction.note
    (earlier,) = [cause for cause in found.causes if cause.name == "earlier"]
    assert earlier.clicks == pytest.approx(5.0, abs=0.1)
    assert sum(cause.clicks for cause in found.causes) == pytest.approx(found.change, rel=0.02)


def test_a_forecast_that_does_not_come_out_again_is_not_explained(deployed: Streamed) -> None:
    deployed.rows.states = {deployed.forecaster.version: deployed.states[-1]}
    published = deployed.published[-1]
    raised = published.model_copy(
        update={"horizon": [s.model_copy(update={"mean": s.mean + 5.0}) for s in published.horizon]}
    )
    with pytest.raises(ExplainError, match=r"can't be made again.*window_buckets"):
        deployed.explainer.explain(raised)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"genre": "western"}, "genre 'western' is not known"),
        ({"bucket_start": MONDAY_MS - HOUR_MS}, "is not in the window: Redis keeps 2024-12-30"),
        ({"model_version": "lstm-gone+live-2"}, "made by lstm-gone.*can't be made again"),
        ({"bucket_seconds": 60}, "of buckets of 60 s, not 3600 s"),
        ({"horizon": []}, "has no steps"),
    ],
)
def test_what_can_not_be_explained_is_said(
    deployed: Streamed, change: dict[str, object], told: str
) -> None:
    with pytest.raises(ExplainError, match=told):
        deployed.explainer.explain(deployed.published[-1].model_copy(update=change))


def test_a_genre_that_has_just_come_is_said(deployed: Streamed) -> None:
    with pytest.raises(ExplainError, match="genre 'noir': it has been there for 3 buckets"):
        deployed.explainer.explain(deployed.published[2])


def test_requests_are_answered_in_turn_whatever_is_in_them(deployed: Streamed) -> None:
    deployed.rows.states = {deployed.forecaster.version: deployed.states[-1]}
    good = ExplainRequest(forecast=deployed.published[-1]).model_dump_json().encode()
    young = ExplainRequest(forecast=deployed.published[2]).model_dump_json().encode()
    out = io.BytesIO()
    answer_requests([b"{]\n", young + b"\n", good + b"\n"], out, deployed.explainer.explain)
    replies = [ExplainReply.model_validate_json(line) for line in out.getvalue().splitlines()]
    assert [reply.status for reply in replies] == ["refused", "refused", "done"]
    assert replies[2].explanation is not None


def test_a_redis_that_is_away_is_no_fault_of_the_forecast(deployed: Streamed) -> None:
    def away(forecast: GenreForecast, step: int | None) -> None:
        raise StoreUnavailableError("Redis does not answer")

    out = io.BytesIO()
    line = ExplainRequest(forecast=deployed.published[-1]).model_dump_json().encode()
    answer_requests([line], out, away)  # type: ignore[arg-type]
    assert ExplainReply.model_validate_json(out.getvalue()).status == "failed"


def test_settings_arrive_as_they_were_with_their_secrets() -> None:
    given = Settings(
        app="tv", bucket_seconds=900, window_buckets=77, holidays="2026-12-25",
        redis_url=SecretStr("redis://:secret@localhost:6379/3"),
    )  # fmt: skip
    line = settings_line(given)
    assert line.count(b"\n") == 1
    assert orjson.loads(line)["redis_url"] == "redis://:secret@localhost:6379/3"
    arrived = read_settings(line)
    for name in ("app", "bucket_seconds", "window_buckets", "holidays_ms", "redis_url"):
        assert getattr(arrived, name) == getattr(given, name)
