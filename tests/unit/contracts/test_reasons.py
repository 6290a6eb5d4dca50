import pytest

from consumer.decode import decode_values
from contracts.reasons import kind_of
from feed.serve.dead_letters import Reasons

EVENT = b'{"event_id": "%s", "event_time": 1, "user_id": "u", "show_id": "s", "genres": [%s]}'


def reasons_of(*values: bytes) -> list[str]:
    return [reason for _, reason in decode_values(values, 300).refused]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((b"{", b"not json", b'{"a":', b"\xff", b"[1 2]"), "value: not JSON"),
        ((b"x" * 301, b"x" * 4_000), "value: N bytes, at most N allowed"),
        (
            (EVENT % (b"e", b'"a", ""'), EVENT % (b"e", b'"a", "b", ""')),
            "genres.N: String should have at least N character",
        ),
        (
            (EVENT % (rb"\u0007", b'"a"'), EVENT % (rb"a\u0000", b'"a"')),
            "event_id: String should match pattern",
        ),
    ],
)
def test_reasons_are_of_one_kind_wherever_and_however_much_is_wrong(
    values: tuple[bytes, ...], kind: str
) -> None:
    reasons = reasons_of(*values)
    assert len(set(reasons)) > 1 or "pattern" in kind
    assert {kind_of(reason) for reason in reasons} == {kind}


def test_no_text_of_a_parser_makes_a_reason_of_its_own_on_the_dashboard() -> None:
    counted = Reasons()
    for length in range(100):
        [reason] = reasons_of(b'{"a":' + b" " * length)
        counted.add(reason, at_ms=length)
    [only] = counted.answer().reasons
    assert (only.reason, only.count, only.latest_at) == ("value: not JSON", 100, 99)
