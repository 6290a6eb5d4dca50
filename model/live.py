"""LiveForecaster: any forecaster, calibrated, scored as buckets close, with the baseline at hand.

All that it learns is part of the state row, so it travels with the model's own state and a
restart changes nothing.
"""

from typing import Final

import numpy as np

from contracts.forecasts import Kind
from model.baseline import Baseline
from model.book import BASELINE, BOUNDS, MODEL, PUBLISHED, Book, BookLayout
from model.calibration import centre_of, drawn_to_whole, learnt, sides_of, stretched
from model.forecaster import Float32, Forecaster, Forecasts, mend_state, settle
from model.pending import Pending, pending_of
from model.record import (
    ACTUAL,
    ERROR,
    HITS,
    NAIVE_ERROR,
    PINBALL,
    WEIGHT,
    Record,
    fullest_weight,
    kept_share,
    misses,
    naive_of_now,
    sums_of,
    tally_of,
)
from model.window import Window

LIVE_VERSION: Final = "live-2"
"""Changed with the arithmetic of this module, `book`, `calibration`, `pending` or `record`."""

LARGEST_NUMBER: Final = 1e30
"""A stored number beyond this was never written by us."""

WARM_BUCKETS: Final = 256
"""Last buckets of a window that are forecast and scored when a state is warmed, at most."""

WARM_ROWS: Final = 256_000
"""(bucket, genre) pairs forecast while warming, about: with many genres fewer buckets, though
never fewer than the horizon."""

KNOWN_SHARE: Final = 0.25
"""Share of the weight that a record can have from which it may speak against a model."""

RECOVERED_SHARE: Final = 0.03
"""Skill from which a model is published again after the baseline was: above 0, against flapping."""

LEAST_HARM: Final = 0.02
"""Clicks per bucket that a model must be worse by: silent genres stay as they are."""


