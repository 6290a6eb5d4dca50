"""Recommendations: what one user was answered, as it is served and as it is on the topic."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.events import Genre, Identifier
from contracts.forecasts import SCHEMA_VERSION, NonNegative, SchemaVersion

Reason = Literal["taste", "rising", "popular", "new"]
"""Why a genre stands where it does."""


class RecommendedShow(BaseModel):
    """A show of a genre, by its clicks of late."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    show_id: Identifier
    clicks_per_hour: NonNegative = Field(
        description="Its clicks of late in this genre; an estimate from part of the clicks."
    )


class RecommendedGenre(BaseModel):
    """A genre in its place, and why it is there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    genre: Genre
    score: NonNegative = Field(
        description="(usual share + affinity / 20) * sqrt(lift): what genres are ranked by."
    )
    affinity: NonNegative = Field(description="The user's own clicks of late, decayed.")
    lift: NonNegative = Field(
        description="Share of the clicks that the forecast expects over the usual share."
    )
    why: Reason = Field(
        description="taste: the user's own clicks raise it most; rising: the forecast does; "
        "popular: neither, it is clicked a lot; new: tried out on this user."
    )
    propensity: Annotated[float, Field(gt=0, le=1)] = Field(
        description="How probable it was that this place would hold this genre."
    )
    shows: list[RecommendedShow] = Field(description="The most clicked of late, falling.")


class Recommendations(BaseModel):
    """One answer to one user: genres, the best first."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    schema_version: SchemaVersion = Field(
        default=SCHEMA_VERSION, description="Version of this message."
    )
    recommendation_id: Identifier = Field(
        description="Names this answer; opaque. A click that comes of it can say so."
    )
    user_id: Identifier = Field(description="Who asked, pseudonymous.")
    source: Literal["taste", "trending"] = Field(
        description="taste: ranked for this user; trending: as for everybody of no known taste."
    )
    problem: str | None = Field(
        default=None,
        description="Why a taste that may be known was not used; null when all is well.",
    )
    bucket_start: int = Field(description="The bucket whose forecast was used, epoch ms UTC.")
    model_version: str = Field(description="Which model made that forecast.")
    genres: list[RecommendedGenre] = Field(description="The best first.")
    emitted_at: int = Field(description="When it was answered, epoch ms UTC.")
