"""The file of thresholds: what it may say, and what is told of one that is wrong."""

from pathlib import Path

import pytest

from contracts.thresholds import MOST_BYTES, Threshold, read_thresholds


def read(folder: Path, content: str | bytes) -> tuple[Threshold, ...]:
    path = folder / "levels.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_thresholds(path, horizon=12, quantiles=("0.1", "0.9"))


def test_genres_are_spelled_as_events_have_them(tmp_path: Path) -> None:
    text = '[[threshold]]\ngenre = " Crime"\nabove = 5000\nof = "0.9"\nwithin = 6\n'
    (one,) = read(tmp_path, text)
    assert one == Threshold(genre="crime", above=5000, of="0.9", within=6)


def test_an_empty_file_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("threshold = 3", "threshold: Input should be"),
        ("[[threshold", "is no TOML"),
        (b"\xff\xfe", "is not UTF-8"),
        ("#" * (MOST_BYTES + 1), "is larger than"),
        ('[[threshold]]\ngenre = "crime"', "threshold.1: above or below"),
        ('[[threshold]]\ngenre = ""\nabove = 1', "threshold.1.genre"),
        ('[[threshold]]\ngenre = "x"\nabove = nan', "threshold.1.above"),
        ('[[threshold]]\ngenre = "x"\nabove = inf', "threshold.1.above"),
        ('[[threshold]]\ngenre = "x"\nabove = -1', "threshold.1.above"),
        ('[[threshold]]\ngenre = "x"\nabove = 1\nbelow = 2', "above must be higher than below"),
        ('[[threshold]]\ngenre = "x"\nabove = 1\nlevel = 2', "threshold.1.level: Extra inputs"),
        ('[[threshold]]\ngenre = "x"\nabove = 1\nof = "0.5"', "of = '0.5' is none of mean, 0.1"),
        ('[[threshold]]\ngenre = "x"\nabove = 1\nwithin = 13', "within = 13, the horizon is 12"),
        ('[[threshold]]\ngenre = "x"\nabove = 1\n[[threshold]]\ngenre = "X"\nabove = 2',
         "genre 'x' has two levels above"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_told_where(
    tmp_path: Path, content: str | bytes, told: str
) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (the text is what is tested)
        read(tmp_path, content)
    assert told in str(refused.value)
    assert "levels.toml" in str(refused.value)