class LiveForecaster:
    """A forecaster whose intervals are calibrated and whose forecasts are scored as buckets close.

    A genre where the model has lately been worse than seasonal naive, and the baseline better than
    the model, is published from the baseline until the model recovers. The model goes on being
    scored all the while.
    """

    def __init__(self, inner: Forecaster, baseline: Baseline) -> None:
        if (inner.horizon, inner.quantiles) != (baseline.horizon, baseline.quantiles):
            raise ValueError("model and baseline differ in horizon or quantiles")
        self.inner = inner
        self.horizon = inner.horizon
        self.quantiles = inner.quantiles
        self.version = f"{inner.version}+{LIVE_VERSION}"
        self._sources: tuple[Forecaster, ...] = (
            (inner,) if isinstance(inner, Baseline) else (inner, baseline)
        )
        self._has_choice = len(self._sources) > 1
        self._sides = sides_of(inner.quantiles)
        self._levels = (inner.quantiles[0], 0.5, inner.quantiles[-1])
        self._pending = pending_of(inner.horizon)
        own_width = sum(source.state_width for source in self._sources)
        self._layout = BookLayout(self._pending, len(self._sources), own_width)
        self.state_width = own_width + self._layout.width

    @property
    def kind(self) -> Kind:
        """What published messages call it, where the baseline does not stand in."""
        return self.inner.kind

    def initial_state(self, genre_count: int) -> Float32:
        """Return the state before any bucket, `(G, state_width)`: nothing held, nothing learnt."""
        state = np.zeros((genre_count, self.state_width), np.float32)
        for source, columns in self._columns():
            state[:, columns] = source.initial_state(genre_count)
        return state

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        """See `Forecaster.advance`: score what was forecast of this bucket, learn, forecast."""
        usable, broken = mend_state(self, state, window, LARGEST_NUMBER)
        stepped, raw = usable.copy(), list[Forecasts]()
        for source, columns in self._columns():
            part = np.ascontiguousarray(usable[:, columns])
            stepped[:, columns], found = source.advance(part, window)
            raw.append(found)
        reset = tuple(sorted({*broken, *(genre for each in raw for genre in each.reset_genres)}))
        stepped[list(reset), self._layout.first :] = 0.0
        book = self._layout.book(stepped)
        bucket = int(window.starts_ms[-1]) // window.bucket_ms
        self._score(book, window, bucket)
        if self._has_choice:
            choose_source(book, fullest_weight(window.bucket_ms))
        forecasts = self._forecast(book, bucket, raw, reset)
        is_absent = window.first_bucket_ms > window.starts_ms[-1]
        if is_absent.any():
            stepped[is_absent] = self.initial_state(int(is_absent.sum()))
        return stepped, forecasts

    def warm(self, window: Window) -> Float32:
        """Return the state after the whole window.

        The sources take all but the last buckets in one call; the last `WARM_BUCKETS` (fewer with
        many genres) are forecast one by one, so that calibration and record have something to go
        by. What had been learnt before those is lost: only for a window no longer than that is the
        state the one that streamed.
        """
        state = self.initial_state(window.genre_count)
        room = min(WARM_BUCKETS, WARM_ROWS // max(1, window.genre_count))
        first = max(0, len(window) - max(self._pending.reach, room))
        if first:
            for source, columns in self._columns():
                state[:, columns] = source.warm(window.up_to(first))
        for length in range(first + 1, len(window) + 1):
            state, _ = self.advance(state, window.up_to(length))
        return state

    def record_of(self, state: Float32) -> Record:
        """Return the rolling record in a state `(G, state_width)`."""
        book = self._layout.book(state)
        model = tally_of(book.sums, MODEL)
        return Record(
            steps=self._pending.steps,
            model=model,
            published=tally_of(book.sums, PUBLISHED) if self._has_choice else model,
            baseline=tally_of(book.sums, BASELINE) if self._has_choice else None,
            is_baseline=(book.on_baseline > 0) | (self.kind == "baseline"),
        )

    def source_of(self, kind: Kind) -> tuple[Forecaster, slice]:
        """Return what makes published forecasts of a kind, and where its state lies in a row.

        Raises:
            ValueError: Nothing here makes such forecasts.
        """
        for source, columns in self._columns():
            if source.kind == kind:
                return source, columns
        raise ValueError(f"{self.version} makes no forecasts of kind {kind}")

    def _columns(self) -> list[tuple[Forecaster, slice]]:
        """Return each source and where its own state lies in a row."""
        columns, first = [], 0
        for source in self._sources:
            columns.append((source, slice(first, first + source.state_width)))
            first += source.state_width
        return columns

    def _score(self, book: Book, window: Window, bucket: int) -> None:
        """Hold the bucket that closed against every forecast of it; the factors learn from it."""
        steps = self._pending.steps
        came = window.lag(0)[0].astype(np.float32)
        held = book.pending[:, self._pending.slots(bucket)]
        is_held = book.held[:, None] >= steps
        added = np.empty(book.sums.shape, np.float32)
        added[:, WEIGHT] = 1.0
        added[:, ACTUAL] = came[:, None]
        added[:, NAIVE_ERROR] = np.abs(came[:, None] - naive_of_now(window, steps))
        # Copies: each lies closely together then, and is read many times.
        bounds = [
            (columns[..., 0].copy(), columns[..., 1].copy(), columns[..., 2].copy())
            for columns in np.moveaxis(held, 2, 0)
        ]
        for source, own in enumerate(bounds):
            sums = sums_of(source).start
            found = misses(self._levels, own, came)
            added[:, sums + ERROR], added[:, sums + PINBALL], added[:, sums + HITS] = found
        if self._has_choice:
            was_baseline = book.ring[:, None, self._pending.origins(bucket)] > 0
            model, baseline = added[:, sums_of(MODEL)], added[:, sums_of(BASELINE)]
            added[:, sums_of(PUBLISHED)] = np.where(was_baseline, baseline, model)
        added *= is_held[:, None]
        book.sums[:] = np.float32(kept_share(window.bucket_ms)) * book.sums + added
        seen = np.where(is_held, book.sums[:, WEIGHT], np.float32(0.0))
        for source, (lower, _, upper) in enumerate(bounds):
            factors = book.factors[:, source]
            book.factors[:, source] = learnt(self._sides, factors, (lower, upper), came, seen)

    def _forecast(
        self, book: Book, bucket: int, raw: list[Forecasts], reset: tuple[int, ...]
    ) -> Forecasts:
        """Calibrate the sources' forecasts, hold their bounds, and return what is published."""
        steps = self._pending.steps
        bounds = np.empty((len(book.held), len(steps), len(raw), BOUNDS), np.float32)
        calibrated = []
        for source, found in enumerate(raw):
            centre = centre_of(self._sides, found.mean, found.quantiles)
            factors = factors_at_all_steps(self._pending, self.horizon, book.factors[:, source])
            quantiles = stretched(self._sides, centre, found.quantiles, factors)
            quantiles = drawn_to_whole(self._sides, quantiles)
            calibrated.append(quantiles)
            middle = centre_of(self._sides, found.mean, quantiles)
            for column, bound in enumerate((quantiles[:, :, 0], middle, quantiles[:, :, -1])):
                bounds[:, :, source, column] = bound[:, steps - 1]
        # In the place of those of the bucket that has closed: see `Pending`.
        book.pending[:, self._pending.slots(bucket)] = bounds
        book.held[:] = np.minimum(book.held + 1, self._pending.reach)
        if not self._has_choice:
            return settle(raw[MODEL].mean, calibrated[MODEL], reset)
        book.ring[:, bucket % self._pending.reach] = book.on_baseline
        is_baseline = book.on_baseline > 0
        mean = np.where(is_baseline[:, None], raw[BASELINE].mean, raw[MODEL].mean)
        quantiles = np.where(is_baseline[:, None, None], calibrated[BASELINE], calibrated[MODEL])
        return settle(mean, quantiles, reset, is_baseline)


def choose_source(book: Book, fullest: float) -> None:
    """Go over to the baseline where the model's skill is negative, and back when it has recovered.

    A model that has been worse than seasonal naive keeps its place where the baseline was worse
    still: what is published should be the better of the two.

    Args:
        book: Of all genres; `on_baseline` is set.
        fullest: The weight that a record tends to.
    """
    columns = (WEIGHT, NAIVE_ERROR, sums_of(MODEL).start + ERROR, sums_of(BASELINE).start + ERROR)
    weight, naive, model, baseline = (book.sums[:, column].sum(axis=1) for column in columns)
    is_known = book.sums[:, WEIGHT, 0] >= KNOWN_SHARE * fullest
    is_harmful = (model - naive > LEAST_HARM * weight) & (baseline < model)
    nearly = 1.0 - RECOVERED_SHARE
    has_recovered = (model < nearly * naive) | (model < nearly * baseline)
    book.on_baseline[:] = np.where(book.on_baseline > 0, ~has_recovered, is_known & is_harmful)


def factors_at_all_steps(pending: Pending, horizon: int, factors: Float32) -> Float32:
    """Return factors `(G, 2, H)` from those of the scored steps `(G, 2, S)`, linear in between."""
    if len(pending.steps) == horizon:
        return factors
    steps = np.arange(1, horizon + 1)
    after = np.searchsorted(pending.steps, steps)
    before = np.maximum(after - 1, 0)
    span = np.maximum(pending.steps[after] - pending.steps[before], 1)
    share = ((steps - pending.steps[before]) / span).astype(np.float32)
    near, far = factors[:, :, before], factors[:, :, after]
    return np.asarray(near + share * (far - near), np.float32)
