"""What the service answers, as models: they are the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.alerts import GenreAlert
from contracts.forecasts import GenreForecast, Kind
from feed.status import Status

Ms = int
"""Epoch milliseconds UTC."""


class Answer(BaseModel):
    """An answer; times are epoch ms UTC, null while there is none."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Forecasts(Answer):
    """A bucket's forecasts."""

    bucket_start: Ms | None
    bucket_seconds: int
    forecasts: list[GenreForecast]


class Expected(Answer):
    """What is expected of a bucket."""

    mean: float | None
    quantiles: dict[str, float] | None


class HistoryBucket(Expected):
    """A bucket's count and what had been forecast for it."""

    bucket_start: Ms
    observed: int


class History(Answer):
    """A genre's buckets, oldest first."""

    genre: str
    bucket_seconds: int
    ahead: int = Field(description="How many buckets before each bucket its forecast was made.")
    buckets: list[HistoryBucket]


class GenreOverview(Answer):
    """A genre at a glance."""

    genre: str
    observed: int = Field(description="Clicks in the newest bucket.")
    recent: list[int] = Field(description="Clicks per bucket, the newest last.")
    next: Expected = Field(description="The forecast for the next bucket.")
    growth: float = Field(description="Expected over recent clicks per bucket, minus 1; smoothed.")
    skill: float | None = Field(
        description="1 - MAE / MAE of 'as a day ago', of step 1; null before a day is kept."
    )
    kind: Kind


class Overview(Answer):
    """All genres at a glance, the busiest first."""

    bucket_start: Ms | None
    bucket_seconds: int
    genres: list[GenreOverview]


class Trend(Answer):
    """Where a genre is going."""

    genre: str
    observed: float = Field(description="Clicks per bucket of late.")
    expected: float = Field(description="Clicks per bucket over the horizon.")
    growth: float = Field(description="expected over observed, minus 1; smoothed.")


class Trending(Answer):
    """Genres by growth, falling."""

    bucket_start: Ms | None
    genres: list[Trend]


class LevelRecord(Answer):
    """How often the count was at or below a quantile: its level, where it is calibrated."""

    level: float
    share: float
    n: int


class StepRecord(Answer):
    """How good a step's forecasts were."""

    step: int
    mae: float = Field(description="Mean absolute error of the median.")
    wql: float | None = Field(description="Weighted quantile loss; null without clicks.")
    coverage: float = Field(description="Share of counts inside the outermost quantiles.")
    n: int


class Record(Answer):
    """A genre's forecasts against what came, of the buckets that are kept."""

    genre: str
    buckets: int
    levels: list[LevelRecord]
    steps: list[StepRecord]


class Alerts(Answer):
    """Alerts, the newest first."""

    open_count: int = Field(description="How many are open, listed or not.")
    open: list[GenreAlert] = Field(description="Those that are open, as they were raised.")
    recent: list[GenreAlert] = Field(description="What was raised or cleared of late.")


class Inventory(Answer):
    """Clicks of a genre over a span: counted where it is past, expected where it is not."""

    genre: str
    start: Ms
    end: Ms
    observed: float = Field(description="Clicks counted in the span's past part.")
    expected: float = Field(description="Clicks expected in the rest.")
    mean: float = Field(description="Both together.")
    quantiles: dict[str, float] | None = Field(
        description="Of both together, by level; null where the whole span is past."
    )
    counted_until: Ms = Field(description="Counts end and forecasts begin here.")
    reaches_until: Ms = Field(description="Forecasts end here.")
    is_pro_rata: bool = Field(
        description="Whether the span cuts buckets: they count by the share that lies in it."
    )
    origins: int = Field(
        description="Past forecasts from which it was learnt how errors of steps hang together."
    )


class DeadLetterReason(Answer):
    """Records that were no click events, for one reason."""

    reason: str = Field(description="Which field and what is wrong; N stands for numbers.")
    count: int
    latest_at: Ms


class DeadLetters(Answer):
    """Dead letters by reason, the most frequent first."""

    reasons: list[DeadLetterReason]
    since: Ms | None = Field(description="The oldest dead letter that is counted.")


class Promotion(Answer):
    """From this bucket on another model published."""

    bucket_start: Ms
    model_version: str
    previous: str


class ServiceFigures(Answer):
    """How the service itself does."""

    subscribers: int
    conflated: int = Field(description="Buckets that slow readers were not sent, since the start.")
    uptime_seconds: float
    version: str
    explains: bool = Field(description="Whether /v1/explanation answers: a setting.")


class Pipeline(Answer):
    """Where the deployment stands, sampled in the background."""

    status: Status | None
    problem: str | None
    events_per_second: float | None
    is_stale: bool
    age_seconds: float | None = Field(description="Since the newest bucket was published.")
    dead_letters: DeadLetters
    promotions: list[Promotion]
    service: ServiceFigures


class Readiness(Answer):
    """Whether the service is of use; reasons by part."""

    ready: bool
    reasons: dict[str, str]


class Problem(Answer):
    """Why a request was refused."""

    detail: str | list[dict[str, Any]]
