"""Settings of tastes, among those of a deployment."""

from pydantic import Field
from pydantic_settings import BaseSettings

from contracts.buckets import DAY_SECONDS
from contracts.clock import to_ms


class TasteSettings(BaseSettings):
    """What `contracts.settings.Settings` says of tastes."""

    tastes: bool = Field(
        default=False,
        description="Keep each user's taste: decayed affinities to genres; costs memory per user.",
    )
    taste_half_life_days: float = Field(
        default=14.0, gt=0, le=3650, description="An affinity halves in so long."
    )
    taste_ttl_days: float = Field(
        default=180.0, gt=0, le=36_500, description="Users without a click for so long are dropped."
    )
    taste_genres: int = Field(
        default=16, ge=1, le=250, description="Genres kept per user, those of least affinity go."
    )
    taste_weight_click: float = Field(
        default=1.0, ge=0, le=1_000, description="What a click adds to the affinity to its genres."
    )
    taste_weight_play: float = Field(default=2.0, ge=0, le=1_000, description="What a play adds.")
    taste_weight_like: float = Field(default=4.0, ge=0, le=1_000, description="What a like adds.")
    taste_weight_share: float = Field(default=4.0, ge=0, le=1_000, description="What a share adds.")
    taste_weight_watch_hour: float = Field(
        default=4.0, ge=0, le=1_000, description="What an hour watched adds besides."
    )

    @property
    def taste_half_life_ms(self) -> int:
        """An affinity halves in so long, ms."""
        return max(1, to_ms(self.taste_half_life_days * DAY_SECONDS))

    @property
    def taste_ttl_ms(self) -> int:
        """Users without a click for so long are dropped, ms."""
        return to_ms(self.taste_ttl_days * DAY_SECONDS)
