import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.settings import Settings
from model.artifact import WEIGHTS_NAME, ModelRefusedError
from model.live import LIVE_VERSION, LiveForecaster
from model.registry import check_chosen_model, load_forecaster, load_live_forecaster

from .making import LEVELS, write_artifact


def settings(**changes: object) -> Settings:
    return Settings(_env_file=None, **({"horizon": 6} | changes))  # type: ignore[arg-type]


def test_model_that_fits_serves(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    forecaster, reason = load_forecaster(settings(model_dir=tmp_path, horizon=4))
    assert (forecaster.kind, forecaster.version, reason) == ("lstm", "lstm-test", None)
    assert (forecaster.horizon, forecaster.quantiles) == (4, LEVELS)


def test_what_serves_live_keeps_its_own_record(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    forecaster, reason = load_live_forecaster(settings(model_dir=tmp_path))
    assert isinstance(forecaster, LiveForecaster)
    assert (forecaster.version, reason) == (f"lstm-test+{LIVE_VERSION}", None)


def test_levels_between_those_trained_are_interpolated(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    forecaster, reason = load_forecaster(
        settings(model_dir=tmp_path, quantiles=(0.1, 0.3, 0.5, 0.9))
    )
    assert (forecaster.kind, reason) == ("lstm", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bucket_seconds": 30}, "lstm-test was trained for buckets of 60 to 3600 s, not 30 s"),
        ({"bucket_seconds": 7200}, "lstm-test was trained for buckets of 60 to 3600 s, not 7200 s"),
        ({"horizon": 7}, "lstm-test forecasts 6 steps, not 7"),
        ({"quantiles": (0.05, 0.5)}, "lstm-test knows quantiles from 0.1 to 0.9 only"),
    ],
)
def test_shipped_model_that_does_not_fit_gives_way_to_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], reason: str
) -> None:
    write_artifact(tmp_path)
    monkeypatch.setattr("model.registry.SHIPPED_DIRECTORY", tmp_path)
    forecaster, why = load_forecaster(settings(**changes))
    assert (forecaster.kind, why) == ("baseline", reason)


def test_a_bucket_length_between_those_trained_is_served(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    assert load_forecaster(settings(model_dir=tmp_path, bucket_seconds=900))[1] is None


@pytest.mark.parametrize("load", [load_forecaster, check_chosen_model])
def test_chosen_model_that_does_not_fit_is_an_error(
    tmp_path: Path, load: Callable[[Settings], object]
) -> None:
    write_artifact(tmp_path)
    with pytest.raises(ModelRefusedError, match="forecasts 6 steps, not 7"):
        load(settings(model_dir=tmp_path, horizon=7))


def test_broken_model_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    write_artifact(tmp_path)
    (tmp_path / WEIGHTS_NAME).write_bytes(b"x")
    with pytest.raises(ModelRefusedError, match="sha256 differs"):
        load_forecaster(settings(model_dir=tmp_path))


def test_model_dir_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="cannot be read"):
        load_forecaster(settings(model_dir=tmp_path / "nowhere"))


def test_missing_shipped_model_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.registry.SHIPPED_DIRECTORY", tmp_path)
    forecaster, reason = load_forecaster(settings())
    assert (forecaster.kind, reason) == ("baseline", "no trained model is installed")


def test_broken_shipped_model_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_artifact(tmp_path)
    (tmp_path / WEIGHTS_NAME).unlink()
    monkeypatch.setattr("model.registry.SHIPPED_DIRECTORY", tmp_path)
    forecaster, reason = load_forecaster(settings())
    assert forecaster.kind == "baseline"
    assert "cannot be read" in str(reason)


@pytest.mark.parametrize("bucket_seconds", [60, 300, 900, 3600])
def test_shipped_model_serves_the_usual_buckets(bucket_seconds: int) -> None:
    forecaster, reason = load_forecaster(settings(bucket_seconds=bucket_seconds, horizon=24))
    assert (forecaster.kind, reason) == ("lstm", None)


def test_only_a_model_that_fits_costs_tensorflow() -> None:
    program = (
        "import sys; from contracts.settings import Settings;"
        "import model.cli, model.registry, model.backtest, model.loading, model.batches;"
        "model.registry.load_forecaster(Settings(bucket_seconds=86400));"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
