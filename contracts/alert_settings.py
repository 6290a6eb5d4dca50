"""Settings of alerts, among those of a deployment."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

MOST_ALERT_BUCKETS: Final = 16
"""Most buckets that an alert looks back over: a bit of each is in the journal."""


class AlertSettings(BaseSettings):
    """What `contracts.settings.Settings` says of alerts."""

    alerts: Literal["off", "thresholds", "all"] = Field(
        default="off",
        description="Publish alerts: of thresholds alone, or of counts outside their interval too.",
    )
    alert_thresholds: Path | None = Field(
        default=None, description="TOML file of levels that forecasts are held against."
    )
    alert_raise_buckets: int = Field(
        default=6,
        ge=1,
        le=MOST_ALERT_BUCKETS,
        description="So many of the last alert_raise_of buckets beyond the same end of their "
        "intervals raise an alert.",
    )
    alert_raise_of: int = Field(
        default=8,
        ge=1,
        le=MOST_ALERT_BUCKETS,
        description="Among how many buckets alert_raise_buckets counts.",
    )
    alert_threshold_buckets: int = Field(
        default=2,
        ge=1,
        le=MOST_ALERT_BUCKETS,
        description="So many forecasts in a row beyond a threshold raise an alert.",
    )
    alert_clear_buckets: int = Field(
        default=5,
        ge=1,
        le=MOST_ALERT_BUCKETS,
        description="So many buckets in a row that are not beyond clear an alert.",
    )

    @model_validator(mode="after")
    def _alerts_can_be_raised(self) -> Self:
        if self.alert_raise_buckets > self.alert_raise_of:
            raise ValueError("alert_raise_buckets must be at most alert_raise_of")
        if self.alerts == "thresholds" and self.alert_thresholds is None:
            raise ValueError("alerts = thresholds takes a file, alert_thresholds")
        return self
