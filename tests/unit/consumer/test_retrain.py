"""Retraining: on time, when drift asks, from the champion's weights; stopped cleanly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumer.models import add_model, promote, read_model, write_model
from consumer.retrain import RETRY_SECONDS, Retrainer, StoppedError, TrainingFailedError
from contracts.settings import Settings
from model.history import History
from state.model_store import MemoryModels, ModelBytes, RetrainRequest
from state.store import StoreUnavailableError
from tests.unit.model.making import history_of, write_artifact

HISTORY = history_of(np.ones((30, 2), np.int64))


class Clock:
    """A `stop` whose waiting moves the clock by hand, until an end."""

    def __init__(self, until: float) -> None:
        self.now = 0.0
        self.until = until

    def is_set(self) -> bool:
        return self.now >= self.until

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ModelBytes:
    directory = Path(tmp_path_factory.mktemp("trained"))
    write_artifact(directory)
    return read_model(directory)


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"horizon": 6, **changes})


def retrainer(
    models: MemoryModels,
    fit: Callable[[History, Path, Path], None],
    *,
    until: float = 1.0,
    every: float = 1000.0,
    load: Callable[[Settings], History] = lambda settings: HISTORY,
) -> Retrainer:
    clock = Clock(until)
    return Retrainer(
        settings(), models, load, fit, every,
        stop=clock, monotonic=lambda: clock.now, wall_ms=lambda: 7,  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_comes_of_a_training_is_the_candidate(trained: ModelBytes) -> None:
    models = MemoryModels()
    models.ask_retrain(RetrainRequest(asked_at=0, reason="drift"))
    added = retrainer(models, lambda h, start, out: write_model(trained, out)).train_once()
    assert added is not None
    assert (added.version, added.registered_at) == ("lstm-test", 7)
    assert models.read().candidate == "lstm-test"
    assert models.read_notes().retrain is None, "what was asked for is done"


def test_it_goes_on_from_the_champion_and_the_shipped_model_at_first(
    trained: ModelBytes, tmp_path: Path
) -> None:
    models, starts = MemoryModels(), list[str]()

    def fit(history: History, start: Path, out: Path) -> None:
        starts.append((start / "manifest.json").read_text())
        write_model(trained, out)

    retrainer(models, fit).train_once()
    promote(models, "lstm-test", 0)
    assert retrainer(models, fit).train_once() is None, "the same model again is nothing new"
    assert '"lstm-test"' not in starts[0]
    assert starts[1] == trained.manifest.decode()


def test_it_trains_at_once_then_every_so_often_and_when_asked(trained: ModelBytes) -> None:
    models, times = MemoryModels(), list[float]()

    def fit(history: History, start: Path, out: Path) -> None:
        times.append(made.monotonic())
        if len(times) == 2:
            asked.append(made.monotonic())
        write_model(trained, out)

    asked: list[float] = []
    made = retrainer(models, fit, until=2600.0)
    waited = made.stop.wait

    def wait(timeout: float | None = None) -> bool:
        if made.monotonic() == 1500.0:
            models.ask_retrain(RetrainRequest(asked_at=0, reason="drift"))
        return waited(timeout)

    made.stop.wait = wait  # type: ignore[method-assign]
    made.run()
    assert times == [0.0, 1000.0, 1505.0, 2505.0]


def test_a_training_that_fails_is_tried_again_later_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models, times = MemoryModels(), list[float]()
    models.ask_retrain(RetrainRequest(asked_at=0, reason="drift"))

    def fit(history: History, start: Path, out: Path) -> None:
        times.append(made.monotonic())
        raise ValueError("30 buckets are too few")

    made = retrainer(models, fit, until=1300.0, every=86_400.0)
    made.run()
    assert times == [0.0, RETRY_SECONDS, 2 * RETRY_SECONDS]
    assert "no candidate this time: 30 buckets are too few" in caplog.text
    assert models.read_notes().retrain is not None, "it is still asked for"


def test_services_that_are_away_and_empty_histories_are_failures() -> None:
    def away(settings: Settings) -> History:
        raise StoreUnavailableError("Redis: no")

    def nothing(settings: Settings) -> History:
        return replace(
            HISTORY, names=(), cells=HISTORY.cells[:, :0], first_row=np.zeros(0, np.int64)
        )

    for load, reason in ((away, "Redis: no"), (nothing, "no closed buckets to train on")):
        with pytest.raises(TrainingFailedError, match=reason):
            retrainer(MemoryModels(), lambda *a: None, load=load).train_once()


def test_a_broken_result_is_refused_and_named(trained: ModelBytes) -> None:
    models = MemoryModels()
    broken = replace(trained, weights=trained.weights[:-9])
    made = retrainer(models, lambda h, start, out: write_model(broken, out))
    with pytest.raises(TrainingFailedError, match="sha256 differs"):
        made.train_once()
    assert models.read().candidate is None


def test_stopped_in_the_middle_it_ends_without_a_candidate() -> None:
    def fit(history: History, start: Path, out: Path) -> None:
        raise StoppedError

    models = MemoryModels()
    made = retrainer(models, fit, until=1e9)
    made.run()
    assert made.monotonic() == 0.0
    assert models.read().candidate is None


def test_a_poisoned_champion_is_not_trained_from(trained: ModelBytes, tmp_path: Path) -> None:
    models = MemoryModels()
    write_model(trained, tmp_path)
    add_model(models, tmp_path, settings(), 0)
    promote(models, "lstm-test", 0)
    models.write(models.read(), {"lstm-test": replace(trained, weights=b"x")})
    with pytest.raises(TrainingFailedError, match=r"lstm-test/weights\.npz: sha256 differs"):
        retrainer(models, lambda *a: None).train_once()
