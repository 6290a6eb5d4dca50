"""What a producer should change, from a value and the reason why it is no click event."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from pydantic import ValidationError

from consumer.dead_letters.letters import NO_REASON, Letter
from consumer.decode import decode_values
from contracts.events import MAX_EVENT_TIME_MS, ClickEvent
from contracts.settings import Settings

SHOWN_INPUT: Final = 80
"""Longest piece of a value that is quoted beside a fault, characters."""

SCHEMA: Final = "docs/contracts/click-event.schema.json"

_ADVICE: Final = (
    (r"value: not JSON", "Write one JSON object per record, UTF-8, nothing before or after it."),
    (
        r"value: missing",
        "Write no tombstones: clicks are not deleted, nor compacted.",
    ),
    (
        r"value: \d+ bytes",
        "Write smaller events, or set GENRECAST_MAX_EVENT_BYTES higher for all consumers.",
    ),
    (
        r"event_time: .* ahead of",
        "Set the producer's clock; or allow more with GENRECAST_MAX_FUTURE_SKEW_SECONDS.",
    ),
    (
        r"event_time: ",
        "event_time: epoch milliseconds as a JSON number, not seconds, nanoseconds or text; 1 to "
        f"{MAX_EVENT_TIME_MS}.",
    ),
)
"""How a reason begins, and what to do about it; the first that fits."""


def contract_faults(letter: Letter, settings: Settings) -> list[str]:
    """Return everything that the contract has against a value now; empty when it takes it.

    The reason of a letter names the first fault only.
    """
    refused = decode_values([letter.value], settings.max_event_bytes).refused
    if not refused:
        return []
    try:
        ClickEvent.model_validate(orjson.loads(letter.value or b""))
    except orjson.JSONDecodeError:
        pass
    except ValidationError as error:
        return [_told(fault) for fault in error.errors(include_url=False, include_context=False)]
    return [refused[0][1]]


def _told(fault: Mapping[str, Any]) -> str:
    field = ".".join(map(str, fault["loc"])) or "value"
    if fault["type"] == "missing":
        return f"{field}: {fault['msg']}"
    value = repr(fault["input"])
    shown = value if len(value) <= SHOWN_INPUT else f"{value[: SHOWN_INPUT - 1]}…"
    return f"{field}: {fault['msg']} (is {shown})"


def advice(letter: Letter, faults: Sequence[str]) -> list[str]:
    """Return what the producer should change.

    Args:
        letter: The letter.
        faults: What the contract has against its value now.
    """
    if letter.reason == NO_REASON:
        return ["Nothing is known of it: genrecast did not put it there."]
    found = [_advise(fault) for fault in faults or [letter.reason]]
    if not faults:
        found.append("Its value is sound now: genrecast dead-letters replay tells what would be.")
    return list(dict.fromkeys(found))


def _advise(reason: str) -> str:
    """Return what to do about one fault."""
    for beginning, what in _ADVICE:
        if re.match(beginning, reason):
            return what
    name = re.split(r"[.:]", reason, maxsplit=1)[0]
    field = ClickEvent.model_fields.get(name)
    if field is None:
        return f"Write a JSON object as {SCHEMA} describes it."
    need = "" if field.is_required() else " May be left out."
    return f"{name}: {field.description}{need}"
