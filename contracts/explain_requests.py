"""What `genrecast serve` says to the process that explains for it, and what that answers.

Lines of JSON: first the settings, then a request and its reply in turns. On a pipe, not on a
command line or in the environment: among the settings are secrets.
"""

from pathlib import Path
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from contracts.explanations import Explanation
from contracts.forecasts import GenreForecast
from contracts.options import REDIS_CONNECTION
from contracts.settings import Settings

EXPLAINING: Final = (
    "app",
    *REDIS_CONNECTION,
    "bucket_seconds",
    "window_buckets",
    "holidays",
    "model_dir",
)
"""Settings that explaining takes, beside those that the forecast itself tells."""

REQUESTS_OPTION: Final = "--requests"
"""Has `genrecast explain` read them."""


class ExplainRequest(BaseModel):
    """A published forecast, and which steps of it are to be explained."""

    model_config = ConfigDict(frozen=True)

    forecast: GenreForecast
    step: int | None = Field(default=None, ge=1, description="One step; all of them when null.")


class ExplainReply(BaseModel):
    """What became of a request.

    Attributes:
        status: `done`; `refused`, this forecast can't be explained; `failed`, not now.
        detail: Why it can't.
        explanation: When it is done.
    """

    model_config = ConfigDict(frozen=True)

    status: Literal["done", "refused", "failed"]
    detail: str = ""
    explanation: Explanation | None = None


def settings_line(settings: Settings) -> bytes:
    """Return the settings that explaining takes as one line, secrets in the open."""
    values = {name: _plain(getattr(settings, name)) for name in EXPLAINING}
    return orjson.dumps(values) + b"\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 (any setting)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value
