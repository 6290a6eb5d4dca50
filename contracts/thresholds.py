"""Thresholds of forecasts, from a file: which level of which genre is worth an alert."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contracts.events import MAX_TEXT_LENGTH, normalise_genre

EVERY_GENRE: Final = "*"
"""Stands for all genres that have no threshold of their own on that side."""

MEAN: Final = "mean"
"""What a threshold is held against unless it names a quantile."""

MOST_BYTES: Final = 4_000_000
"""Largest file of thresholds, bytes: a line or five for each of `max_genres`."""

Level = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Threshold(BaseModel):
    """Levels of one genre, or of all, in clicks per bucket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    genre: str = Field(min_length=1, max_length=MAX_TEXT_LENGTH)
    above: Level | None = None
    below: Level | None = None
    of: str = MEAN
    within: int | None = Field(default=None, ge=1)

    @field_validator("genre")
    @classmethod
    def _as_events_have_it(cls, genre: str) -> str:
        return normalise_genre(genre)

    @model_validator(mode="after")
    def _has_a_level(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("above or below, or both, must be given")
        if self.above is not None and self.below is not None and self.above <= self.below:
            raise ValueError("above must be higher than below")
        return self


class _ThresholdFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: tuple[Threshold, ...] = ()

    @field_validator("threshold")
    @classmethod
    def _one_a_side(cls, found: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
        seen: set[tuple[str, str]] = set()
        for one in found:
            for side in ("above", "below"):
                if getattr(one, side) is None:
                    continue
                if (one.genre, side) in seen:
                    raise ValueError(f"genre {one.genre!r} has two levels {side}")
                seen.add((one.genre, side))
        return found


def read_thresholds(
    path: Path, *, horizon: int, quantiles: tuple[str, ...]
) -> tuple[Threshold, ...]:
    """Return the thresholds of a TOML file.

    Args:
        path: The file.
        horizon: Steps that there are, for `within`.
        quantiles: Names of the levels that there are, for `of`.

    Raises:
        ValueError: It can't be read or says what can't be; the message names the entry.
    """
    try:
        found = _ThresholdFile.model_validate(tomllib.loads(_text(path))).threshold
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(p + 1) if isinstance(p, int) else p for p in first["loc"])
        raise ValueError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no TOML: {error}") from None
    for one in found:
        if one.of != MEAN and one.of not in quantiles:
            allowed = ", ".join((MEAN, *quantiles))
            raise ValueError(f"{path}: genre {one.genre!r}: of = {one.of!r} is none of {allowed}")
        if one.within is not None and one.within > horizon:
            raise ValueError(
                f"{path}: genre {one.genre!r}: within = {one.within}, the horizon is {horizon}"
            )
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
