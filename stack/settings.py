"""Settings of the local stack, and the only place in it that reads the environment."""

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX: Final = "GENRECAST_"


class StackSettings(BaseSettings):
    """Where programs and files come from and go to; the defaults suit a fresh machine."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    maven_repository: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] = Field(
        default="https://repo1.maven.org/maven2",
        description="Maven repository that Kafka's jars are fetched from.",
    )
    cache_dir: Path | None = Field(
        default=None, description="Where fetched jars are kept; ~/.cache/genrecast when unset."
    )
    stack_dir: Path | None = Field(
        default=None,
        description="Data of Kafka and Redis; ~/.local/share/genrecast/stack when unset.",
    )
    kafka_heap_megabytes: int = Field(default=512, ge=128, description="Java heap of the broker.")
    stack_start_seconds: float = Field(
        default=60.0, gt=0, description="How long a part may take to answer."
    )
    java_home: Path | None = Field(
        default=None, validation_alias=AliasChoices("java_home", "JAVA_HOME")
    )
    search_path: str = Field(default="", validation_alias=AliasChoices("search_path", "PATH"))
    xdg_cache_home: Path | None = Field(
        default=None, validation_alias=AliasChoices("xdg_cache_home", "XDG_CACHE_HOME")
    )
    xdg_data_home: Path | None = Field(
        default=None, validation_alias=AliasChoices("xdg_data_home", "XDG_DATA_HOME")
    )

    @property
    def jar_dir(self) -> Path:
        """The directory of fetched jars."""
        shared = self.xdg_cache_home or Path.home() / ".cache"
        return (self.cache_dir or shared / "genrecast") / "jars"

    @property
    def data_dir(self) -> Path:
        """The directory of a stack that nobody named another one for."""
        shared = self.xdg_data_home or Path.home() / ".local" / "share"
        return self.stack_dir or shared / "genrecast" / "stack"


def child_environment() -> dict[str, str]:
    """Return the environment that Kafka and Redis are started with."""
    return dict(os.environ)  # noqa: TID251 (this module is the environment's home)
