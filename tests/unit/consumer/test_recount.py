"""Counting the log once more: what was sent again counts where it is now."""

from consumer.broker.topic_log import Stretch
from consumer.recount import aggregate_log, without_replayed
from tests.unit.consumer.test_aggregate import SETTINGS, A, C, click


def test_a_letter_that_was_sent_again_neither_counts_nor_moves_the_watermark() -> None:
    letter, sound, again = click(0, C), click(1, A), click(2, C)
    log = [Stretch(0, 0, 3, [letter, sound, again]), Stretch(1, 0, 1, [click(0, C)])]
    found = list(aggregate_log(without_replayed(log, {0: {0}}), SETTINGS, {}))
    (_, first), (_, second) = found
    assert (first.batch.counted, first.batch.late) == (2, 0), "with the letter the next were late"
    assert (first.batch.expected_offset, first.batch.next_offset) == (0, 3)
    assert second.batch.counted == 1
