"""Settings of the HTTP service, beside those that every part of a deployment has."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from contracts.settings import Settings

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")

LEAST_TOKEN_LENGTH: Final = 16
"""Shortest token, characters: what is shorter can be tried out."""


class ServeSettings(Settings):
    """What `genrecast serve` takes beside the deployment's settings."""

    serve_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 for all."
    )
    serve_port: int = Field(default=8080, ge=0, le=65_535, description="Port; 0 takes a free one.")
    serve_token: SecretStr | None = Field(
        default=None, description="Bearer token that /v1 and /metrics ask for; open when unset."
    )
    serve_token_file: Path | None = Field(default=None, description="File that holds the token.")
    serve_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins whose pages may read (CORS), such as https://a.example."
    )
    serve_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Addresses of proxies whose X-Forwarded-For is believed."
    )
    serve_board_megabytes: int = Field(
        default=128, ge=1, le=65_536, description="Memory for the buckets kept, MB."
    )
    serve_max_connections: int = Field(
        default=2_000, ge=1, le=100_000, description="Most connections at once."
    )
    serve_max_connections_per_address: int = Field(
        default=200, ge=1, le=100_000, description="Most of them from one address."
    )
    serve_requests_per_second: float = Field(
        default=50.0,
        gt=0,
        description="Requests per second and address, ten seconds' worth at once.",
    )
    serve_header_seconds: float = Field(
        default=10.0, gt=0, description="How long a request may take to arrive."
    )
    serve_write_seconds: float = Field(
        default=30.0, gt=0, description="A reader that takes nothing for so long is let go."
    )
    serve_max_buckets_behind: int = Field(
        default=8, ge=1, description="A live reader further behind gets the newest, and a gap."
    )

    serve_explore_ratio: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="How often a recommendation's last place goes to a genre new to the user.",
    )
    serve_show_clicks_per_second: int = Field(
        default=1_000,
        ge=0,
        le=100_000,
        description="Most clicks read per second to rate shows, the rest is skipped; 0: none.",
    )
    serve_log_recommendations: bool = Field(
        default=True, description="Write each recommendation answered to topic_recommendations."
    )

    @field_validator("serve_allowed_origins", "serve_trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:  # noqa: ANN401 (raw text or names)
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("serve_allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("must be origins such as https://example.org:8443, without a path")
        return origins

    @field_validator("serve_trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ipaddress.ip_network(proxy)
        return proxies

    @field_validator("serve_token")
    @classmethod
    def _token_is_long(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            check_token(token.get_secret_value())
        return token

    @property
    def board_bytes(self) -> int:
        """Memory for the buckets kept, bytes."""
        return self.serve_board_megabytes * 1_000_000


def check_token(token: str) -> str:
    """Return the token.

    Raises:
        ValueError: It is too short, or can't be in a header.
    """
    if len(token) < LEAST_TOKEN_LENGTH or not token.isascii() or not token.isprintable():
        raise ValueError(f"must be {LEAST_TOKEN_LENGTH} or more printable ASCII characters")
    return token
