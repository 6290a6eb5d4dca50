"""A forecaster whose state chains every published count, so that a wrong step shows for ever."""

from typing import Final, Literal

import numpy as np

from model.forecaster import Float32, Forecasts
from model.window import Window

MODULUS: Final = 65_521
"""A prime below 2**16: chained numbers stay exact in float32."""


def link(before: int, clicks: int) -> int:
    """Return the state after a bucket with so many clicks."""
    return (before * 31 + clicks * 7 + 1) % MODULUS


class Chain:
    """`model.forecaster.Forecaster`; what it forecasts is its state."""

    version = "chain-1"
    kind: Literal["baseline"] = "baseline"
    state_width = 1
    horizon = 1
    quantiles = (0.5,)

    def initial_state(self, genre_count: int) -> Float32:
        return np.zeros((genre_count, 1), np.float32)

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        after = state.copy()
        is_known = window.first_bucket_ms <= int(window.starts_ms[-1])
        for g, clicks in enumerate(window.lag(0)[0].tolist()):
            if is_known[g]:
                after[g, 0] = link(int(state[g, 0]), clicks)
        return after, Forecasts(after, after[:, :, None])

    def warm(self, window: Window) -> Float32:
        again = Window(window.capacity, window.bucket_ms)
        state = self.initial_state(window.genre_count)
        past = window.past()
        for row, start in enumerate(window.starts_ms.tolist()):
            cells = np.zeros((window.genre_count, 8), np.int64)
            cells[:, 0] = past.clicks(row, row + 1)[0]
            again.append(start, cells, window.first_bucket_ms)
            state, _ = self.advance(state, again)
        return state
