"""A model on its way into shadow: opened, warmed in the background, caught up between buckets."""

import copy
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from consumer.shadow import Float32, Running
from state.model_store import ModelBytes
from state.store import SavedState, Sealed

if TYPE_CHECKING:
    from model.forecaster import Forecaster
    from model.window import Window

Open = Callable[[], "Forecaster"]


@dataclass(frozen=True, slots=True)
class Ready:
    """A model, warmed over a window."""

    forecaster: "Forecaster"
    state: Float32


Submit = Callable[[Callable[[], Ready]], "Future[Ready]"]
"""Starts work in the background."""


class Background:
    """One thread, made when it is needed first."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, work: Callable[[], Ready]) -> "Future[Ready]":
        """Start a piece of work."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models")
        return self._pool.submit(work)


@dataclass(slots=True)
class Readying:
    """A model being made ready over a window of its own; buckets that close meanwhile wait.

    Attributes:
        files: What it is made of; None for the built-in.
        rows: Buckets closed since the window's last one.
    """

    files: ModelBytes | None
    _window: "Window"
    _ready: "Future[Ready]" = field(repr=False)
    rows: list[Sealed] = field(default_factory=list)

    @classmethod
    def begin(
        cls, open_: Open, files: ModelBytes | None, window: "Window", submit: Submit
    ) -> "Readying":
        """Begin to open a model and warm it over a copy of the window."""
        mine = copy.deepcopy(window)

        def make_ready() -> Ready:
            forecaster = open_()
            return Ready(forecaster, forecaster.warm(mine))

        return cls(files, mine, submit(make_ready))

    @property
    def is_done(self) -> bool:
        """Whether `ready` and `catch_up` will not wait."""
        return self._ready.done()

    def ready(self) -> Ready:
        """Return the model; raises what making it raised."""
        return self._ready.result()

    def catch_up(self, running: Running) -> None:
        """Bring a model that is ready up to the bucket closed last."""
        running.state = self.ready().state
        starts = self._window.starts_ms
        running.bucket_ms = int(starts[-1]) if len(starts) else None
        for row in self.rows:
            if row.is_reset:
                self._window.clear()
                running.begin_anew()
            self._window.append(row.bucket_ms, row.cells, row.first_bucket_ms)
            running.advance(self._window)


def state_rows(saved: SavedState) -> Float32:
    """Return a saved state as `(G, state_width)` float32."""
    flat = np.frombuffer(saved.blob, np.float32)
    return flat.reshape(saved.genre_count, -1).copy()
