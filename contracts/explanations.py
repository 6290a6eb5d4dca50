"""Explanation: what moved a genre's forecast away from that of an ordinary bucket, in clicks."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.forecasts import Kind

CauseName = Literal["recent", "same_time", "days", "calendar", "audience", "earlier"]

CAUSES: Final[dict[CauseName, str]] = {
    "recent": "recent level",
    "same_time": "same time on earlier days and weeks",
    "days": "level of the last days",
    "calendar": "hour and weekday",
    "audience": "audience",
    "earlier": "what the model remembers from before",
}
"""Groups of inputs and what people call them, in the order in which they are told."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Detail(_Part):
    """A piece of a cause."""

    label: str = Field(max_length=200)
    clicks: float = Field(allow_inf_nan=False)


class Cause(_Part):
    """What one group of inputs did to the forecast."""

    name: CauseName
    label: str = Field(max_length=200)
    clicks: float = Field(allow_inf_nan=False, description="By how much it moved the forecast.")
    details: list[Detail] = Field(max_length=100, description="Pieces that add up to it.")


class PastBucket(_Part):
    """What a past bucket did to the forecast."""

    start: int = Field(description="Epoch ms UTC.")
    observed: int = Field(ge=0, description="Its clicks.")
    clicks: float = Field(allow_inf_nan=False, description="By how much it moved the forecast.")


class Reproduction(_Part):
    """How the published forecast compares with the one made again to be explained."""

    published: float = Field(ge=0, allow_inf_nan=False)
    recomputed: float = Field(ge=0, allow_inf_nan=False)
    is_exact: bool = Field(description="Whether they agree to 0.1 % (or 0.001 clicks).")
    note: str = Field(default="", max_length=500, description="Why they differ, where they do.")


class Explanation(_Part):
    """What moved a forecast: `ordinary` plus the causes' clicks is `forecast`.

    All clicks are per bucket: the mean of the steps `first_step` to `last_step` of the forecast's
    mean.
    """

    genre: str
    bucket_start: int = Field(description="The origin bucket's start, epoch ms UTC.")
    bucket_seconds: int = Field(gt=0)
    model_version: str
    kind: Kind = Field(description="What made the forecast.")
    first_step: int = Field(ge=1)
    last_step: int = Field(ge=1)
    ordinary: float = Field(
        ge=0,
        allow_inf_nan=False,
        description="The forecast from an ordinary bucket: the genre at its own level, nothing "
        "unusual lately or on earlier days, at no particular hour, with its usual audience.",
    )
    forecast: float = Field(ge=0, allow_inf_nan=False, description="The forecast explained.")
    causes: list[Cause] = Field(description="The largest first.", max_length=len(CAUSES))
    buckets: list[PastBucket] = Field(
        max_length=1000,
        description="The last buckets, oldest first: their part of all causes.",
    )
    error: float = Field(
        allow_inf_nan=False,
        description="What the causes' sum lacks of the change, clicks: of the integral.",
    )
    points: int = Field(ge=0, description="Points of the integral; 0 where it has a closed form.")
    reproduction: Reproduction

    @property
    def change(self) -> float:
        """Forecast minus the ordinary one, clicks per bucket."""
        return self.forecast - self.ordinary
