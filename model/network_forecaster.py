"""NetworkForecaster: a network served one bucket at a time. Imports TensorFlow."""

from typing import Final

import numpy as np

from contracts.forecasts import Kind
from model.artifact import (
    GOLDEN_TOLERANCE,
    Artifact,
    Golden,
    ModelRefusedError,
    golden_inputs,
)
from model.features import (
    FEATURES,
    STEP_FEATURES,
    build_features,
    build_step_features,
    noise_unit,
)
from model.forecaster import Float32, Forecasts, mend_state, settle
from model.network import Network
from model.scales import LARGEST_SCALE, SCALE_COUNT, initial_scales, observe
from model.shape import NetworkShape
from model.window import Window

_WARM_FLOATS: Final = 6_000_000
"""Most numbers computed at once while warming, float32: bounds memory to some 100 MB."""


class NetworkForecaster:
    """A trained network over the seasonal reference; state is scales, then the core's memory."""

    def __init__(self, artifact: Artifact, horizon: int, quantiles: tuple[float, ...]) -> None:
        manifest = artifact.manifest
        self.kind: Kind = manifest.architecture
        self.horizon = horizon
        self.quantiles = quantiles
        self.version = manifest.model_version
        self.network = network_of(artifact)
        self.state_width = SCALE_COUNT + self.network.shape.memory_width
        self._levels = level_weights(manifest.quantiles, quantiles)
        self._has_levels = manifest.quantiles == quantiles
        check_golden(self.network, artifact)
        # Traced and run once here, so that the first bucket is not the slow one.
        self.network.warm(
            np.zeros((1, 1, len(manifest.features)), np.float32),
            np.ones((1, 1), bool),
            np.zeros((1, self.network.shape.memory_width), np.float32),
        )

    def initial_state(self, genre_count: int) -> Float32:
        """Return the state before any bucket, `(G, state_width)`."""
        state = np.zeros((genre_count, self.state_width), np.float32)
        state[:, :SCALE_COUNT] = initial_scales(genre_count)
        return state

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        """See `Forecaster.advance`."""
        usable, reset_genres = mend_state(self, state, window, LARGEST_SCALE)
        past, row = window.past(), len(window) - 1
        scales, memory = usable[:, :SCALE_COUNT], usable[:, SCALE_COUNT:]
        observed = observe(past, row, row + 1, scales=scales, horizon=self.horizon)
        after, mean, quantiles = self.network.step(
            build_features(past, row, row + 1, observed)[0],
            memory,
            build_step_features(past, row, row + 1, observed)[0],
            observed.reference[0],
            noise_unit(observed)[0],
        )
        stepped = np.concatenate([observed.last, after], axis=1)
        is_absent = ~observed.present[0]
        if is_absent.any():
            stepped[is_absent] = self.initial_state(int(is_absent.sum()))
        return stepped, settle(mean, self._at_levels(quantiles), reset_genres)

    def _at_levels(self, quantiles: Float32) -> Float32:
        """Return the network's quantiles `(G, H, Q)` at the levels that are wanted."""
        return quantiles if self._has_levels else quantiles @ self._levels

    def warm(self, window: Window) -> Float32:
        """See `Forecaster.warm`."""
        state = self.initial_state(window.genre_count)
        scales, memory = state[:, :SCALE_COUNT], state[:, SCALE_COUNT:]
        past = window.past()
        per_cell = len(FEATURES) + self.network.shape.core.work_width
        rows = max(1, _WARM_FLOATS // (per_cell * max(1, window.genre_count)))
        for first in range(0, len(window), rows):
            stop = min(first + rows, len(window))
            # One step ahead is all that the state needs.
            observed = observe(past, first, stop, scales=scales, horizon=1)
            features = build_features(past, first, stop, observed)
            scales = observed.last
            memory = self.network.warm(features.swapaxes(0, 1), observed.present.T, memory)
        return np.concatenate([scales, memory], axis=1)


def network_of(artifact: Artifact) -> Network:
    """Return the network that holds an artifact's weights.

    Raises:
        ModelRefusedError: When features or shapes are not those of this version of the code.
    """
    manifest = artifact.manifest
    if manifest.features != FEATURES or manifest.step_features != STEP_FEATURES:
        raise ModelRefusedError(f"{artifact.directory}: made for other features than these")
    shape = NetworkShape(
        feature_count=len(manifest.features),
        step_feature_count=len(manifest.step_features),
        quantile_count=len(manifest.quantiles),
        core=manifest.core,
        head=manifest.head,
    )
    if manifest.shapes != shape.weight_shapes():
        raise ModelRefusedError(f"{artifact.directory}: array shapes do not fit its layer sizes")
    network = Network(shape)
    network.assign(artifact.weights)
    return network


def golden_of(network: Network) -> Golden:
    """Return the outputs that a later load must reproduce."""
    shape = network.shape
    inputs = golden_inputs(shape.feature_count, shape.memory_width, shape.step_feature_count)
    _, mean, quantiles = network.step(*inputs)
    return Golden(mean=mean.ravel().tolist(), quantiles=quantiles.ravel().tolist())


def check_golden(network: Network, artifact: Artifact) -> None:
    """Refuse a model whose outputs are not those that it had when it was saved.

    Raises:
        ModelRefusedError: When they differ.
    """
    ours, theirs = golden_of(network), artifact.manifest.golden
    for name in ("mean", "quantiles"):
        have, want = np.array(getattr(ours, name)), np.array(getattr(theirs, name))
        if have.shape != want.shape or not np.allclose(
            have, want, rtol=GOLDEN_TOLERANCE, atol=GOLDEN_TOLERANCE
        ):
            raise ModelRefusedError(
                f"{artifact.directory}: self-check failed, {name} is not what the manifest says"
            )


def level_weights(have: tuple[float, ...], want: tuple[float, ...]) -> Float32:
    """Return `(len(have), len(want))` weights that take quantiles from one set to the other.

    Exact where the levels agree, linear between neighbours.

    Raises:
        ValueError: When a level lies outside those that are there.
    """
    if want[0] < have[0] or want[-1] > have[-1]:
        raise ValueError(f"levels {want} are not within {have}")
    unit = np.eye(len(have))
    return np.stack([np.interp(want, have, row) for row in unit]).astype(np.float32)
