"""Settings of a deployment: `GENRECAST_*` in the environment, a `.env` file, or options."""

import itertools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.alert_settings import AlertSettings
from contracts.buckets import DAY_SECONDS
from contracts.clock import to_ms
from contracts.events import MOST_EVENT_BYTES
from contracts.name_settings import NameSettings
from contracts.shares import check_share
from contracts.taste_settings import TasteSettings

LEAST_SHADOW_BUCKETS: Final = 200
"""Buckets that a comparison takes where a day has fewer: losses differ a lot by chance."""

_HTTP_URL: Final = re.compile(r"https?://[^\s/?#]+[^\s?#]*")


class _Settings(NameSettings):
    """What every deployment sets; groups of settings that not all have come beside it."""

    bucket_seconds: int = Field(
        default=60, ge=1, le=DAY_SECONDS, description="Bucket length; divides a day."
    )
    max_out_of_orderness_seconds: float = Field(
        default=5.0, ge=0, le=DAY_SECONDS, description="How far events may be out of order."
    )
    idle_timeout_seconds: float = Field(
        default=10.0, gt=0, description="A partition without records for so long is idle."
    )
    max_future_skew_seconds: float = Field(
        default=60.0, ge=0, description="How far event time may be ahead of the record's."
    )
    window_buckets: int = Field(
        default=2016, ge=2, le=100_000, description="Closed buckets kept per genre."
    )
    horizon: int = Field(default=12, ge=1, le=1000, description="Buckets to forecast ahead.")
    quantiles: Annotated[tuple[float, ...], NoDecode] = Field(
        default=(0.1, 0.25, 0.5, 0.75, 0.9),
        description="Quantile levels, ascending, between 0 and 1.",
    )
    max_genres: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Genres past these count as (other)."
    )
    genre_share: Annotated[str, AfterValidator(check_share)] | None = Field(
        default=None,
        description="Count only this share of the genres, such as 2/4: the second of four "
        "deployments of one clicks topic.",
    )
    max_event_bytes: int = Field(
        default=65_536,
        ge=64,
        le=MOST_EVENT_BYTES,
        description="Larger records are dead letters.",
    )
    max_partition_drift_buckets: int = Field(
        default=10, ge=1, description="A partition further ahead of the watermark is paused."
    )
    max_poll_records: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Most records taken at once."
    )
    reader: Literal["auto", "public"] = Field(
        default="auto",
        description="How fetched records are read: auto, by whole batches where the Kafka client "
        "allows it; public, by its poll() alone, which costs about three times as much.",
    )
    dedup: bool = Field(
        default=False,
        description="Count an event id once per bucket and partition; costs memory per event.",
    )
    dead_letter_max_ratio: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Pause when more of the last 10,000 records are dead letters; 1 never does.",
    )
    group_instance_id: Annotated[
        str | None, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}$")
    ] = Field(
        default=None,
        description="A consumer's own name in the group: back within session_timeout_seconds, it "
        "gets its partitions back and nobody else's move. Unset: it leaves when it ends.",
    )
    standby: bool = Field(
        default=False,
        description="Have the model in memory where another member forecasts, too: taking over is "
        "quicker, each member some 600 MB larger.",
    )
    session_timeout_seconds: float = Field(
        default=10.0, ge=1, description="A consumer silent for so long is given up."
    )
    transaction_timeout_seconds: float = Field(
        default=10.0, ge=1, description="A hanging forecast transaction is aborted after this."
    )
    holidays: Annotated[tuple[datetime, ...], NoDecode] = Field(
        default=(),
        max_length=1_000,
        description="Days that are like Sundays: ISO dates (UTC), or when each begins.",
    )
    model_dir: Path | None = Field(
        default=None, description="Directory of a trained model; the shipped one when unset."
    )
    auto_promote: bool = Field(
        default=False, description="Promote a candidate by itself once it has won in shadow."
    )
    promote_margin: float = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="How much lower its weighted quantile loss must be for that, as a share.",
    )
    promote_after_buckets: int | None = Field(
        default=None,
        ge=1,
        description="Buckets in shadow before that; unset: a day of them, at least 200.",
    )
    rollback_seconds: float = Field(
        default=86_400.0,
        ge=0,
        description="A former champion goes on in shadow for so long: `rollback` is exact then.",
    )
    health_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Serve /healthz, /readyz and /metrics here when set.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level to log."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="console, a line for people; json, an object per line; auto, console on a "
        "terminal, json elsewhere.",
    )
    traces_url: SecretStr | None = Field(
        default=None,
        description="OpenTelemetry collector (OTLP over HTTP, such as http://collector:4318) that "
        "gets traces; OTEL_EXPORTER_OTLP_ENDPOINT when unset, none without either.",
    )
    traces_url_file: Path | None = Field(
        default=None, description="File that holds traces_url, where that has a password."
    )
    traces_batch_ratio: float = Field(
        default=0.01, ge=0, le=1, description="Share of applied batches that are traced."
    )

    @field_validator("quantiles", mode="before")
    @classmethod
    def _split_quantiles(cls, value: Any) -> Any:  # noqa: ANN401 (raw text or numbers)
        if isinstance(value, str):
            return tuple(value.replace(",", " ").split())
        return value

    @field_validator("holidays", mode="before")
    @classmethod
    def _split_holidays(cls, value: Any) -> Any:  # noqa: ANN401 (raw text or moments)
        if isinstance(value, str):
            # Not pydantic's own reading: it takes 20261225 for seconds since 1970.
            return tuple(map(datetime.fromisoformat, value.replace(",", " ").split()))
        return value

    @field_validator("quantiles")
    @classmethod
    def _quantiles_ascend(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        is_ascending = all(a < b for a, b in itertools.pairwise(levels))
        if not levels or not is_ascending or levels[0] <= 0 or levels[-1] >= 1:
            raise ValueError("must be ascending levels between 0 and 1, such as 0.1 0.5 0.9")
        return levels

    @field_validator("holidays")
    @classmethod
    def _holidays_are_moments(cls, begins: tuple[datetime, ...]) -> tuple[datetime, ...]:
        return tuple(b.replace(tzinfo=UTC) if b.tzinfo is None else b for b in begins)

    @field_validator("bucket_seconds")
    @classmethod
    def _bucket_divides_a_day(cls, seconds: int) -> int:
        if DAY_SECONDS % seconds:
            raise ValueError(f"must divide a day ({DAY_SECONDS} s), such as 60, 300, 900 or 3600")
        return seconds

    @field_validator("traces_url")
    @classmethod
    def _collector_speaks_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_collector_url(url.get_secret_value())
        return url

    @property
    def bucket_ms(self) -> int:
        """Bucket length in milliseconds."""
        return self.bucket_seconds * 1000

    @property
    def max_out_of_orderness_ms(self) -> int:
        """How far behind the largest event time the watermark stays, ms."""
        return to_ms(self.max_out_of_orderness_seconds)

    @property
    def max_future_skew_ms(self) -> int:
        """How far an event time may be ahead of its record's timestamp, ms."""
        return to_ms(self.max_future_skew_seconds)

    @property
    def idle_timeout_ms(self) -> int:
        """A partition without records for so long is idle, ms."""
        return to_ms(self.idle_timeout_seconds)

    @property
    def holidays_ms(self) -> tuple[int, ...]:
        """When each holiday begins, epoch ms."""
        return tuple(to_ms(begin.timestamp()) for begin in self.holidays)

    @property
    def rollback_ms(self) -> int:
        """How long a former champion goes on in shadow, ms."""
        return to_ms(self.rollback_seconds)

    @property
    def shadow_buckets(self) -> int:
        """Buckets that a candidate must have been compared on before it may promote itself."""
        if self.promote_after_buckets is not None:
            return self.promote_after_buckets
        return max(LEAST_SHADOW_BUCKETS, DAY_SECONDS // self.bucket_seconds)

    @property
    def quantile_names(self) -> tuple[str, ...]:
        """The levels as the published messages spell them."""
        return tuple(f"{level:g}" for level in self.quantiles)


class Settings(AlertSettings, TasteSettings, _Settings):
    """Everything that a deployment can set; the defaults suit a local stack."""

    @model_validator(mode="after")
    def _alerts_have_intervals(self) -> Self:
        if self.alerts == "all" and len(self.quantiles) < 2:
            raise ValueError("alerts = all takes two quantiles: the ends of an interval")
        return self


class OpenTelemetrySettings(BaseSettings):
    """OpenTelemetry's own variables that say whether anything is sent; its SDK reads the others."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", extra="ignore", frozen=True)

    sdk_disabled: bool = False
    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""

    @property
    def endpoint(self) -> str:
        """Where traces are to go; empty for nowhere."""
        return self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint


def check_collector_url(url: str) -> str:
    """Return the URL of a collector.

    Raises:
        ValueError: It is none; the URL is not repeated, it may hold a password.
    """
    if not _HTTP_URL.fullmatch(url):
        raise ValueError("must be http:// or https:// and a host: http://collector:4318")
    return url
