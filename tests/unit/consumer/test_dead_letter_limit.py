"""When a share of dead letters pauses the pipeline."""

import pytest

from consumer.dead_letter_limit import LEAST_RECORDS, RECORDS_JUDGED, DeadLetterLimit
from consumer.errors import DeadLetterRatioError
from state.store import Batch


def batch(counted: int, dead_letters: int) -> Batch:
    return Batch(2, expected_offset=7, next_offset=9, counted=counted, dead_letters=dead_letters)


def test_a_share_at_the_limit_passes_and_one_more_is_refused_with_the_place_named() -> None:
    limit = DeadLetterLimit(0.5)
    limit.check(batch(LEAST_RECORDS, LEAST_RECORDS))
    with pytest.raises(DeadLetterRatioError, match="partition 2, from offset 7"):
        limit.check(batch(LEAST_RECORDS, LEAST_RECORDS + 1))


def test_few_records_are_no_sign() -> None:
    DeadLetterLimit(0.1).check(batch(0, LEAST_RECORDS - 1))


def test_what_was_refused_is_refused_again_and_does_not_count() -> None:
    limit = DeadLetterLimit(0.5)
    for _ in range(3):
        with pytest.raises(DeadLetterRatioError, match="1,001 of the last 1,001"):
            limit.check(batch(0, LEAST_RECORDS + 1))
    assert limit.refused == 2
    limit.check(batch(LEAST_RECORDS, 1))
    limit.add(batch(LEAST_RECORDS, 1))
    assert limit.refused is None


def test_another_partitions_records_do_not_end_the_pause() -> None:
    limit = DeadLetterLimit(0.5)
    with pytest.raises(DeadLetterRatioError):
        limit.check(batch(0, LEAST_RECORDS))
    limit.add(Batch(0, 0, 10, counted=10))
    assert limit.refused == 2


def test_once_warned_few_records_are_a_sign_so_no_restart_lets_them_through() -> None:
    limit = DeadLetterLimit(0.5, is_warned=True)
    with pytest.raises(DeadLetterRatioError):
        limit.check(batch(1, 2))
    limit.check(batch(2, 2))


def test_what_is_waved_on_passes_and_leaves_no_mark_on_the_ratio() -> None:
    limit = DeadLetterLimit(0.5)
    broken, next_one = (Batch(2, at, at + 5_000, dead_letters=5_000) for at in (7, 5_007))
    limit.wave_on(2, 5_007)
    limit.check(broken)
    limit.add(broken)
    assert limit.allowed([broken, next_one]) == 1
    with pytest.raises(DeadLetterRatioError, match="5,000 of the last 5,000"):
        limit.check(next_one)


def test_only_the_last_records_count() -> None:
    limit = DeadLetterLimit(0.5)
    limit.add(batch(0, 900))
    limit.add(batch(RECORDS_JUDGED, 0))
    limit.check(batch(0, RECORDS_JUDGED))
    with pytest.raises(DeadLetterRatioError):
        limit.check(batch(0, RECORDS_JUDGED + 1))


def test_sound_batch_passes_whatever_was_before() -> None:
    limit = DeadLetterLimit(0.0)
    limit.add(batch(10, LEAST_RECORDS))
    limit.check(batch(1, 0))


def test_limit_of_one_never_pauses() -> None:
    DeadLetterLimit(1.0).check(batch(0, 10 * LEAST_RECORDS))


def test_a_poll_is_allowed_up_to_the_batch_that_takes_the_share_over() -> None:
    limit = DeadLetterLimit(0.5)
    sound, dead = Batch(0, 0, 900, counted=900), Batch(1, 0, 1_000, dead_letters=1_000)
    assert limit.allowed([sound, sound, dead]) == 3
    assert limit.allowed([sound, dead, sound]) == 1
    assert limit.allowed([sound, sound]) == 2
    limit.add(sound)
    assert limit.allowed([dead]) == 0, "what was only asked about is not counted"
