"""The port between the consumer and a model: one step per closed bucket, state in, state out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.forecasts import Kind
from model.window import Window

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What is expected of every genre over the horizon, from one origin.

    Attributes:
        mean: `(G, H)` float32, clicks per bucket; step 1 first.
        quantiles: `(G, H, Q)` float32, clicks per bucket, non-decreasing along Q.
        reset_genres: Genres whose stored state was unusable and began anew.
        is_baseline: `(G,)` bool, where the baseline stands in for the model; None when all are
            of the forecaster's own kind.
    """

    mean: Float32
    quantiles: Float32
    reset_genres: tuple[int, ...] = ()
    is_baseline: NDArray[np.bool_] | None = None

    def kind_of(self, genre: int, kind: Kind) -> Kind:
        """Return what a genre's forecast is, from a forecaster of `kind`."""
        return "baseline" if self.is_baseline is not None and self.is_baseline[genre] else kind


class Forecaster(Protocol):
    """A model that runs incrementally. State is one float32 row per genre.

    `advance` is a pure function of (state, window): the same arguments give the same forecast,
    so a bucket published again after a crash differs in nothing but the time of emission.
    """

    @property
    def version(self) -> str:
        """Name of the model, changed whenever its forecasts would change."""

    @property
    def kind(self) -> Kind:
        """What the published messages call it."""

    @property
    def state_width(self) -> int:
        """Float32 numbers of state per genre."""

    @property
    def horizon(self) -> int:
        """Steps ahead, H."""

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Quantile levels, ascending, Q of them."""

    def initial_state(self, genre_count: int) -> Float32:
        """Return the state before any bucket, `(G, state_width)`."""

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        """Take the window's last bucket into the state and forecast from it.

        Args:
            state: `(G, state_width)` as of the bucket before; rows that are not finite begin anew.
            window: Closed buckets; the last one is the origin.

        Returns:
            The new state and the forecasts of all G genres. A genre that is not there yet keeps
            the initial state.

        Raises:
            ValueError: When the window is empty or the state has another shape.
        """

    def warm(self, window: Window) -> Float32:
        """Return the state after the whole window, in one call.

        Equal, within 1e-5, to `advance` bucket by bucket from the initial state.
        """


def grow_state(forecaster: Forecaster, state: Float32, genre_count: int) -> Float32:
    """Return `state` with initial rows added for the genres that are new since it was made.

    Raises:
        ValueError: When there are fewer genres than rows.
    """
    if genre_count < len(state):
        raise ValueError(f"{genre_count} genres for a state of {len(state)}")
    if genre_count == len(state):
        return state
    return np.concatenate([state, forecaster.initial_state(genre_count - len(state))])


def settle(
    mean: Float32,
    quantiles: Float32,
    reset_genres: tuple[int, ...],
    is_baseline: NDArray[np.bool_] | None = None,
) -> Forecasts:
    """Return forecasts that keep the promises of `Forecasts`, whatever rounding did.

    Raises:
        FloatingPointError: When a forecast is not finite: a broken invariant, never published.
    """
    if not (np.isfinite(mean).all() and np.isfinite(quantiles).all()):
        raise FloatingPointError("a forecast is not finite")
    ordered = np.maximum(quantiles, 0.0).astype(np.float32)
    # Level by level: `maximum.accumulate` takes ten times as long over so few.
    for level in range(1, ordered.shape[-1]):
        np.maximum(ordered[..., level], ordered[..., level - 1], out=ordered[..., level])
    return Forecasts(
        mean=np.maximum(mean, 0.0).astype(np.float32),
        quantiles=ordered,
        reset_genres=reset_genres,
        is_baseline=is_baseline,
    )


def mend_state(
    forecaster: Forecaster, state: Float32, window: Window, largest: float
) -> tuple[Float32, tuple[int, ...]]:
    """Return `state` with unusable rows (not finite, or beyond `largest`) begun anew, and which.

    Raises:
        ValueError: When the window is empty or `state` is not one of `forecaster` and the window.
    """
    if not len(window):
        raise ValueError("the window is empty: there is no bucket to advance by")
    expected = (window.genre_count, forecaster.state_width)
    if state.shape != expected:
        raise ValueError(f"state has shape {state.shape}, expected {expected}")
    # Two passes without a copy tell for nearly every bucket; NaN fails both.
    if not state.size or (state.min() >= -largest and state.max() <= largest):
        return state, ()
    with np.errstate(invalid="ignore"):
        usable: NDArray[np.bool_] = np.all(np.abs(state) <= largest, axis=1)
    initial = forecaster.initial_state(window.genre_count)
    mended = np.where(usable.reshape(-1, 1), state, initial)
    return mended, tuple(int(row) for row in np.flatnonzero(~usable))
