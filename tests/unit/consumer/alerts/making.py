"""A forecaster whose forecasts are known beforehand, and a deployment in memory that has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.closing import Closer
from consumer.errors import FencedError
from consumer.lineup import Lineup
from contracts.alerts import GenreAlert
from contracts.settings import Settings
from model.baseline import Baseline
from model.forecaster import Float32, Forecaster, Forecasts
from model.window import Window
from state.memory_store import MemoryStore
from tests.contract.test_stores import batch, settings_for
from tests.unit.consumer.test_closing import Topics

BUCKET_MS = 10_000
LOWER, UPPER = 2.0, 6.0


class Plain(Baseline):
    """Expects 2 to 6 clicks of every bucket; step h's mean is h times the last count."""

    version = "plain-1"

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        clicks = window.lag(0)[0].astype(np.float32)
        steps = np.arange(1, self.horizon + 1, dtype=np.float32)
        quantiles = np.empty((len(clicks), self.horizon, 3), np.float32)
        quantiles[...] = (LOWER, 4.0, UPPER)
        return state, Forecasts(clicks[:, None] * steps, quantiles)


def load_plain(settings: Settings) -> tuple[Forecaster, str | None]:
    return Plain(settings.horizon, settings.quantiles), None


def alert_settings(**changes: object) -> Settings:
    """Raised by 2 of 3 buckets beyond, cleared by 2 in a row that are not."""
    options: dict[str, object] = {
        "alerts": "all", "alert_raise_buckets": 2, "alert_raise_of": 3, "alert_clear_buckets": 2,
        "horizon": 2, "quantiles": (0.1, 0.5, 0.9), "window_buckets": 8,
    }  # fmt: skip
    return settings_for(**{**options, **changes})


@dataclass
class World:
    """A deployment in memory: clicks go in, buckets are closed, alerts come out."""

    settings: Settings
    topics: Topics = field(default_factory=Topics)
    store: MemoryStore = field(init=False)
    closer: Closer = field(init=False)
    next_bucket: int = 0
    offset: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.settings)
        self.store.open()
        self.start(self.settings)

    def start(self, settings: Settings) -> None:
        """Another member becomes the forecaster, maybe with other settings."""
        self.settings = settings
        self.closer = Closer(
            store=self.store,
            journal=self.topics,
            open_publisher=self.topics.open,
            partition_count=lambda: 1,
            lineup=Lineup(settings=settings, load_built_in=load_plain),
            wall_ms=lambda: 0,
        )

    def clicks(self, **of: int) -> None:
        """Fill the next bucket, and close it."""
        bucket_ms = self.next_bucket * BUCKET_MS
        end = bucket_ms + BUCKET_MS
        cells = {(bucket_ms, genre): n for genre, n in of.items() if n}
        self.store.apply(batch(self.offset, self.offset + 1, end, cells))
        self.offset += 1
        self.next_bucket += 1
        self.close()

    def close(self) -> None:
        while True:
            try:
                if not self.closer.close_next():
                    return
            except FencedError:
                self.topics.dies = ""
                self.closer.release()

    def run(self, counts: Sequence[Mapping[str, int]]) -> list[GenreAlert]:
        """Return the alerts of these buckets."""
        for of in counts:
            self.clicks(**of)
        return self.topics.alerts


def told(alerts: Sequence[GenreAlert]) -> list[tuple[int, str, str, str, str]]:
    """Return (bucket, genre, kind, side, state) of each."""
    return [(a.bucket_start // BUCKET_MS, a.genre, a.kind, a.side, a.state) for a in alerts]
