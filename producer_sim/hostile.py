"""Records that are no click events: each breaks the contract in one way, seen or feared."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

TWO_HOURS_MS: Final = 7_200_000
"""How far past the allowed skew a clock that runs ahead is, ms."""

NESTING: Final = 2_000
"""Depth of the deeply nested record: past what JSON readers follow."""

LONG_INTEGER_DIGITS: Final = 5_000
"""Digits of the huge integer: past what int() converts."""


class Limits(NamedTuple):
    """What a record has to exceed to be refused; `now_ms` is the wall clock when it is sent."""

    now_ms: int
    max_event_bytes: int
    max_future_skew_ms: int


Build = Callable[[bytes, Limits], bytes | None]
"""Makes a hostile value from a valid one; None is a tombstone."""

FUTURE: Final = "two hours in the future"
"""The one kind that is a valid event by itself: its record's timestamp condemns it."""

OVERSIZE: Final = "oversize"
"""The one kind that is large."""


def _with(name: str, value: Any) -> Build:  # noqa: ANN401 (any JSON)
    return lambda event, _: orjson.dumps(orjson.loads(event) | {name: value})


def _raw(name: str, text: bytes) -> Build:
    """Put bytes that orjson would not write in the place of a field's value."""
    marker = b'"@@"'
    return lambda event, _: orjson.dumps(orjson.loads(event) | {name: "@@"}).replace(marker, text)


def _without(name: str) -> Build:
    def build(event: bytes, _: Limits) -> bytes:
        fields = orjson.loads(event)
        del fields[name]
        return orjson.dumps(fields)

    return build


def _in_future(event: bytes, limits: Limits) -> bytes:
    ahead_ms = limits.now_ms + limits.max_future_skew_ms + TWO_HOURS_MS
    return orjson.dumps(orjson.loads(event) | {"event_time": ahead_ms})


def _oversize(event: bytes, limits: Limits) -> bytes:
    padding = "x" * limits.max_event_bytes
    return orjson.dumps(orjson.loads(event) | {"padding": padding})


def _time_in_seconds(event: bytes, _: Limits) -> bytes:
    fields = orjson.loads(event)
    return orjson.dumps(fields | {"event_time": fields["event_time"] / 1000 + 0.0005})


CORPUS: Final[dict[str, Build]] = {
    "tombstone": lambda event, _: None,
    "empty": lambda event, _: b"",
    "blank": lambda event, _: b" \n",
    "not JSON": lambda event, _: b"click;" + event[2:40],
    "truncated": lambda event, _: event[: len(event) // 2],
    "trailing comma": lambda event, _: event[:-1] + b",}",
    "single quotes": lambda event, _: event.replace(b'"', b"'"),
    "two events": lambda event, _: event + b"," + event,
    "two events on lines": lambda event, _: event + b"\n" + event,
    "joined-batch breaker": lambda event, _: event + b"],[" + event,
    "byte order mark": lambda event, _: b"\xef\xbb\xbf" + event,
    "UTF-16": lambda event, _: event.decode().encode("utf-16"),
    "gzip magic": lambda event, _: b"\x1f\x8b\x08\x00" + event,
    "bad UTF-8": _raw("user_id", b'"u\xff\xfe1"'),
    "overlong UTF-8": _raw("user_id", b'"u\xc0\xaf1"'),
    "lone surrogate": _raw("user_id", b'"u\\ud800"'),
    "raw surrogate": _raw("user_id", b'"u\xed\xa0\x80"'),
    "NUL in text": _with("show_id", "s\x000001"),
    "raw NUL": _raw("show_id", b'"s\x001"'),
    "newline in genre": _with("genres", ["cri\nme"]),
    "not an object": lambda event, _: b"[" + event + b"]",
    "a string": lambda event, _: orjson.dumps(event.decode()),
    "null": lambda event, _: b"null",
    "a number": lambda event, _: b"12",
    "deep nesting": _raw("padding", b"[" * NESTING + b"]" * NESTING),
    "NaN": _raw("watch_seconds", b"NaN"),
    "infinity": _raw("watch_seconds", b"-Infinity"),
    "1e400": _raw("watch_seconds", b"1e400"),
    "negative watch time": _with("watch_seconds", -1.5),
    "watch time of years": _with("watch_seconds", 1e9),
    "huge integer": _raw("event_time", b"9" * LONG_INTEGER_DIGITS),
    "2^63": _with("event_time", 2**63),
    "2^64": _raw("event_time", str(2**64).encode()),
    "time 0": _with("event_time", 0),
    "negative time": _with("event_time", -1_700_000_000_000),
    "time in seconds": _time_in_seconds,
    "time in microseconds": lambda event, _: orjson.dumps(
        orjson.loads(event) | {"event_time": orjson.loads(event)["event_time"] * 1000}
    ),
    "time as text": _with("event_time", "2026-01-01T00:00:00Z"),
    "time as digits": _with("event_time", "1767225600000"),
    "time is true": _with("event_time", True),
    "time is null": _with("event_time", None),
    "no event_id": _without("event_id"),
    "no event_time": _without("event_time"),
    "no user_id": _without("user_id"),
    "no show_id": _without("show_id"),
    "no genres": _without("genres"),
    "empty event_id": _with("event_id", ""),
    "long event_id": _with("event_id", "e" * 65),
    "user_id is a number": _with("user_id", 4711),
    "0 genres": _with("genres", []),
    "9 genres": _with("genres", [f"genre {number}" for number in range(9)]),
    "genres joined": _with("genres", "crime|war"),
    "genre is blank": _with("genres", ["crime", "  "]),
    "genre is null": _with("genres", ["crime", None]),
    "long genre": _with("genres", ["ﷺ" * 65]),
    "genres nested": _with("genres", [["crime"]]),
    "unknown action": _with("action", "drop table"),
    "age 121": _with("age", 121),
    "age is a fraction": _with("age", 33.5),
    "unknown gender": _with("gender", "F"),
    FUTURE: _in_future,
    OVERSIZE: _oversize,
}
"""What is wrong, and how to make it of a valid event."""

KINDS: Final = tuple(CORPUS)
"""Names of the corpus, in its order."""
