"""Nothing that a producer wrote acts on a terminal; what it should change is said."""

import string

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.dead_letters.advice import advice, contract_faults
from consumer.dead_letters.escaping import hex_dump, printable, printable_bytes
from consumer.dead_letters.letters import NO_REASON
from consumer.dead_letters.text import show_letter
from contracts.settings import Settings
from tests.unit.consumer.dead_letters.making import event, letter

SETTINGS = Settings(max_event_bytes=1_000)


@given(st.binary())
def test_any_bytes_become_printable_text(content: bytes) -> None:
    assert printable_bytes(content).isprintable()
    for row in hex_dump(content):
        assert set(row) <= set(string.printable) - set("\t\n\r\x0b\x0c")


@given(st.text())
def test_escaped_text_can_be_told_from_any_other(text: str) -> None:
    escaped = printable(text)
    assert escaped.isprintable()
    assert escaped.encode("ascii", "backslashreplace").decode("unicode_escape") == text


def test_what_acts_on_a_terminal_is_escaped_and_letters_of_all_scripts_are_not() -> None:
    assert printable("\x1b]0;x\x07\r\n\u202e\u2066\x9b") == r"\x1b]0;x\x07\x0d\x0a\u202e\u2066\x9b"
    assert printable("café عربي 日本 a b") == "café عربي 日本 a b"
    assert printable_bytes(b"\xff\xc3\xa9\\") == r"\xffé\\"


def test_a_hex_dump_has_sixteen_bytes_a_row() -> None:
    first, second = hex_dump(b"\x1b0123456789abcdef")
    assert first == "00000000  1b 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65  .0123456789abcde"
    assert second.split() == ["00000010", "66", "f"]


def test_every_fault_of_a_value_is_named_though_the_reason_has_one() -> None:
    value = orjson.dumps({"event_id": "", "event_time": "5", "user_id": "u", "genres": [1]})
    faults = contract_faults(letter(1, value), SETTINGS)
    assert [fault.partition(":")[0] for fault in faults] == [
        "event_id", "event_time", "show_id", "genres.0",
    ]  # fmt: skip
    assert "(is '5')" in faults[1]
    told = advice(letter(1, value), faults)
    assert told[0].startswith("event_id: Unique per event")
    assert "epoch milliseconds as a JSON number" in told[1]


@pytest.mark.parametrize(
    ("value", "reason", "what"),
    [
        (b"{", "value: not JSON", "Write one JSON object per record"),
        (None, "value: missing", "Write no tombstones"),
        (b"x" * 1_001, "value: 1001 bytes", "GENRECAST_MAX_EVENT_BYTES"),
        (b"[]", "value: ", "Write a JSON object"),
    ],
)
def test_what_to_change_follows_from_the_fault(value: bytes | None, reason: str, what: str) -> None:
    found = contract_faults(letter(1, value), SETTINGS)
    assert found[0].startswith(reason)
    assert what in advice(letter(1, value), found)[0]


def test_a_letter_that_is_sound_now_says_that_it_can_be_sent_again() -> None:
    ahead = letter(1, event(5), reason="event_time: 61.000 s ahead of the record's timestamp")
    assert contract_faults(ahead, SETTINGS) == []
    clock, again = advice(ahead, [])
    assert "producer's clock" in clock
    assert "dead-letters replay" in again


def test_of_a_record_that_is_not_ours_nothing_is_claimed() -> None:
    assert advice(letter(1, reason=NO_REASON), []) == [
        "Nothing is known of it: genrecast did not put it there."
    ]


def test_a_letter_is_shown_as_far_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = letter(1, b"\x1b[2J" + b"x" * 100, headers=(("\x1b[1m", b"\x07"),))
    show_letter(hostile, ["value: \x1b"], is_replayed=True, shown_bytes=8)
    shown = capsys.readouterr().out
    assert all(line.isprintable() for line in shown.splitlines())
    assert "104 bytes, the first 8 shown" in shown
    assert r"\x1b[2Jxxxx" in shown
    assert "sent again  yes" in shown
