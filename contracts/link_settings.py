"""Settings of the links to Kafka and Redis: where they are, who we are there, whom we trust."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.redis_url import parse_redis_url

ENVIRONMENT_PREFIX: Final = "GENRECAST_"
"""Every setting is also an environment variable: this prefix and the name in upper case."""

_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):(?P<port>[0-9]{1,5})")


class LinkSettings(BaseSettings):
    """What every client of Kafka and Redis takes. A secret `x` may come from a file: `x_file`."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_file=".env",
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        env_ignore_empty=True,
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
    redis_url_file: Path | None = Field(
        default=None, description="File that holds the URL of Redis, with its password."
    )
    redis_password_file: Path | None = Field(
        default=None, description="File that holds the Redis password alone."
    )
    redis_ca_file: Path | None = Field(
        default=None, description="CA certificates (PEM) to trust for Redis."
    )
    redis_certificate_file: Path | None = Field(
        default=None, description="Client certificate (PEM) for Redis."
    )
    redis_key_file: Path | None = Field(default=None, description="Client key (PEM) for Redis.")
    redis_sentinel_username: str | None = Field(
        default=None, description="ACL user at the sentinels, where they have one."
    )
    redis_sentinel_password: SecretStr | None = Field(
        default=None, description="Password of the sentinels; they have their own."
    )
    redis_sentinel_password_file: Path | None = Field(
        default=None, description="File that holds the sentinels' password."
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
    def _secrets_are_given_once(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        twice = [name for name in sorted(given) if f"{name}_file" in given]
        if twice:
            names = " and ".join(
                ENVIRONMENT_PREFIX + n.upper() for n in (twice[0], f"{twice[0]}_file")
            )
            raise ValueError(f"{names} are both set: keep one")
        return self

    @model_validator(mode="after")
    def _certificates_have_keys(self) -> Self:
        for link in ("kafka", "redis"):
            certificate, key = (
                getattr(self, f"{link}_{part}_file") for part in ("certificate", "key")
            )
            if key is not None and certificate is None:
                names = (
                    f"{ENVIRONMENT_PREFIX}{link.upper()}_{part}_FILE"
                    for part in ("KEY", "CERTIFICATE")
                )
                raise ValueError("{} is of no use without {}".format(*names))
        return self
