"""GenreForecast and BucketRecord: what the forecaster publishes, one transaction per bucket."""

import itertools
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION: Final = 1
"""Version of the published messages. Fields are only ever added under the same number, and readers
pass over those that they do not know; whatever an older reader would misread gets a new number."""


def _refuse_newer(version: int) -> int:
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"version {version} of this message is newer than what this genrecast reads "
            f"({SCHEMA_VERSION}): bring it up to date"
        )
    return version


SchemaVersion = Annotated[int, AfterValidator(_refuse_newer)]
"""Of a message that is read: one of a newer version is refused, never half understood."""

Kind = Literal["lstm", "transformer", "baseline"]
"""Which kind of model made a forecast."""

KINDS: Final = get_args(Kind)
"""All of them."""

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class HorizonStep(BaseModel):
    """The forecast for one bucket ahead; step 1 is the bucket after the origin."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int = Field(ge=1, description="Buckets ahead of the origin bucket.")
    start: int = Field(description="Start of the forecast bucket, epoch ms UTC.")
    mean: NonNegative = Field(description="Expected clicks.")
    quantiles: dict[str, NonNegative] = Field(
        description='Clicks by level, e.g. {"0.1": 3.0, "0.5": 7.0, "0.9": 12.0}; never crossing.'
    )

    @model_validator(mode="after")
    def _quantiles_do_not_cross(self) -> Self:
        values = [value for _, value in sorted(self.quantiles.items(), key=lambda kv: float(kv[0]))]
        if any(upper < lower for lower, upper in itertools.pairwise(values)):
            raise ValueError("quantiles cross")
        return self


class GenreForecast(BaseModel):
    """One genre's final count of the origin bucket and its forecast from there."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: SchemaVersion = Field(
        default=SCHEMA_VERSION, description="Version of this message."
    )
    genre: str = Field(description="The genre, normalised.")
    bucket_start: int = Field(description="The origin bucket's start, epoch ms UTC.")
    bucket_seconds: int = Field(gt=0, description="Bucket length in seconds.")
    observed_clicks: int = Field(ge=0, description="Final count of the origin bucket.")
    model_version: str = Field(description="Which model made this.")
    kind: Kind = Field(description="Which kind of model made this.")
    horizon: list[HorizonStep] = Field(description="The steps ahead, step 1 first.")
    emitted_at: int = Field(description="When it was published, epoch ms UTC.")


class ReplayPoint(BaseModel):
    """Where a partition's replay must begin so that every open bucket comes out the same."""

    model_config = ConfigDict(frozen=True)

    offset: int = Field(ge=0, description="First offset that may hold an event of an open bucket.")
    watermark: int | None = Field(
        description="The partition's watermark before that offset, epoch ms; null before any event."
    )


class AlertState(BaseModel):
    """What the next bucket's alerts follow from, in the order of the journal record's `counts`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lower: list[NonNegative | None] = Field(
        default=[], description="Per genre the lower end of the interval for the next bucket."
    )
    upper: list[NonNegative | None] = Field(default=[], description="The upper ends.")
    history: dict[str, list[int]] = Field(
        default={},
        description="By kind/side: per genre a bit for each of the last buckets, the newest the "
        "lowest, 1 where it was beyond. Left out where all are 0.",
    )
    raised: dict[str, dict[str, int]] = Field(
        default={},
        description="By kind/side: genres whose alert is open, with the bucket that raised it.",
    )


class BucketRecord(BaseModel):
    """The bucket journal's entry: all that is needed to restore Redis up to this bucket."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: SchemaVersion = Field(
        default=SCHEMA_VERSION, description="Version of this message."
    )
    bucket_start: int = Field(description="The closed bucket's start, epoch ms UTC.")
    bucket_seconds: int = Field(gt=0, description="Bucket length in seconds.")
    counts: dict[str, list[int]] = Field(
        description="Per known genre its cell (see MEASURES), in order of first appearance."
    )
    genres_first_bucket: dict[str, int] = Field(
        description="Per known genre the first bucket it was counted in, epoch ms."
    )
    cut: dict[int, int] = Field(description="Per partition the next offset to read at the close.")
    replay_from: dict[int, ReplayPoint] = Field(description="Per partition where a replay begins.")
    is_reset: bool = Field(
        default=False, description="Whether a gap longer than the window went before."
    )
    model_version: str = Field(description="Which model forecast from this bucket.")
    emitted_at: int = Field(description="When it was published, epoch ms UTC.")
    genre_share: str | None = Field(
        default=None, description="Which share of the genres is counted, such as 2/4; null for all."
    )
    alerts: AlertState | None = Field(
        default=None, description="Where alerts stand after this bucket; null without alerts."
    )
