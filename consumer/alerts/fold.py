"""One bucket's alerts from those before it: pure, all genres at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from consumer.alerts.rules import THRESHOLD_SLOTS, Levels, Rules
from consumer.alerts.watch import NOT_RAISED, Watch
from consumer.messages import FORECAST_DECIMALS
from contracts.alerts import SLOTS
from state.store import Sealed

if TYPE_CHECKING:
    from model.forecaster import Forecasts

Float64 = NDArray[np.float64]

SWITCHED_OFF: Final = "alerts were switched off"
GAP: Final = "no clicks came for longer than the window"
"""Why all alerts are over."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a bucket did to the alerts.

    Attributes:
        before: Where they stood, with the bucket's genres.
        after: Where they stand now.
        raised: `(S, G)` which were raised.
        cleared: `(S, G)` which are over.
        clicks: `(G,)` the bucket's counts.
        levels: `(S, G)` thresholds; NaN where there is none.
        values: `(S, G)` the forecast that is furthest on the threshold's side; NaN likewise.
        steps: `(S, G)` the step that it is of.
        ends_all: Why all that was open is over, whatever came; empty when it is not.
    """

    before: Watch
    after: Watch
    raised: NDArray[np.bool_]
    cleared: NDArray[np.bool_]
    clicks: NDArray[np.int64]
    levels: Float64
    values: Float64
    steps: NDArray[np.int64]
    ends_all: str


def advance(
    before: Watch,
    sealed: Sealed,
    forecasts: "Forecasts",
    rules: Rules,
    levels: dict[str, Levels],
    bucket_ms: int,
) -> Turn:
    """Return what a bucket raises and clears.

    Args:
        before: Where alerts stood.
        sealed: The bucket.
        forecasts: What is published from it; alerts see the numbers as they are published.
        rules: What raises and clears.
        levels: By side the thresholds of the bucket's genres.
        bucket_ms: Bucket length.
    """
    before = before.of_genres(sealed.genres)
    is_gap = before.bucket_ms is not None and before.bucket_ms + bucket_ms != sealed.bucket_ms
    clicks = sealed.cells[:, 0]
    level, value, step = _against(levels, forecasts)
    beyond = np.zeros(before.history.shape, np.bool_)
    if rules.watches_intervals and not is_gap:
        beyond[0], beyond[1] = clicks > before.upper, clicks < before.lower
    with np.errstate(invalid="ignore"):
        beyond[2], beyond[3] = value[2] >= level[2], value[3] <= level[3]
    beyond &= sealed.is_known
    history = beyond.astype(np.uint32)
    if not is_gap:
        history |= before.history << 1
    raised, cleared = _changes(history, before.is_open, rules)
    ends_all = SWITCHED_OFF if rules.is_empty else GAP if is_gap else ""
    if ends_all:
        raised, cleared = np.zeros_like(raised), before.is_open
    raised_ms = np.where(raised, sealed.bucket_ms, before.raised_ms)
    raised_ms[cleared] = NOT_RAISED
    lower, upper = _interval(sealed, forecasts, rules)
    after = Watch(sealed.bucket_ms, sealed.genres, lower, upper, _kept(history, rules), raised_ms)
    return Turn(before, after, raised, cleared, clicks, level, value, step, ends_all)


def _changes(
    history: NDArray[np.uint32], is_open: NDArray[np.bool_], rules: Rules
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return `(S, G)` each: what is raised, and what is over."""
    debounces = rules.debounces()
    least = np.array([[d.raise_buckets] for d in debounces])
    among = np.array([[(1 << d.raise_of) - 1] for d in debounces], np.uint32)
    quiet = np.array([[(1 << d.clear_buckets) - 1] for d in debounces], np.uint32)
    is_enough = np.bitwise_count(history & among) >= least
    # The bucket itself is beyond, too, in one that raises: what is told of it is why.
    raised = ~is_open & is_enough & ((history & 1) == 1)
    return raised, is_open & ((history & quiet) == 0)


def _kept(history: NDArray[np.uint32], rules: Rules) -> NDArray[np.uint32]:
    """Return the bits that matter to a later bucket."""
    masks = [(1 << max(d.raise_of, d.clear_buckets)) - 1 for d in rules.debounces()]
    return history & np.array(masks, np.uint32)[:, None]


def _interval(sealed: Sealed, forecasts: "Forecasts", rules: Rules) -> tuple[Float64, Float64]:
    """Return `(G,)` each: the ends of the outermost quantiles for the next bucket, as published."""
    if not rules.watches_intervals:
        nothing = np.full(len(sealed.genres), np.nan)
        return nothing, nothing
    ends = _published(forecasts.quantiles[:, 0, [0, -1]])
    ends[~sealed.is_known] = np.nan
    return ends[:, 0], ends[:, 1]


def _against(
    levels: dict[str, Levels], forecasts: "Forecasts"
) -> tuple[Float64, Float64, NDArray[np.int64]]:
    """Return `(S, G)` each: thresholds, the forecasts furthest beyond, and their steps."""
    shape = (len(SLOTS), len(forecasts.mean))
    level, value = np.full(shape, np.nan), np.full(shape, np.nan)
    step = np.ones(shape, np.int64)
    for s, (_, side) in list(enumerate(SLOTS))[THRESHOLD_SLOTS]:
        level[s] = levels[side].level
        for number, (column, steps) in enumerate(levels[side].sources):
            rows = np.flatnonzero(levels[side].source == number)
            of = forecasts.mean if column == 0 else forecasts.quantiles[:, :, column - 1]
            looked_at = _published(of[rows, :steps])
            place = looked_at.argmax(axis=1) if side == "above" else looked_at.argmin(axis=1)
            value[s, rows] = looked_at[np.arange(len(rows)), place]
            step[s, rows] = place + 1
    return level, value, step


def _published(numbers: NDArray[np.float32]) -> Float64:
    return np.asarray(np.round(numbers.astype(np.float64), FORECAST_DECIMALS), np.float64)
