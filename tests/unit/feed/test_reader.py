"""What one reader of the stream is sent: snapshot, resume, conflation."""

import json
from typing import Any

from feed.serve.service import Service
from feed.serve.stream import Reader
from tests.unit.feed.making import MINUTE, at, kept, service

Sent = list[tuple[int, dict[str, Any] | None]]


def take(reader: Reader, most: int = 100) -> Sent:
    """Take buckets until there are none: each one's start, and the gap before it."""
    taken: Sent = []
    for _ in range(most):
        gap, bucket = reader.advance()
        if bucket is None:
            assert gap is None
            break
        told = None if gap is None else json.loads(gap.partition(b"data: ")[2])
        taken.append((bucket.start_ms, told))
    return taken


def publish(to: Service, *numbers: int) -> None:
    for number in numbers:
        to.add(kept(number))


def test_a_new_reader_begins_with_the_newest_bucket() -> None:
    found = service(0, 1, 2)
    reader = Reader(found, None, None)
    assert take(reader) == [(at(2), None)]
    publish(found, 3)
    assert take(reader) == [(at(3), None)]


def test_a_reader_waits_until_the_board_is_filled() -> None:
    found = service(0)
    found.is_filled = False
    reader = Reader(found, None, at(0))
    publish(found, 1)
    assert take(reader) == []
    found.filled()
    assert take(reader) == [(at(1), None)]


def test_resuming_sends_all_that_is_kept_since_then() -> None:
    found = service(*range(30), serve_max_buckets_behind=2)
    reader = Reader(found, None, at(9))
    assert take(reader) == [(at(number), None) for number in range(10, 30)]


def test_resuming_from_what_is_no_longer_kept_is_told_by_a_gap() -> None:
    found = service(*range(10, 20))
    gap = {"from": at(6), "to": at(18), "buckets": 13}
    assert take(Reader(found, None, at(5))) == [(at(19), gap)]
    assert found.conflated == 13


def test_resuming_right_before_the_oldest_kept_bucket_has_no_gap() -> None:
    found = service(10, 11)
    assert take(Reader(found, None, at(9))) == [(at(10), None), (at(11), None)]


def test_an_id_that_is_yet_to_come_begins_with_the_newest() -> None:
    assert take(Reader(service(0, 1), None, at(500))) == [(at(1), None)]


def test_a_live_reader_a_little_behind_gets_every_bucket() -> None:
    found = service(0, serve_max_buckets_behind=3)
    reader = Reader(found, None, None)
    assert take(reader) == [(at(0), None)]
    publish(found, 1, 2, 3)
    assert take(reader) == [(at(1), None), (at(2), None), (at(3), None)]


def test_a_live_reader_far_behind_gets_the_newest_and_a_gap() -> None:
    found = service(0, serve_max_buckets_behind=3)
    reader = Reader(found, None, None)
    take(reader)
    publish(found, 1, 2, 3, 4)
    assert take(reader) == [(at(4), {"from": at(1), "to": at(3), "buckets": 3})]
    assert found.conflated == 3
    publish(found, 5)
    assert take(reader) == [(at(5), None)]


def test_the_standing_is_told_once_and_at_each_change() -> None:
    found = service(0)
    reader = Reader(found, None, None)
    first = reader.standing()
    assert first is not None
    assert json.loads(first.partition(b"data: ")[2]) == {"is_stale": False, "problem": None}
    assert reader.standing() is None
    found.trouble("kafka", "Kafka does not answer")
    second = reader.standing()
    assert second is not None
    assert json.loads(second.partition(b"data: ")[2])["is_stale"] is True


def test_without_buckets_for_long_the_standing_is_stale() -> None:
    found = service(0)
    emitted = found.board.newest
    assert emitted is not None
    found.wall_clock_ms = lambda: emitted.emitted_at_ms + 2 * MINUTE + 15_000
    found.refresh()
    before = found.standing
    found.wall_clock_ms = lambda: emitted.emitted_at_ms + 2 * MINUTE + 15_001
    found.refresh()
    assert (before.is_stale, found.standing.is_stale) == (False, True)
    assert "no bucket" in (found.standing.problem or "")


def test_a_reader_of_some_genres_gets_those_and_the_bucket() -> None:
    found = service(0)
    newest = found.board.newest
    assert newest is not None
    sent = b"".join(Reader(found, {"noir", "unknown"}, None).blocks(newest)).decode()
    events = [dict(line.split(": ", 1) for line in e.split("\n")) for e in sent.split("\n\n")[:-1]]
    assert [event["event"] for event in events] == ["forecast", "bucket"]
    assert json.loads(events[0]["data"])["genre"] == "noir"
    assert events[1]["id"] == str(at(0))
    assert json.loads(events[1]["data"]) == {"bucket_start": at(0), "genres": 1}
