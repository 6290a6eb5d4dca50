"""Forecasts held against what came, before the loop began and with it, by kind of model."""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from contracts.buckets import DAY_MS
from contracts.forecasts import GenreForecast, HorizonStep

PERIODS: Final = ("before", "with")
"""Before the first impression, and from it on; a forecast counts by the bucket that it is of."""


@dataclass(slots=True)
class Scores:
    """Sums over forecasts of one period and kind; figures are NaN where nothing was scored.

    Attributes:
        points: Forecasts scored: genres x buckets x steps.
        inside: Of those, how many counts lay inside the outermost pair of quantiles.
        below: How many lay below the pair; the rest above it.
        pinball: Pinball loss, mean over levels, clicks.
        actual: What came, clicks.
        error: What the median missed, clicks.
        naive_error: What seasonal naive missed, clicks.
    """

    points: int = 0
    inside: int = 0
    below: int = 0
    pinball: float = 0.0
    actual: float = 0.0
    error: float = 0.0
    naive_error: float = 0.0

    @property
    def coverage(self) -> float:
        """Share of counts inside the interval."""
        return _ratio(self.inside, self.points)

    @property
    def above(self) -> float:
        """Share of counts above the interval."""
        return _ratio(self.points - self.inside - self.below, self.points)

    @property
    def wql(self) -> float:
        """2 x pinball loss over actuals."""
        return _ratio(2 * self.pinball, self.actual)

    @property
    def skill(self) -> float:
        """Share of seasonal naive's error that the median avoids."""
        return 1 - _ratio(self.error, self.naive_error)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A forecast whose bucket has not closed yet; `naive` is seasonal naive's, clicks."""

    kind: str
    step: HorizonStep
    naive: int


@dataclass(slots=True)
class Calibration:
    """Takes forecasts in bucket order per genre; keeps what is not scored yet, and a day of counts.

    Attributes:
        begins_ms: Where the loop begins, epoch ms.
        until_ms: Later buckets are not scored, epoch ms.
        scores: By (period, kind).
        by_bucket: (inside, scored) of each bucket.
    """

    begins_ms: int
    until_ms: int
    scores: dict[tuple[str, str], Scores] = field(default_factory=lambda: defaultdict(Scores))
    by_bucket: dict[int, tuple[int, int]] = field(default_factory=dict)
    _pending: dict[str, dict[int, list[_Pending]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    _observed: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, forecast: GenreForecast) -> None:
        """Score what was forecast of this bucket, and keep what is forecast from it."""
        start, came = forecast.bucket_start, forecast.observed_clicks
        pending, observed = self._pending[forecast.genre], self._observed[forecast.genre]
        for one in pending.pop(start, ()):
            self._score(start, came, one)
        for missed in [bucket for bucket in pending if bucket < start]:
            del pending[missed]  # the window was reset: nobody knows what came
        observed[start] = came
        observed.pop(start - DAY_MS - 2 * forecast.bucket_seconds * 1000, None)
        for step in forecast.horizon:
            naive = observed.get(step.start - DAY_MS, came)
            pending[step.start].append(_Pending(forecast.kind, step, naive))

    def _score(self, start_ms: int, came: int, one: _Pending) -> None:
        if start_ms >= self.until_ms:
            return
        quantiles = sorted((float(level), q) for level, q in one.step.quantiles.items())
        lowest, highest = quantiles[0][1], quantiles[-1][1]
        scores = self.scores[PERIODS[start_ms >= self.begins_ms], one.kind]
        is_inside = lowest <= came <= highest
        scores.points += 1
        scores.inside += is_inside
        scores.below += came < lowest
        scores.actual += came
        losses = (max(level * (came - q), (level - 1) * (came - q)) for level, q in quantiles)
        scores.pinball += sum(losses) / len(quantiles)
        scores.error += abs(came - quantiles[len(quantiles) // 2][1])
        scores.naive_error += abs(came - one.naive)
        inside, scored = self.by_bucket.get(start_ms, (0, 0))
        self.by_bucket[start_ms] = inside + is_inside, scored + 1


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
