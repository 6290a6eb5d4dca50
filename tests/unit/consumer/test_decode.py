"""Hostile records: each is told why it is no event, and none stops the others."""

import json

import pytest

from consumer.decode import MAX_REASON_LENGTH, decode_values

LIMIT = 65_536
GOOD = {
    "event_id": "e1",
    "event_time": 1_700_000_000_000,
    "user_id": "u1",
    "show_id": "s1",
    "genres": ["crime"],
}


def record(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(field: str) -> bytes:
    return json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()


HOSTILE = {
    "tombstone": (None, "value: missing"),
    "empty": (b"", "value: not JSON"),
    "text": (b"hello", "value: not JSON"),
    "truncated": (record()[:40], "value: not JSON"),
    "two values": (record() + b"," + record(), "value: not JSON"),
    "array": (b"[" + record() + b"]", "value: "),
    "bracket borrower": (b'{"a":[1', "value: not JSON"),
    "byte order mark": (b"\xef\xbb\xbf" + record(), "value: not JSON"),
    "bad utf-8": (record(user_id="@@").replace(b"@@", b"\xff\xfe"), "value: not JSON"),
    "lone surrogate": (record(user_id="@").replace(b"@", b"\\ud800"), "value: not JSON"),
    "nan": (record(watch_seconds="@").replace(b'"@"', b"NaN"), "value: not JSON"),
    "infinity": (record(watch_seconds="@").replace(b'"@"', b"Infinity"), "value: not JSON"),
    "overflow": (record(watch_seconds="@").replace(b'"@"', b"1e400"), "value: not JSON"),
    "5,000 digits": (record(event_time="@").replace(b'"@"', b"9" * 5000), "value: not JSON"),
    "20,000 deep": (b"[" * 20_000, "value: not JSON"),
    "number": (b"5", "value: "),
    "null": (b"null", "value: "),
    "too large": (record(extra="x" * LIMIT), "value: 65"),
    "nul in user": (record(user_id="a\x00b"), "user_id"),
    "delete in user": (record(user_id="@").replace(b"@", b"\x7f"), "user_id"),
    "c1 control in user": (record(user_id="@").replace(b"@", b"\xc2\x85"), "user_id"),
    "overflow beside": (record(other="@").replace(b'"@"', b"1e400"), "value: not JSON"),
    "bad utf-8 beside": (record(other="@").replace(b"@", b"\xff"), "value: not JSON"),
    "no genres": (record(genres=[]), "genres"),
    "nine genres": (record(genres=[str(i) for i in range(9)]), "genres"),
    "blank genre": (record(genres=["  "]), "genres.0"),
    "long genre": (record(genres=["g" * 65]), "genres.0"),
    "genre not text": (record(genres=[5]), "genres.0"),
    "genres not a list": (record(genres="crime"), "genres"),
    "genre newline": (record(genres=["a\nb"]), "genres.0"),
    "no event id": (without("event_id"), "event_id"),
    "no time": (without("event_time"), "event_time"),
    "time as text": (record(event_time="1700000000000"), "event_time"),
    "time as float": (record(event_time=1.5), "event_time"),
    "time zero": (record(event_time=0), "event_time"),
    "time negative": (record(event_time=-5), "event_time"),
    "time 2^63": (record(event_time=2**63), "event_time"),
    "time true": (record(event_time=True), "event_time"),
    "action": (record(action="hack"), "action"),
    "watch negative": (record(watch_seconds=-1), "watch_seconds"),
    "watch a year": (record(watch_seconds=3e7), "watch_seconds"),
    "age 121": (record(age=121), "age"),
    "gender": (record(gender="q"), "gender"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_record_is_refused_with_the_field_named(name: str) -> None:
    value, reason = HOSTILE[name]
    decoded = decode_values([record(), value, record(user_id="u2")], LIMIT)
    assert [index for index, _ in decoded.refused] == [1]
    assert decoded.refused[0][1].startswith(reason)
    assert len(decoded.refused[0][1]) <= MAX_REASON_LENGTH
    assert decoded.positions.tolist() == [0, 2]


def test_all_hostile_records_at_once_leave_the_good_ones() -> None:
    values = [value for value, _ in HOSTILE.values()]
    decoded = decode_values([record(), *values, record()], LIMIT)
    assert len(decoded.refused) == len(HOSTILE)
    assert decoded.positions.tolist() == [0, len(HOSTILE) + 1]


def test_odd_but_valid_records_are_events() -> None:
    odd = [
        record(unknown={"deep": [1]}),
        record(genres=["*", "{tag}", "../", '"quoted"', "😀", "עברית"]),
        record(watch_seconds=3, age=0, gender="x", action="share"),
        b'{"event_id":"first","event_id":"second",'
        + record()[1:].replace(b'"event_id": "e1", ', b""),
    ]
    decoded = decode_values(odd, LIMIT)
    assert decoded.refused == []
    assert decoded.events[3].event_id == "second"


@pytest.mark.parametrize("spoiled", [b"1e400", b'"\xff"', b"[" * 1_100 + b"]" * 1_100])
def test_fields_of_a_producers_own_are_looked_at_however_many_have_them(spoiled: bytes) -> None:
    values = [record(other="@")] * 200
    values[150] = values[150].replace(b'"@"', spoiled)
    decoded = decode_values(values, LIMIT)
    assert [index for index, _ in decoded.refused] == [150]
    assert list(decoded.positions) == [*range(150), *range(151, 200)]
    assert decoded.events[160].user_id == "u1"


def test_values_read_before_change_which_way_goes_first_but_no_result() -> None:
    values = [record(), *(value for value, _ in HOSTILE.values()), record(other=1), record()]
    plain, odd = [record()] * 100, [record(other=1)] * 100
    found = []
    for before in (plain, odd):
        decode_values(before, LIMIT)
        found.append(decode_values(values, LIMIT))
    after_plain, after_odd = found
    assert list(after_odd.events) == list(after_plain.events)
    assert list(after_odd.positions) == list(after_plain.positions)
    assert after_odd.refused == after_plain.refused


def test_genres_are_normalised_and_duplicates_dropped() -> None:
    decoded = decode_values([record(genres=[" Crime", "CRIME ", "Cafe\u0301", "Caf\u00e9"])], LIMIT)
    assert decoded.events[0].genres == ("crime", "caf\u00e9")
