import json
from pathlib import Path

import pytest

from bench import venvs
from bench.consumers import thin
from bench.filling import Shape, values
from bench.lab import START_MS
from bench.venvs import PeerMissingError, find_uv, python_of
from contracts.events import ClickEvent


@pytest.mark.parametrize("size", [101, 115, 150, 5_000])
def test_events_are_valid_and_of_the_size_asked_for(size: int) -> None:
    made = list(values(Shape(50, value_bytes=size, start_ms=START_MS)))
    assert {len(value) for value in made} == {size}
    for value in made:
        ClickEvent.model_validate_json(value)


def test_events_are_in_order_over_their_span() -> None:
    times = [json.loads(v)["event_time"] for v in values(Shape(11, start_ms=1_000, span_ms=100))]
    assert times == list(range(1_000, 1_101, 10))


def test_an_event_has_as_many_different_genres_as_asked_for() -> None:
    for value in values(Shape(200, genres=5, per_event=3, value_bytes=200)):
        assert len(set(json.loads(value)["genres"])) == 3


def test_genres_are_as_many_as_asked_for_the_first_the_most_clicked() -> None:
    seen = [json.loads(value)["genres"][0] for value in values(Shape(5_000, genres=10))]
    counts = {genre: seen.count(genre) for genre in set(seen)}
    assert len(counts) == 10
    assert max(counts, key=lambda genre: counts[genre]) == "g00000"


def test_a_series_is_thinned_evenly_and_keeps_its_end() -> None:
    points = [(float(n), float(n)) for n in range(10)]
    assert thin(points, 4) == ((0.0, 0.0), (3.0, 3.0), (6.0, 6.0), (9.0, 9.0))
    assert thin(points, 10) == tuple(points)
    assert thin([], 5) == ()


def test_a_peer_without_uv_is_missing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venvs, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PeerMissingError, match="no uv"):
        find_uv()


def test_a_peer_that_cannot_be_installed_is_missing_with_the_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / ".cache" / "uv-1" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text('#!/bin/sh\n[ "$1" = venv ] && exit 0\necho "no wheel for it" >&2; exit 1\n')
    uv.chmod(0o755)
    monkeypatch.setattr(venvs, "ROOT", tmp_path)
    monkeypatch.setattr(venvs, "HOME", tmp_path / "peers")
    with pytest.raises(PeerMissingError, match="no wheel for it"):
        python_of("bytewax")
