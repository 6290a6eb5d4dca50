"""Records of the dead-letter topic are told apart, whoever has written them."""

from types import SimpleNamespace

import pytest

from consumer.dead_letters.letters import NO_REASON, Origin, Origins, Place, read_letter
from consumer.dead_letters.listing import MAX_KINDS, OTHER_KINDS, list_letters
from consumer.dead_letters.selection import OffsetRange, Selection
from tests.unit.consumer.dead_letters.making import letter


def record(**headers: bytes | None) -> SimpleNamespace:
    named = [(f"genrecast-{name.replace('_', '-')}", value) for name, value in headers.items()]
    return SimpleNamespace(partition=3, offset=7, timestamp=5, key=None, value=b"{", headers=named)


def test_a_letter_says_which_record_it_is_and_why_it_is_there() -> None:
    found = read_letter(
        record(topic=b"clicks", partition=b"2", offset=b"9", timestamp=b"4", reason=b"value: no")
    )
    assert (str(found.place), found.origin, found.origin_ms) == ("3:7", Origin("clicks", 2, 9), 4)
    assert (found.reason, found.cut_from_bytes) == ("value: no", None)


@pytest.mark.parametrize(
    "wrong", [b"", b"-1", b"1_0", b" 1", b"\xff", b"9" * 20, "٣".encode(), None]
)
def test_headers_that_are_no_numbers_name_no_record(wrong: bytes | None) -> None:
    found = read_letter(record(topic=b"clicks", partition=b"2", offset=wrong))
    assert found.origin is None
    assert found.reason == NO_REASON


def test_a_listing_counts_each_record_once_and_says_what_was_sent_again() -> None:
    replayed = Origins()
    replayed.add(Origin("clicks", 0, 1))
    again = letter(9, origin=Origin("clicks", 0, 1))
    other = letter(2, reason="genres: missing", place=Place(4, 2))
    listing = list_letters([letter(1), letter(3), again, other], replayed)
    assert (listing.letters, listing.copies, listing.replayed) == (3, 1, 1)
    (name, kind), (second, few) = listing.ordered()
    assert (name, kind.letters, kind.replayed) == ("value: not JSON", 2, 1)
    assert (kind.first_ms, kind.last_ms, str(kind.example)) == (1_001, 1_003, "0:1")
    assert (second, few.partitions) == ("genres: missing", {4})


def test_reasons_without_end_take_no_memory_without_end() -> None:
    many = (letter(n, reason="odd " + "x" * n) for n in range(MAX_KINDS + 5))
    listing = list_letters(many, Origins())
    assert len(listing.kinds) == MAX_KINDS + 1
    assert listing.kinds[OTHER_KINDS].letters == 5


@pytest.mark.parametrize(
    ("text", "first", "last"), [("7", 7, 7), ("7-9", 7, 9), ("7-", 7, 2**63 - 1), ("-9", 0, 9)]
)
def test_a_range_of_offsets_is_read(text: str, first: int, last: int) -> None:
    assert OffsetRange.parse(text) == OffsetRange(first, last)


@pytest.mark.parametrize("text", ["", "-", "9-7", "a", "1-2-3", "+1", "1" * 19])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|ends before"):
        OffsetRange.parse(text)


@pytest.mark.parametrize("text", ["3", ":", "3:", ":3", "a:1", "-1:2", "1:2:3"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place of a letter"):
        Place.parse(text)


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), [1, 2, 3]),
        (Selection(reason="NOT json"), [1, 2, 3]),
        (Selection(reason="line 1"), [1, 2, 3]),
        (Selection(reason="genres"), []),
        (Selection(partitions=frozenset({1})), []),
        (Selection(since_ms=1_002), [2, 3]),
        (Selection(until_ms=1_002), [1]),
        (Selection(offsets=(OffsetRange(1, 1), OffsetRange(3, 9))), [1, 3]),
    ],
)
def test_a_selection_takes_what_fits_all_its_parts(selection: Selection, wanted: list[int]) -> None:
    letters = [letter(n) for n in (1, 2, 3)]
    assert [each.place.offset for each in letters if selection.takes(each)] == wanted


@pytest.mark.parametrize("text", ["9 bytes", "n bytes"])
def test_numbers_of_a_reason_are_chosen_by_as_they_are_or_by_n(text: str) -> None:
    assert Selection(reason=text).takes(letter(1, reason="value: 9 bytes, at most 8 allowed"))
