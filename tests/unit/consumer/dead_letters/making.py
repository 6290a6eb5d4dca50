"""Letters by hand."""

from typing import Any

import orjson

from consumer.dead_letters.letters import Letter, Origin, Place


def letter(at: int, value: bytes | None = b"{", **changes: Any) -> Letter:  # noqa: ANN401
    """Return the letter of `clicks/0/at`, which lies at 0:at."""
    fields: dict[str, Any] = {
        "place": Place(0, at),
        "put_aside_ms": 1_000 + at,
        "key": b"user",
        "value": value,
        "reason": "value: not JSON: line 1",
        "origin": Origin("clicks", 0, at),
        "origin_ms": 900 + at,
        "cut_from_bytes": None,
        "headers": (),
    }
    return Letter(**fields | changes)


def event(time_ms: int, event_id: str = "e", **fields: object) -> bytes:
    """Return a sound click."""
    who = {"event_id": event_id, "event_time": time_ms, "user_id": "u", "show_id": "s"}
    return orjson.dumps({**who, "genres": ["crime"], **fields})
