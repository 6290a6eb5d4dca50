"""A deployment in memory with models of several versions, closed bucket by bucket."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import orjson

from consumer.closing import Closer
from consumer.errors import FencedError
from consumer.judge import Judge
from consumer.lineup import Lineup
from consumer.readying import Ready
from contracts.forecasts import BucketRecord
from contracts.settings import Settings
from model.artifact import ModelRefusedError
from model.baseline import Baseline
from model.forecaster import Float32, Forecaster, Forecasts
from model.window import Window
from state.memory_store import MemoryStore
from state.model_store import MemoryModels, ModelBytes, ModelEntry
from tests.contract.test_stores import batch, settings_for

BUCKET_MS = 10_000


class Scaled:
    """The baseline times a factor: each version publishes other numbers.

    The state carries a number of its own, so that a state that is lost or swapped shows.
    """

    kind: Literal["baseline"] = "baseline"

    def __init__(self, settings: Settings, version: str, factor: float) -> None:
        self.inner = Baseline(settings.horizon, settings.quantiles)
        self.state_width = self.inner.state_width + 1
        self.horizon = settings.horizon
        self.quantiles = settings.quantiles
        self.version = version
        self.factor = factor
        self.fails_at: int | None = None
        self.during: Callable[[], None] | None = None

    def initial_state(self, genre_count: int) -> Float32:
        return np.pad(self.inner.initial_state(genre_count), ((0, 0), (0, 1)))

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        if self.during is not None:
            self.during()
        if self.fails_at is not None and int(window.starts_ms[-1]) >= self.fails_at:
            raise FloatingPointError("a forecast is not finite")
        inner, found = self.inner.advance(state[:, :-1], window)
        chain = np.float32(0.5) * state[:, -1:] + window.lag(0)[0][:, None].astype(np.float32)
        shift = (self.factor + 0.01 * chain).astype(np.float32)
        after = np.concatenate([inner, chain], axis=1).astype(np.float32)
        scaled = replace(
            found, mean=found.mean * shift, quantiles=found.quantiles * shift[:, :, None]
        )
        return after, scaled

    def warm(self, window: Window) -> Float32:
        chain = np.zeros((window.genre_count, 1), np.float32)
        for lag in reversed(range(len(window))):
            clicks = window.lag(lag)[0][:, None].astype(np.float32)
            chain = (np.float32(0.5) * chain + clicks).astype(np.float32)
        return np.concatenate([self.inner.warm(window), chain], axis=1)


@dataclass
class Published:
    """The topics: what each bucket said, by genre."""

    forecasts: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    journal: list[BucketRecord] = field(default_factory=list)
    dies_at: int | None = None

    def publish(
        self,
        bucket_ms: int,
        forecasts: Iterator[tuple[str, bytes]],
        journal: bytes,
        alerts: Sequence[tuple[str, bytes]],
    ) -> None:
        assert bucket_ms not in self.forecasts, "published twice"
        found = {genre: orjson.loads(value) for genre, value in forecasts}
        for told in found.values():
            del told["emitted_at"]
        self.forecasts[bucket_ms] = found
        self.journal.append(BucketRecord.model_validate_json(journal))
        if bucket_ms == self.dies_at:
            self.dies_at = None
            raise FencedError("the reply to the commit is lost")

    def close(self) -> None:
        return

    def open(self) -> "Published":
        return self

    def read_tail(self) -> BucketRecord | None:
        return self.journal[-1] if self.journal else None

    def read_back(self, buckets: int) -> list[BucketRecord]:
        return self.journal[-buckets:]

    def versions(self) -> list[str]:
        return [record.model_version for record in self.journal]


@dataclass
class Slowly:
    """Background work that is done when the test says so; at once otherwise."""

    is_held: bool = False
    waiting: list[tuple[Callable[[], Ready], "Future[Ready]"]] = field(default_factory=list)

    def __call__(self, work: Callable[[], Ready]) -> "Future[Ready]":
        future: Future[Ready] = Future()
        self.waiting.append((work, future))
        if not self.is_held:
            self.finish()
        return future

    def finish(self) -> None:
        for work, future in self.waiting:
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 (as an executor does)
                future.set_exception(error)
        self.waiting = []


class World:
    """One deployment; `close` closes buckets one by one, `restart` begins another process."""

    def __init__(self, **changes: object) -> None:
        self.settings = settings_for(**{"window_buckets": 6, "horizon": 3, **changes})
        self.models = MemoryModels()
        self.store = MemoryStore(self.settings, self.models.generation)
        self.topics = Published()
        self.submit = Slowly()
        self.wall_ms = 0
        self.seconds = 0.0
        self.offset = 0
        self.next_bucket = 0
        self.made: dict[str, Scaled] = {}
        self.factors: dict[str, float] = {}
        self.opened: list[str] = []
        self.store.open()
        self.restart()

    def restart(self) -> None:
        """Another process takes over: nothing in memory is left."""
        self.lineup = Lineup(
            settings=self.settings,
            load_built_in=self._load_built_in,
            models=self.models,
            open_registered=self._open_registered,
            submit=self.submit,
            wall_ms=lambda: self.wall_ms,
            monotonic=lambda: self.seconds,
        )
        self.closer = Closer(
            store=self.store,
            journal=self.topics,
            open_publisher=self.topics.open,
            partition_count=lambda: 1,
            lineup=self.lineup,
            judge=Judge(self.lineup, lambda: self.wall_ms, self._tick),
            wall_ms=lambda: self.wall_ms,
        )

    def _tick(self) -> float:
        self.seconds += 10.0
        return self.seconds

    def _load_built_in(self, settings: Settings) -> tuple[Forecaster, str | None]:
        return self.make("shipped-1", 1.0), None

    def make(self, version: str, factor: float) -> Scaled:
        made = Scaled(self.settings, version, factor)
        if version in self.made:
            made.fails_at = self.made[version].fails_at
            made.during = self.made[version].during
        self.made[version] = made
        return made

    def _open_registered(self, name: str, files: ModelBytes, settings: Settings) -> Forecaster:
        self.opened.append(name)
        if files.weights == b"poison":
            raise ModelRefusedError(f"{name}/weights.npz: w0 holds values that are not finite")
        return self.make(name, float(json.loads(files.manifest)))

    def register(self, version: str, factor: float, weights: bytes = b"w") -> None:
        """Add a candidate."""
        registry = self.models.read()
        entry = ModelEntry(version=version, registered_at=len(registry.entries))
        self.models.write(
            replace(registry, candidate=version, entries={**registry.entries, version: entry}),
            {version: ModelBytes(json.dumps(factor).encode(), weights)},
        )

    def click(self, buckets: int) -> None:
        """Fill the next buckets; the last one stays open."""
        for _ in range(buckets):
            bucket = self.next_bucket * BUCKET_MS
            cells = {
                (bucket, "crime"): 5 + self.next_bucket * 7 % 11,
                (bucket, "noir"): 2 + self.next_bucket * 3 % 5,
            }
            if self.next_bucket >= 4:
                cells[bucket, "young"] = self.next_bucket
            end = bucket + BUCKET_MS
            self.store.apply(batch(self.offset, self.offset + 1, end, cells))
            self.offset += 1
            self.next_bucket += 1

    def close(self, buckets: int) -> None:
        """Let so many more buckets come and be published."""
        before = len(self.topics.journal)
        self.click(buckets)
        for _ in range(10 * buckets + 10):
            try:
                if not self.closer.close_next():
                    break
            except FencedError:
                self.closer.release()
        assert len(self.topics.journal) == before + buckets


def assert_same_numbers(found: Published, expected: Published, buckets: list[int]) -> None:
    """Every published number of some buckets is the same within 1e-5."""
    for bucket in buckets:
        ours, theirs = found.forecasts[bucket], expected.forecasts[bucket]
        assert ours.keys() == theirs.keys()
        for genre, told in ours.items():
            assert told["model_version"] == theirs[genre]["model_version"]
            np.testing.assert_allclose(_numbers(told), _numbers(theirs[genre]), rtol=1e-5)


def _numbers(told: dict[str, Any]) -> list[float]:
    return [n for step in told["horizon"] for n in (step["mean"], *step["quantiles"].values())]
