"""Every input has its cause, and what is divided adds up to what it was."""

import numpy as np
import pytest
from numpy.typing import NDArray

from model.calendar import CALENDAR
from model.causes import (
    COMPARED,
    CONTEXT,
    RECENT,
    STEP_COMPARED,
    STEP_CONTEXT,
    WHOLE,
    Piece,
    Reference,
    ordinary_features,
    ordinary_steps,
    pieces_of_features,
    pieces_of_steps,
)
from model.features import FEATURES, STEP_FEATURES

Float32 = NDArray[np.float32]

STEPS = 4


def noise(rows: int, columns: int) -> Float32:
    return np.random.default_rng(rows).normal(size=(rows, columns)).astype(np.float32)


def sums(pieces: list[Piece], rows: int, columns: int) -> Float32:
    found = np.zeros((rows, columns), np.float32)
    for piece in pieces:
        found[:, piece.column] += piece.way
    return found


def test_every_input_is_in_one_table() -> None:
    assert sorted([*CONTEXT, *RECENT, *WHOLE, *COMPARED]) == sorted(FEATURES)
    steps = [*STEP_CONTEXT, *STEP_COMPARED, *CALENDAR, "reference_to_day_level"]
    assert sorted(steps) == sorted(STEP_FEATURES)


def test_pieces_of_an_input_add_up_to_its_whole_way() -> None:
    features, steps = noise(9, len(FEATURES)), noise(STEPS, len(STEP_FEATURES))
    ordinary, ordinary_ahead = ordinary_features(features), ordinary_steps(steps)
    found = sums(pieces_of_features(features, ordinary), 9, len(FEATURES))
    np.testing.assert_allclose(found, features - ordinary, atol=1e-5)
    departure = noise(STEPS, 1)[:, 0]
    reference = Reference(3.0, np.ones(STEPS, np.float32), departure, departure)
    pieces = pieces_of_steps(steps, ordinary_ahead, reference)
    found = sums(pieces, STEPS, len(STEP_FEATURES))
    np.testing.assert_allclose(found, steps - ordinary_ahead, atol=1e-5)


def test_an_ordinary_bucket_is_the_same_genre_with_its_usual_audience() -> None:
    features = noise(9, len(FEATURES))
    ordinary = ordinary_features(features)
    for name in CONTEXT:
        column = FEATURES.index(name)
        np.testing.assert_array_equal(ordinary[:, column], features[:, column])
    age = FEATURES.index("age")
    assert ordinary[:, age] == pytest.approx(features[:, age].mean())
    assert not ordinary[:, FEATURES.index("surprise")].any()
    assert not ordinary[:, [FEATURES.index(name) for name in CALENDAR]].any()


def test_an_evening_that_is_as_always_is_the_doing_of_earlier_days() -> None:
    features = np.zeros((1, len(FEATURES)), np.float32)
    for name in ("recent_to_day_level", "has_day"):
        features[:, FEATURES.index(name)] = 1.0
    pieces = pieces_of_features(features, ordinary_features(features))
    column = FEATURES.index("recent_to_day_level")
    by_cause = {piece.cause: float(piece.way[0]) for piece in pieces if piece.column == column}
    assert by_cause == {"recent": 0.0, "same_time": 1.0}


def test_a_genre_without_a_day_of_history_has_nothing_usual() -> None:
    features = np.zeros((1, len(FEATURES)), np.float32)
    features[:, FEATURES.index("recent_to_day_level")] = 1.0
    pieces = pieces_of_features(features, ordinary_features(features))
    column = FEATURES.index("recent_to_day_level")
    by_cause = {piece.cause: float(piece.way[0]) for piece in pieces if piece.column == column}
    assert by_cause == {"recent": 1.0, "same_time": 0.0}
