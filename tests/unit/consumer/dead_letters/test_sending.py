"""Which letters are sent again, in what order, and what becomes of them.

Buckets are 10 s long, events may be 3 s out of order, the watermark of partition 0 is at 12 s, the
bucket of 0 s is closed.
"""

from collections.abc import Iterable

import pytest

from consumer.broker.transactions import Outgoing
from consumer.dead_letters.letters import Letter, Origin, Origins
from consumer.dead_letters.outlook import Outlook
from consumer.dead_letters.sending import TRANSACTION_LETTERS, Tally, send_again
from consumer.dedup import Seen, digest
from consumer.errors import FencedError
from state.store import Progress
from tests.contract.test_stores import settings_for
from tests.unit.consumer.dead_letters.making import event, letter

NOW_MS = 60_000


def outlook(
    *replayed: int, closed_ms: int | None = 0, seen: dict[int, Seen] | None = None
) -> Outlook:
    origins = Origins()
    for offset in replayed:
        origins.add(Origin("clicks", 0, offset))
    progress = Progress(
        offsets={0: 5_000}, watermarks={0: 12_000}, restored_cut={}, idle_until={},
        closed_ms=closed_ms, published_ms=closed_ms, global_watermark_ms=12_000, is_live=True,
    )  # fmt: skip
    return Outlook(settings_for(), progress, origins, 1, seen or {})


def sent(
    letters: Iterable[Letter], judge: Outlook, limit: int | None = None
) -> tuple[Tally, list[list[Outgoing]]]:
    tally, transactions = Tally(), list[list[Outgoing]]()
    send_again(letters, judge, tally, write=transactions.append, now_ms=lambda: NOW_MS, limit=limit)
    return tally, transactions


def clicks_of(transaction: list[Outgoing]) -> list[bytes | None]:
    return [record.value for record in transaction if record.topic == "clicks"]


def test_what_becomes_of_letters_is_what_the_consumers_would_make_of_them() -> None:
    letters = [
        letter(1, event(13_000)),
        letter(2, event(9_000)),
        letter(3, b"{"),
        letter(4, event(NOW_MS + 3_600_000)),
    ]
    tally, _ = sent(letters, outlook())
    assert tally.outcomes == {"counted": 1, "late": 1, "refused": 2}
    assert tally.refusals == {
        "value: not JSON": 1,
        "event_time: N s ahead of the record's timestamp, more than allowed": 1,
    }
    assert tally.sent == 2


def test_an_event_of_a_bucket_that_closed_ahead_of_its_partition_is_late() -> None:
    tally, _ = sent([letter(1, event(13_000))], outlook(closed_ms=10_000))
    assert tally.outcomes == {"late": 1}


def test_with_dedup_an_event_that_is_counted_already_is_told() -> None:
    seen = {0: Seen({10_000: digest("known")})}
    judge = outlook(seen=seen)
    judge.settings = settings_for(dedup=True)
    letters = [letter(n, event(13_000, name)) for n, name in enumerate(("known", "new", "new"))]
    tally, _ = sent(letters, judge)
    assert tally.outcomes == {"counted": 1, "duplicate": 2}


def test_what_is_not_ours_to_send_is_told_apart() -> None:
    value = event(13_000)
    letters = [
        letter(1, value),
        letter(2, value, origin=None),
        letter(3, value, origin=Origin("others", 0, 3)),
        letter(4, value, origin=Origin("clicks", 1, 4)),
        letter(5, value, cut_from_bytes=9_000),
        letter(6, value, origin=Origin("clicks", 0, 7)),
        letter(7, value),
        letter(5_000, value),
    ]
    tally, transactions = sent(letters, outlook(1))
    assert tally.outcomes == {
        "replayed": 1, "unknown": 1, "elsewhere": 2, "cut": 1, "counted": 1, "copy": 1,
        "unsettled": 1,
    }  # fmt: skip
    assert len(transactions) == 1


def test_a_letter_that_the_topic_is_too_small_for_is_left_out_and_the_others_are_sent() -> None:
    judge = outlook()
    judge.settings = settings_for(max_event_bytes=5_000)
    judge.max_record_bytes = 2_000
    large = event(50_000, "large", padding="x" * 2_000)
    letters = [letter(1, large), letter(2, event(13_000)), letter(3, b"{" * 2_000)]
    tally, [transaction] = sent(letters, judge)
    assert tally.outcomes == {"too_large": 1, "counted": 1, "refused": 1}
    assert clicks_of(transaction) == [event(13_000)]
    assert tally.sent == 1


def test_a_record_goes_to_its_old_partition_as_it_was_beside_its_name_on_the_ledger() -> None:
    value = event(13_000)
    _, [[record, entry]] = sent([letter(7, value)], outlook())
    assert record == (
        "clicks", value, b"user", 0, (("genrecast-replay-of", b"clicks/0/7"),),
    )  # fmt: skip
    assert (entry.topic, entry.key, entry.partition) == ("clicks-replayed", b"clicks/0/7", 0)
    assert dict(entry.headers)["genrecast-dead-letter"] == b"0:7"


def test_records_are_sent_in_the_order_they_had_so_none_makes_another_late() -> None:
    early, later = letter(1, event(13_000)), letter(2, event(50_000))
    tally, [transaction] = sent([later, early], outlook())
    assert tally.outcomes == {"counted": 2}
    assert clicks_of(transaction) == [early.value, later.value]


def test_transactions_are_cut_and_a_limit_is_kept() -> None:
    letters = [letter(n, event(13_000)) for n in range(2 * TRANSACTION_LETTERS + 10)]
    tally, transactions = sent(letters, outlook())
    assert [len(clicks_of(t)) for t in transactions] == [500, 500, 10]
    assert tally.is_complete
    tally, transactions = sent(letters, outlook(), limit=600)
    assert [len(clicks_of(t)) for t in transactions] == [500, 100]
    assert (tally.sent, tally.is_complete) == (600, False)


def test_a_stop_ends_between_two_transactions() -> None:
    letters = [letter(n, event(13_000)) for n in range(TRANSACTION_LETTERS + 1)]
    tally, written = Tally(), list[list[Outgoing]]()
    send_again(
        letters, outlook(), tally, write=written.append, now_ms=lambda: NOW_MS,
        should_stop=lambda: bool(written),
    )  # fmt: skip
    assert (len(written), tally.sent, tally.is_complete) == (1, TRANSACTION_LETTERS, False)


def test_what_was_fenced_is_not_told_as_sent() -> None:
    tally = Tally()

    def fenced(_records: list[Outgoing]) -> None:
        raise FencedError("another replay took over")

    with pytest.raises(FencedError):
        send_again(
            [letter(1, event(13_000))], outlook(), tally, write=fenced, now_ms=lambda: NOW_MS
        )
    assert tally.sent == 0
