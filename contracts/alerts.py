"""GenreAlert: a genre left its interval, or its forecast crossed a threshold; and what goes on."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.forecasts import SCHEMA_VERSION, SchemaVersion

Kind = Literal["outside-interval", "threshold"]
"""What an alert is about: counts against forecasts, or forecasts against a level that was set."""

Side = Literal["above", "below"]
"""On which side of the interval, or of the threshold."""

State = Literal["raised", "cleared"]

Slot = tuple[Kind, Side]
"""A genre has at most one open alert of each."""

SLOTS: Final[tuple[Slot, ...]] = (
    ("outside-interval", "above"),
    ("outside-interval", "below"),
    ("threshold", "above"),
    ("threshold", "below"),
)
"""All of them, in the order in which they are told."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class GenreAlert(BaseModel):
    """An alert was raised, or is over. Both messages of an alert have the same `alert_id`."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: SchemaVersion = Field(
        default=SCHEMA_VERSION, description="Version of this message."
    )
    alert_id: str = Field(
        description="Of the alert, in both its messages; the same when it is told again."
    )
    kind: Kind = Field(
        description="outside-interval: counts left what was forecast for them; threshold: the "
        "forecast is beyond a level that was set."
    )
    state: State = Field(description="raised, or cleared: it is over.")
    side: Side = Field(description="On which side of the interval, or of the threshold.")
    genre: str = Field(description="The genre, normalised.")
    bucket_start: int = Field(description="The bucket that raised or cleared it, epoch ms UTC.")
    bucket_seconds: int = Field(gt=0, description="Bucket length in seconds.")
    raised_at: int = Field(description="Start of the bucket that raised it, epoch ms UTC.")
    value: Finite | None = Field(
        description="Clicks of the bucket; for a threshold the forecast that is furthest beyond "
        "it. Null when nothing is watched any more."
    )
    value_start: int | None = Field(
        default=None, description="Start of the bucket that the value is of, epoch ms UTC."
    )
    lower: Finite | None = Field(
        default=None, description="outside-interval: the interval's lower end for the bucket."
    )
    upper: Finite | None = Field(default=None, description="Its upper end.")
    level: Finite | None = Field(default=None, description="threshold: the level that was set.")
    reason: str = Field(description="Why, in words.")
    emitted_at: int = Field(description="When it was published, epoch ms UTC.")
