"""Which forecaster serves: the trained model where it fits, else the baseline and why."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from contracts.settings import Settings
from model.artifact import (
    MANIFEST_NAME,
    Artifact,
    Manifest,
    ModelRefusedError,
    load_artifact,
)
from model.baseline import Baseline
from model.forecaster import Forecaster
from model.live import LiveForecaster

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
        return open_artifact(load_artifact(directory), settings), None
    except ModelRefusedError as error:
        if settings.model_dir is not None:
            raise
        return baseline, str(error)


def load_live_forecaster(settings: Settings) -> tuple[Forecaster, str | None]:
    """Return what serves live: `load_forecaster`'s, calibrated and scored as buckets close.

    Raises:
        ModelRefusedError: As `load_forecaster`.
    """
    forecaster, reason = load_forecaster(settings)
    return live(forecaster), reason


def live(forecaster: Forecaster) -> LiveForecaster:
    """Return a forecaster calibrated and scored as buckets close, with the baseline at hand."""
    return LiveForecaster(forecaster, Baseline(forecaster.horizon, forecaster.quantiles))


def open_artifact(artifact: Artifact, settings: Settings) -> Forecaster:
    """Return the forecaster of a model's arrays; imports TensorFlow.

    Raises:
        ModelRefusedError: It does not fit the settings, or its outputs are not what they were.
    """
    reason = misfit(artifact.manifest, settings)
    if reason is not None:
        raise ModelRefusedError(reason)
    # Only now TensorFlow: a model that does not fit costs nothing.
    from model.network_forecaster import NetworkForecaster

    return NetworkForecaster(artifact, settings.horizon, settings.quantiles)


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
    # Between two lengths that it knows, a network does as well as at them.
    shortest, longest = min(manifest.bucket_seconds), max(manifest.bucket_seconds)
    if not shortest <= settings.bucket_seconds <= longest:
        known = f"{shortest} s" if shortest == longest else f"{shortest} to {longest} s"
        return f"{name} was trained for buckets of {known}, not {settings.bucket_seconds} s"
    if settings.horizon > manifest.horizon:
        return f"{name} forecasts {manifest.horizon} steps, not {settings.horizon}"
    low, high = manifest.quantiles[0], manifest.quantiles[-1]
    if settings.quantiles[0] < low or settings.quantiles[-1] > high:
        return f"{name} knows quantiles from {low:g} to {high:g} only"
    return None
