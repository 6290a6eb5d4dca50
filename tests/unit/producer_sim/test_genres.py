from pathlib import Path

import pytest

from contracts.options import ConfigurationError
from producer_sim.genres import BUILT_IN, load_genres


def write(folder: Path, text: str) -> Path:
    path = folder / "genres.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_there_are_a_dozen_genres_at_least() -> None:
    assert len(BUILT_IN) >= 12


def test_a_file_needs_names_only(tmp_path: Path) -> None:
    genres = load_genres(write(tmp_path, '[{"name": "Crime", "share": 3}, {"name": "War"}]'))
    assert [(genre.name, genre.share) for genre in genres] == [("Crime", 3.0), ("War", None)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[]", "at least 1 item"),
        ("[{", "JSON"),
        ('[{"name": "a", "peak": 3}]', "0.peak"),
        ('[{"name": "a"}, {"name": "b", "share": -1}]', "1.share"),
        ('[{"name": "Crime"}, {"name": " crime"}]', "there twice"),
        ('[{"name": "  "}]', "blank"),
    ],
)
def test_a_wrong_file_is_refused_naming_what_is_wrong(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        load_genres(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json"):
        load_genres(tmp_path / "none.json")
