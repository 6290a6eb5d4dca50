"""Models beside the one that publishes: one bucket at a time, scored, and stopped when too slow."""

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from state.model_store import LiveFigures, ModelBytes
from state.store import MOST_STATE_BYTES, SavedState

if TYPE_CHECKING:
    from model.forecaster import Forecaster, Forecasts
    from model.window import Window
    from state.store import Sealed

log = logging.getLogger(__name__)

SHADOW_SHARE: Final = 0.25
"""Share of a bucket's length that a model in shadow may take for it."""

SLOW_BUCKETS: Final = 3
"""Buckets in a row that it may take longer: one may be the machine's fault."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Pending:
    origin_ms: int
    is_known: NDArray[np.bool_]
    quantiles: Float32


@dataclass(frozen=True, slots=True)
class Loss:
    """What forecasts of a bucket missed it by, summed over genres and steps.

    Attributes:
        pinball: Mean over the levels.
        clicks: What came, counted once per step: with `pinball`, WQL is 2 x pinball / clicks.
        terms: Forecasts compared.
    """

    pinball: float = 0.0
    clicks: float = 0.0
    terms: int = 0


class Scores:
    """A model's forecasts whose buckets have not closed yet, and what became of the others.

    Only forecasts made on live buckets are in it, so what a model was trained on is not.
    """

    def __init__(self, levels: tuple[float, ...], horizon: int, bucket_ms: int) -> None:
        self._levels = np.array(levels, np.float32)
        self._bucket_ms = bucket_ms
        self._pending: deque[_Pending] = deque(maxlen=horizon)

    @property
    def since_ms(self) -> int | None:
        """Origin of the oldest forecast that is held."""
        return self._pending[0].origin_ms if self._pending else None

    def score(self, bucket_ms: int, clicks: NDArray[np.int64], since_ms: int = 0) -> Loss:
        """Return the loss on a closed bucket, `clicks` `(G,)`, of forecasts from `since_ms` on."""
        pinball, came, terms = 0.0, 0.0, 0
        for held in self._pending:
            step = (bucket_ms - held.origin_ms) // self._bucket_ms
            if held.origin_ms < since_ms or not 1 <= step <= held.quantiles.shape[1]:
                continue
            actual = clicks[: len(held.is_known)][held.is_known].astype(np.float32)
            gaps = actual[:, None] - held.quantiles[held.is_known, step - 1]
            losses = np.maximum(self._levels * gaps, (self._levels - 1) * gaps)
            pinball += float(losses.sum(dtype=np.float64)) / len(self._levels)
            came += float(actual.sum(dtype=np.float64))
            terms += len(actual)
        return Loss(pinball, came, terms)

    def hold(self, sealed: "Sealed", forecasts: "Forecasts") -> None:
        """Keep the forecasts made from a bucket until theirs have closed."""
        self._pending.append(_Pending(sealed.bucket_ms, sealed.is_known, forecasts.quantiles))

    def clear(self) -> None:
        """Forget all: a gap came."""
        self._pending.clear()


@dataclass(slots=True)
class Running:
    """A model that runs: champion or in shadow.

    Attributes:
        name: Its version in the registry, or `BUILT_IN`.
        forecaster: The model.
        files: What it was made of; None for the built-in.
        state: `(G, state_width)` after `bucket_ms`.
        bucket_ms: The last bucket in its state; None before any.
        scores: Its forecasts on live buckets.
        figures: How it does.
    """

    name: str
    forecaster: "Forecaster"
    files: ModelBytes | None
    state: Float32
    bucket_ms: int | None
    scores: Scores
    figures: LiveFigures
    _slow: int = field(default=0)
    _is_told: bool = field(default=False)

    def advance(self, window: "Window") -> "Forecasts":
        """Take the window's last bucket."""
        from model.forecaster import grow_state

        grown = grow_state(self.forecaster, self.state, window.genre_count)
        self.state, forecasts = self.forecaster.advance(grown, window)
        self.bucket_ms = int(window.starts_ms[-1])
        return forecasts

    def begin_anew(self) -> None:
        """Forget everything, as after a gap longer than the window."""
        self.state, self.bucket_ms = self.forecaster.initial_state(0), None
        self.scores.clear()

    def saved(self) -> SavedState | None:
        """Return the state to save; None before any bucket, and where no store takes it."""
        if self.bucket_ms is None:
            return None
        if self.state.nbytes > MOST_STATE_BYTES:
            self._tell_too_large()
            return None
        version, blob = self.forecaster.version, self.state.tobytes()
        return SavedState(version, self.bucket_ms, len(self.state), blob)

    def _tell_too_large(self) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning(
                "the state of model %s is %.0f MB for %d genres, and Redis takes %.0f MB: it is "
                "not saved, and whoever takes over warms it anew from the window; share the genres "
                "out over several deployments (GENRECAST_GENRE_SHARE)",
                self.forecaster.version, self.state.nbytes / 1e6, len(self.state),
                MOST_STATE_BYTES / 1e6,
            )  # fmt: skip

    def is_too_slow(self, seconds: float, bucket_seconds: float) -> bool:
        """Note how long a bucket took in shadow; say whether that is too long, again and again."""
        self._slow = self._slow + 1 if seconds > SHADOW_SHARE * bucket_seconds else 0
        return self._slow >= SLOW_BUCKETS
