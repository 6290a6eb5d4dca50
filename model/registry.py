"""Which forecaster serves: the trained model where it fits, else the baseline and why."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from contracts.settings import Settings
from model.artifact import MANIFEST_NAME, Manifest, ModelRefusedError, load_artifact
from model.baseline import Baseline
from model.forecaster import Forecaster

SHIPPED_DIRECTORY: Final = Path(str(files("model"))) / "pretrained"
"""The model that comes with the project."""


def load_forecaster(settings: Settings) -> tuple[Forecaster, str | None]:
    """Return the forecaster for `settings`, and why it is the baseline (None when it is not).

    Raises:
        ModelRefusedError: When `model_dir` is set and what is there is broken or does not fit. For
            the shipped model these are reasons for the baseline instead.
    """
    baseline = Baseline(settings.horizon, settings.quantiles)
    directory = settings.model_dir or SHIPPED_DIRECTORY
    if settings.model_dir is None and not (directory / MANIFEST_NAME).exists():
        return baseline, "no trained model is installed"
    try:
        artifact = load_artifact(directory)
        reason = misfit(artifact.manifest, settings)
        if reason is not None:
            raise ModelRefusedError(reason)
        # Only now TensorFlow: a model that does not fit costs nothing.
        from model.lstm import LstmForecaster

        return LstmForecaster(artifact, settings.horizon, settings.quantiles), None
    except ModelRefusedError as error:
        if settings.model_dir is not None:
            raise
        return baseline, str(error)


def check_chosen_model(settings: Settings) -> None:
    """Check the model that `model_dir` names, without TensorFlow; nothing when it is unset.

    Raises:
        ModelRefusedError: It is broken, or does not fit the settings.
    """
    if settings.model_dir is None:
        return
    reason = misfit(load_artifact(settings.model_dir).manifest, settings)
    if reason is not None:
        raise ModelRefusedError(reason)


def misfit(manifest: Manifest, settings: Settings) -> str | None:
    """Return in one line why a model does not fit the settings, None when it does."""
    name = manifest.model_version
    if settings.bucket_seconds not in manifest.bucket_seconds:
        known = ", ".join(str(seconds) for seconds in manifest.bucket_seconds)
        return f"{name} was trained for buckets of {known} s, not {settings.bucket_seconds} s"
    if settings.horizon > manifest.horizon:
        return f"{name} forecasts {manifest.horizon} steps, not {settings.horizon}"
    low, high = manifest.quantiles[0], manifest.quantiles[-1]
    if settings.quantiles[0] < low or settings.quantiles[-1] > high:
        return f"{name} knows quantiles from {low:g} to {high:g} only"
    return None
