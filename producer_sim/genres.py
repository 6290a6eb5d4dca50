"""Genres as traffic sees them: how big, when watched, by whom."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.events import Genre, normalise_genre
from contracts.options import ConfigurationError

ZIPF_EXPONENT: Final = 0.9
"""Share of the genre of rank r is proportional to r ** -ZIPF_EXPONENT where none is given."""


class GenreProfile(BaseModel):
    """One genre's traffic. Hours are UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Genre
    share: float | None = Field(default=None, gt=0, description="Relative size; by rank if absent.")
    peak_hour: float = Field(default=21.0, ge=0, lt=24, description="Hour of the evening peak.")
    peak_height: float = Field(default=1.2, ge=0, le=3, description="Log height of the peak.")
    weekend_factor: float = Field(default=1.2, gt=0, le=10, description="Weekend over weekday.")
    noise: float = Field(default=0.03, ge=0, le=1, description="Excess variance / squared rate.")
    premieres_per_week: float = Field(default=0.5, ge=0, le=1, description="Chance a week.")
    female_share: float = Field(default=0.52, ge=0, le=1, description="Share among its fans.")
    mean_age: float = Field(default=37.0, ge=10, le=100, description="Mean age of its fans.")


def _profile(name: str, *numbers: float) -> GenreProfile:
    fields = ("peak_hour", "peak_height", "weekend_factor", "noise", "female_share", "mean_age")
    return GenreProfile(name=name, **dict(zip(fields, numbers, strict=True)))


BUILT_IN: Final = (
    _profile("crime", 21.5, 1.4, 1.10, 0.03, 0.50, 41),
    _profile("romance", 20.0, 1.2, 1.25, 0.02, 0.71, 34),
    _profile("thriller", 22.0, 1.5, 1.30, 0.04, 0.46, 36),
    _profile("family", 18.5, 1.1, 1.60, 0.02, 0.58, 39),
    _profile("medical", 20.5, 1.3, 0.90, 0.02, 0.66, 38),
    _profile("mystery", 21.0, 1.3, 1.15, 0.03, 0.55, 43),
    _profile("science fiction", 22.5, 1.2, 1.35, 0.05, 0.35, 31),
    _profile("fantasy", 21.5, 1.2, 1.45, 0.05, 0.48, 28),
    _profile("historical", 20.0, 1.1, 1.20, 0.02, 0.57, 49),
    _profile("teen", 17.5, 1.0, 1.40, 0.06, 0.62, 19),
    _profile("legal", 21.0, 1.3, 0.85, 0.03, 0.53, 45),
    _profile("political", 22.0, 1.2, 0.75, 0.05, 0.44, 47),
    _profile("workplace", 19.5, 1.0, 0.80, 0.03, 0.52, 35),
    _profile("war", 22.0, 1.1, 1.25, 0.05, 0.28, 50),
)
"""Drama genres of a platform, largest first."""

_PROFILES: Final = TypeAdapter(Annotated[list[GenreProfile], Field(min_length=1)])


def load_genres(path: Path) -> tuple[GenreProfile, ...]:
    """Read a JSON list of `{"name": ..., "share": ..., "peak_hour": ..., ...}`.

    Only `name` is required; sizes follow Zipf's law by rank where no share is given.

    Raises:
        ConfigurationError: Naming the file, the entry and what is wrong.
    """
    try:
        profiles = _PROFILES.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"--genres {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"--genres {path}: {place}: {first['msg']}") from None
    names = [normalise_genre(profile.name) for profile in profiles]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigurationError(f"--genres {path}: {twice!r} is there twice (once normalised)")
    if not all(names):
        raise ConfigurationError(f"--genres {path}: a name is blank")
    return tuple(profiles)


def shares(genres: tuple[GenreProfile, ...]) -> list[float]:
    """Return each genre's part of all traffic; they sum to 1."""
    sizes = [
        (rank + 1) ** -ZIPF_EXPONENT if genre.share is None else genre.share
        for rank, genre in enumerate(genres)
    ]
    total = sum(sizes)
    return [size / total for size in sizes]
