"""Settings of the way to a deployment's Kafka and Redis, and of what is called how there."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.redis_url import parse_redis_url

ENVIRONMENT_PREFIX: Final = "GENRECAST_"
"""Every setting is also an environment variable: this prefix and the name in upper case."""

_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):(?P<port>[0-9]{1,5})")

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class ConnectionSettings(BaseSettings):
    """Where Kafka and Redis are, who we are to them, and the names of topics and keys."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )

    app: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        default="default", description="Name of the deployment: Redis keys, consumer group."
    )
    kafka_bootstrap: Annotated[str, Field(min_length=1)] = Field(
        default="localhost:9092", description="Kafka brokers, host:port, comma-separated."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to talk to Kafka."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="PLAIN", description="SASL mechanism, with a SASL protocol."
    )
    kafka_username: str | None = Field(default=None, description="SASL user name.")
    kafka_password: SecretStr | None = Field(default=None, description="SASL password.")
    kafka_password_file: Path | None = Field(
        default=None, description="File that holds the SASL password."
    )
    kafka_ca_file: Path | None = Field(
        default=None, description="CA certificates (PEM) to trust for Kafka."
    )
    kafka_certificate_file: Path | None = Field(
        default=None, description="Client certificate (PEM) for Kafka."
    )
    kafka_key_file: Path | None = Field(default=None, description="Client key (PEM) for Kafka.")
    redis_url: SecretStr = Field(
        default=SecretStr("redis://localhost:6379/0"),
        description="Redis: redis://, rediss:// (TLS), unix://, redis+sentinel://, redis+cluster://.",
    )
    redis_password_file: Path | None = Field(
        default=None, description="File that holds the Redis password."
    )
    redis_ca_file: Path | None = Field(
        default=None, description="CA certificates (PEM) to trust for Redis."
    )

    topic_clicks: TopicName = Field(default="clicks", description="Topic of click events.")
    topic_forecasts: TopicName = Field(
        default="genre-forecasts", description="Topic of forecasts, read it `read_committed`."
    )
    topic_buckets: TopicName = Field(
        default="genre-buckets", description="Topic of the bucket journal (one partition)."
    )
    topic_late: TopicName = Field(default="clicks-late", description="Topic of late events.")
    topic_dead_letter: TopicName = Field(
        default="clicks-dead-letter", description="Topic of records that are no click events."
    )
    topic_replayed: TopicName = Field(
        default="clicks-replayed", description="Topic that names the dead letters sent again."
    )
    topic_alerts: TopicName = Field(
        default="genre-alerts", description="Topic of alerts (one partition)."
    )
    topic_recommendations: TopicName = Field(
        default="genre-recommendations",
        description="Topic of the recommendations that were answered.",
    )

    @field_validator("kafka_bootstrap")
    @classmethod
    def _brokers_are_hosts_with_ports(cls, brokers: str) -> str:
        for broker in brokers.split(","):
            found = _BROKER.fullmatch(broker)
            if not found or not 0 < int(found["port"]) < 65_536:
                raise ValueError("must be host:port, or several of them with commas between")
        return brokers

    @field_validator("redis_url")
    @classmethod
    def _redis_is_found(cls, url: SecretStr) -> SecretStr:
        parse_redis_url(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        topics = [
            self.topic_clicks,
            self.topic_forecasts,
            self.topic_buckets,
            self.topic_late,
            self.topic_dead_letter,
            self.topic_replayed,
            self.topic_alerts,
            self.topic_recommendations,
        ]
        if len(set(topics)) != len(topics):
            raise ValueError("the topic_* settings must differ from one another")
        return self
