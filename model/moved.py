"""Moved: what moved one genre's mean forecast away from that of an ordinary bucket, in clicks."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from contracts.explanations import CauseName
from model.baseline import Baseline
from model.causes import (
    EARLIER_DAYS,
    LAST_BUCKETS,
    Reference,
    ordinary_features,
    ordinary_steps,
    pieces_of_features,
    pieces_of_steps,
    reference_of,
)
from model.features import HALF_CLICK, build_features, build_step_features
from model.forecaster import Float32
from model.scales import (
    FAST,
    FAST_NORMAL,
    SCALE_COUNT,
    SLOW,
    Observed,
    fast_rates,
    observe,
    observed_after,
)
from model.window import Past, Window

if TYPE_CHECKING:
    from model.network_forecaster import NetworkForecaster
    from model.path_integral import NetworkInput, PathIntegral

Float64 = NDArray[np.float64]

READ_BUCKETS: Final = 256
"""Last buckets that are compared with ordinary ones; those before are the same in both."""

LEAST_BUCKETS: Final = 16
"""Buckets that a genre must have been there for: less is no level to compare with."""

REMEMBERED: Final = "before the last buckets"


class TooYoungError(Exception):
    """The genre has not been there for long enough."""


class IntegralError(Exception):
    """The integral through the network did not come to the change of the forecast."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What moved a forecast, clicks per bucket.

    Attributes:
        ordinary: The forecast from an ordinary bucket.
        forecast: The one that is explained.
        causes: By group and by what people call a piece of it.
        buckets: `(L,)` part of all causes of each of the window's last L buckets.
        error: What the causes' sum exceeds the change by.
        points: Points of the integral; 0 where it has a closed form.
    """

    ordinary: float
    forecast: float
    causes: dict[tuple[CauseName, str], float]
    buckets: Float64
    error: float
    points: int


@dataclass(slots=True)
class _Tally:
    """Clicks by cause and by bucket.

    Attributes:
        shares: `(L,)` what each bucket made of the recent level; sum to about 1.
        causes: By group and piece.
        buckets: `(L,)`.
    """

    shares: Float64
    causes: defaultdict[tuple[CauseName, str], float] = field(
        default_factory=lambda: defaultdict(float)
    )
    buckets: Float64 = field(init=False)

    def __post_init__(self) -> None:
        self.buckets = np.zeros(len(self.shares))

    def add_read(self, cause: CauseName, label: str, clicks: Float64) -> None:
        """Add what was read bucket by bucket, `(L,)`."""
        self.causes[cause, label] += float(clicks.sum())
        self.buckets += clicks

    def add(self, cause: CauseName, label: str, clicks: Float64) -> None:
        """Add what was read at the origin, `(H,)` or of any other shape."""
        moved = float(clicks.sum())
        self.causes[cause, label] += moved
        if cause == "recent":
            self.buckets += moved * self.shares


def explain_network(
    forecaster: "NetworkForecaster",
    integral: "PathIntegral",
    *,
    state: Float32,
    window: Window,
    weights: Float32,
) -> Moved:
    """Explain the network's forecast of one genre.

    Args:
        forecaster: What forecast.
        integral: Of its network.
        state: `(1, state_width)` of the forecaster after the window's last bucket.
        window: Of that genre alone.
        weights: `(H,)` of the steps; they sum to 1.

    Raises:
        TooYoungError: There are fewer than `LEAST_BUCKETS` buckets.
        IntegralError: The integral does not come to the change.
    """
    from model.network import FLOOR_CLICKS

    past, row, scales = window.past(), len(window) - 1, state[:, :SCALE_COUNT]
    first = first_read_row(past)
    before = forecaster.warm(window.up_to(first))
    observed = observe(past, first, row + 1, scales=before[:, :SCALE_COUNT], horizon=1)
    features = build_features(past, first, row + 1, observed)[:, 0]
    standing = observed_after(past, row, scales=scales, horizon=forecaster.horizon)
    steps = build_step_features(past, row, row + 1, standing)[0, 0]
    memory = before[:, SCALE_COUNT:]
    remembered = _remembered(forecaster, features, memory, state[:, SCALE_COUNT:])
    reference = reference_of(standing, FLOOR_CLICKS)
    start, end = _ends(features, steps, reference, remembered)
    found = integral.between(start, end, memory[0], weights)
    tally = _Tally(_recent_shares(observed, standing, past.bucket_ms))
    for piece in pieces_of_features(features, start.features):
        tally.add_read(piece.cause, piece.label, found.gradients[0][:, piece.column] * piece.way)
    for piece in pieces_of_steps(steps, start.steps, reference_of(standing, HALF_CLICK)):
        tally.add(piece.cause, piece.label, found.gradients[1][:, piece.column] * piece.way)
    tally.add("same_time", EARLIER_DAYS, found.gradients[2] * reference.usual)
    tally.add("recent", LAST_BUCKETS, found.gradients[2] * reference.departure)
    tally.add("earlier", REMEMBERED, found.gradients[3] * remembered)
    return Moved(
        found.start, found.end, dict(tally.causes), tally.buckets, found.error, found.points
    )


def explain_reference(*, scales: Float32, window: Window, horizon: int, weights: Float32) -> Moved:
    """Explain the baseline's forecast of one genre: the reference alone, in closed form.

    It is the level times e to what moved it, so what each part moved is its share of the
    exponent; the integral of the exponential along the way is known.

    Args:
        scales: `(1, SCALE_COUNT)` after the window's last bucket.
        window: Of that genre alone.
        horizon: Steps ahead, H.
        weights: `(H,)` of the steps; they sum to 1.

    Raises:
        TooYoungError: There are fewer than `LEAST_BUCKETS` buckets.
    """
    past, row = window.past(), len(window) - 1
    first = first_read_row(past)
    begun = Baseline(1, (0.5,)).warm(window.up_to(first))
    observed = observe(past, first, row + 1, scales=begun, horizon=1)
    standing = observed_after(past, row, scales=scales, horizon=horizon)
    reference = reference_of(standing, HALF_CLICK)
    whole = (reference.usual + reference.departure).astype(np.float64)
    change = reference.clicks.astype(np.float64) - reference.level
    is_moved = np.abs(whole) > 1e-9
    slope: Float64 = np.where(is_moved, change / np.where(is_moved, whole, 1.0), 0.0)
    slope = slope * weights.astype(np.float64)
    tally = _Tally(_recent_shares(observed, standing, past.bucket_ms))
    tally.add("same_time", EARLIER_DAYS, slope * reference.usual)
    tally.add("recent", LAST_BUCKETS, slope * reference.departure)
    forecast = float((reference.clicks * weights).sum())
    error = sum(tally.causes.values()) - (forecast - reference.level)
    return Moved(reference.level, forecast, dict(tally.causes), tally.buckets, error, 0)


def first_read_row(past: Past) -> int:
    """Return the first row that is compared with an ordinary bucket.

    Raises:
        TooYoungError: The genre has not been there for `LEAST_BUCKETS` buckets.
    """
    rows = len(past.starts_ms)
    begun = max(int(past.first_row[0]), 0)
    if rows - begun < LEAST_BUCKETS:
        raise TooYoungError(
            f"it has been there for {max(rows - begun, 0)} buckets; an explanation needs "
            f"{LEAST_BUCKETS}, for a level to compare with"
        )
    return max(rows - READ_BUCKETS, begun)


def _remembered(
    forecaster: "NetworkForecaster", features: Float32, memory: Float32, after: Float32
) -> Float32:
    """Return what the core's output has beyond what reading the window gives, `(output_width,)`.

    What has streamed for longer than the window remembers more than can be read from it.
    """
    network = forecaster.network
    read = network.warm(features[None], np.ones((1, len(features)), bool), memory)
    beyond: Float32 = network.output_of(after)[0] - network.output_of(read)[0]
    return beyond


def _ends(
    features: Float32, steps: Float32, reference: Reference, remembered: Float32
) -> "tuple[NetworkInput, NetworkInput]":
    """Return the network's input after ordinary buckets, and the actual one."""
    from model.network import FLOOR_CLICKS
    from model.path_integral import NetworkInput

    level = np.full_like(reference.clicks, reference.level)
    added = np.float32(FLOOR_CLICKS)
    return (
        NetworkInput(
            ordinary_features(features),
            ordinary_steps(steps),
            np.log(level + added),
            np.zeros_like(remembered),
        ),
        NetworkInput(features, steps, np.log(reference.clicks + added), remembered),
    )


def _recent_shares(observed: Observed, standing: Observed, bucket_ms: int) -> Float64:
    """Return what each bucket made of the recent level's departure from the usual one, `(L,)`.

    Both levels are running means, so their distance is a sum over the buckets.
    """
    scales = observed.scales[:, 0].astype(np.float64)
    has_usual = bool((standing.normal.support[:, :, 1:] > 0).any())
    usual = scales[:, FAST_NORMAL] if has_usual else np.full(len(scales), scales[-1, SLOW])
    distance = scales[:, FAST] - usual
    kept = 1.0 - fast_rates(observed.scales, bucket_ms)[:, 0].astype(np.float64)
    made = distance - kept * np.concatenate([[0.0], distance[:-1]])
    # What is left of each by the last bucket.
    left = np.append(np.cumprod(kept[:0:-1])[::-1], 1.0)
    if abs(distance[-1]) < 1e-6:
        return np.zeros(len(scales))
    shares: Float64 = made * left / distance[-1]
    return shares
