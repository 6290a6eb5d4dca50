"""What the demo's screen shows, kept up to date: forecasts, what came true, skill, rates."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from contracts.buckets import DAY_MS
from contracts.forecasts import GenreForecast
from feed.status import Status

ROLLING_BUCKETS: Final = 96
"""Buckets that skill and coverage look back over."""

RECENT_BUCKETS: Final = 24
"""Counts kept for the small curve."""


class Interval(NamedTuple):
    """A step's median with its 80 % interval, clicks."""

    low: float
    median: float
    high: float


class Outcome(NamedTuple):
    """What was forecast for the bucket that closed last, and what came."""

    forecast: Interval
    clicks: int

    @property
    def is_inside(self) -> bool:
        """Whether the count lies in the interval."""
        return self.forecast.low <= self.clicks <= self.forecast.high


@dataclass(slots=True)
class GenreBoard:
    """One genre's line."""

    genre: str
    clicks: int = 0
    next: Interval | None = None
    outcome: Outcome | None = None
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT_BUCKETS))
    _by_start: dict[int, int] = field(default_factory=dict)
    _errors: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=ROLLING_BUCKETS)
    )

    def add(self, forecast: GenreForecast) -> None:
        """Take up a bucket: its count judges the forecast before it."""
        clicks, start = forecast.observed_clicks, forecast.bucket_start
        if self.next is not None:
            self.outcome = Outcome(self.next, clicks)
            yesterday = self._by_start.pop(start - DAY_MS, None)
            if yesterday is not None:
                self._errors.append((abs(clicks - self.next.median), abs(clicks - yesterday)))
        self._by_start[start] = self.clicks = clicks
        self.recent.append(clicks)
        self.next = interval_of(forecast)

    @property
    def skill(self) -> float | None:
        """1 - MAE / MAE of "as yesterday at this time", rolling; None before a day is known."""
        naive = sum(error for _, error in self._errors)
        return 1 - sum(error for error, _ in self._errors) / naive if naive else None


def interval_of(forecast: GenreForecast) -> Interval:
    """Return step 1's interval from the outer published quantiles and the median's."""
    quantiles = forecast.horizon[0].quantiles
    levels = sorted(quantiles, key=float)
    middle = min(levels, key=lambda level: abs(float(level) - 0.5))
    return Interval(quantiles[levels[0]], quantiles[middle], quantiles[levels[-1]])


@dataclass(slots=True)
class Board:
    """All that is shown.

    Attributes:
        bucket_ms: Bucket length.
        forecasts: Everything published so far, for the reckoning at the end.
    """

    bucket_ms: int
    forecasts: list[GenreForecast] = field(default_factory=list)
    genres: dict[str, GenreBoard] = field(default_factory=dict)
    bucket_start: int | None = None
    model: str = ""
    status: Status | None = None
    events_per_second: float | None = None
    _inside: deque[bool] = field(default_factory=lambda: deque(maxlen=20 * ROLLING_BUCKETS))
    _handled: tuple[float, int] | None = None

    def add(self, forecast: GenreForecast) -> None:
        """Take up a forecast."""
        self.forecasts.append(forecast)
        line = self.genres.setdefault(forecast.genre, GenreBoard(forecast.genre))
        line.add(forecast)
        if line.outcome is not None:
            self._inside.append(line.outcome.is_inside)
        self.bucket_start = max(self.bucket_start or 0, forecast.bucket_start)
        self.model = f"{forecast.kind}, {forecast.model_version}"

    def note_status(self, status: Status, now: float) -> None:
        """Take up a status read at `now`, monotonic seconds."""
        handled = sum(status.totals.get(name, 0) for name in ("counted", "late", "dead_letters"))
        if self._handled is not None and now > self._handled[0]:
            self.events_per_second = (handled - self._handled[1]) / (now - self._handled[0])
        self.status, self._handled = status, (now, handled)

    @property
    def coverage(self) -> float | None:
        """Share of recent counts inside their 80 % interval; None before any came true."""
        return sum(self._inside) / len(self._inside) if self._inside else None
