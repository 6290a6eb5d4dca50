"""What is kept in memory, and for how long."""

import json
from dataclasses import replace

from feed.serve.board import READY_BUCKETS, Board
from feed.serve.kept import keep
from tests.unit.feed.making import at, bucket, kept


def board(*numbers: int, budget_bytes: int = 1_000_000, most_buckets: int = 100) -> Board:
    made = Board(budget_bytes, most_buckets)
    for number in numbers:
        assert made.add(kept(number))
    return made


def test_messages_come_back_as_they_were_on_the_topic() -> None:
    whole = bucket(0)
    assert tuple(keep(whole).messages()) == whole.messages


def test_a_bucket_is_found_by_any_moment_in_it() -> None:
    made = board(0, 1, 3)
    found = [made.at(at(1) - 1), made.at(at(1)), made.at(at(2) - 1)]
    assert [one and one.start_ms for one in found] == [at(0), at(1), at(1)]
    assert made.at(at(0) - 1) is None
    assert made.at(at(2)) is None
    assert made.at(at(4)) is None


def test_the_oldest_go_when_the_budget_is_used_up() -> None:
    size = kept(0).nbytes
    made = board(0, 1, 2, 3, budget_bytes=2 * size + size // 2)
    assert [one.start_ms for one in made] == [at(2), at(3)]
    assert made.nbytes <= made.budget_bytes


def test_fewer_buckets_are_kept_where_there_are_more_genres() -> None:
    few, many = ["crime"], [f"genre {n}" for n in range(50)]
    budget = 20 * kept(0, few).nbytes
    made_few, made_many = Board(budget, 100), Board(budget, 100)
    for number in range(40):
        made_few.add(kept(number, few))
        made_many.add(kept(number, many))
    assert len(made_few) > len(made_many)
    assert max(made_few.nbytes, made_many.nbytes) <= budget


def test_the_newest_bucket_stays_even_when_it_alone_is_too_large() -> None:
    made = board(0, 1, budget_bytes=1)
    assert [one.start_ms for one in made] == [at(1)]


def test_no_more_buckets_than_the_window_has() -> None:
    assert [one.start_ms for one in board(0, 1, 2, most_buckets=2)] == [at(1), at(2)]


def test_a_bucket_that_is_not_newer_is_refused() -> None:
    made = board(0, 2)
    assert not made.add(kept(2))
    assert not made.add(kept(1))
    assert [one.start_ms for one in made] == [at(0), at(2)]


def test_events_are_the_same_bytes_for_all_who_read_all_genres() -> None:
    made = board(0)
    newest = made.newest
    assert newest is not None
    first, second = (made.events(newest).blocks(None) for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_events_of_old_buckets_are_not_held() -> None:
    made = board(*range(READY_BUCKETS + 5))
    for one in made:
        made.events(one)
    assert len(made._ready) == READY_BUCKETS


def test_a_message_with_line_breaks_is_still_one_event() -> None:
    plain = bucket(0)
    broken = json.dumps(json.loads(plain.messages[0]), indent=1).encode()
    whole = replace(plain, messages=(broken, plain.messages[1]))
    made = Board(1_000_000, 10)
    made.add(keep(whole))
    newest = made.newest
    assert newest is not None
    (block,) = made.events(newest).blocks(["crime"])
    head, _, rest = block.partition(b"\n")
    line, _, rest = rest.partition(b"\n\n")
    assert head == b"event: forecast"
    assert json.loads(line.removeprefix(b"data: ")) == json.loads(broken)
    assert rest.startswith(b"event: bucket\n")
