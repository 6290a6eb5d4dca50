"""Bytes to events: every record is a valid click or has a reason why it is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NotRequired, Required, cast

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from contracts.events import ClickEvent

Fields = dict[str, Any]
"""The validated fields of one event; absent ones are absent."""

MAX_REASON_LENGTH: Final = 300
"""Longest reason put into a header, characters: it may quote hostile input."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A poll's records of one partition, told apart.

    Attributes:
        events: Fields of the valid ones, in log order.
        positions: Index of each event among the records.
        refused: (index, reason) of the others, in log order.
    """

    events: list[Fields]
    positions: list[int]
    refused: list[tuple[int, str]]


def _batch_adapter() -> TypeAdapter[list[Fields]]:
    """Build a validator for many events at once from ClickEvent's own fields.

    A TypedDict costs a third of what model instances cost, and the contract stays in one place.
    """
    fields = {}
    for name, info in ClickEvent.model_fields.items():
        annotation = (
            Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        )
        fields[name] = Required[annotation] if info.is_required() else NotRequired[annotation]
    config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    click_fields = with_config(config)(TypedDict("ClickFields", fields))  # type: ignore[operator]
    return cast("TypeAdapter[list[Fields]]", TypeAdapter(list[click_fields]))  # type: ignore[valid-type]


_EVENTS: Final = _batch_adapter()


def decode_values(values: Sequence[bytes | None], max_event_bytes: int) -> Decoded:
    """Parse and validate record values; never raises on any bytes.

    Each value is parsed by itself: values joined to one document could be crafted to borrow
    brackets from their neighbours.
    """
    parsed: list[Any] = []
    positions: list[int] = []
    refused: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        if value is None:
            refused.append((index, "value: missing (a tombstone is no event)"))
        elif len(value) > max_event_bytes:
            refused.append((index, f"value: {len(value)} bytes, at most {max_event_bytes} allowed"))
        else:
            try:
                parsed.append(orjson.loads(value))
                positions.append(index)
            except orjson.JSONDecodeError as error:
                refused.append((index, _shorten(f"value: not JSON: {error}")))
    try:
        return Decoded(_EVENTS.validate_python(parsed), positions, refused)
    except ValidationError as error:
        return _without_invalid(parsed, positions, refused, error)


def _without_invalid(
    parsed: list[Any],
    positions: list[int],
    refused: list[tuple[int, str]],
    error: ValidationError,
) -> Decoded:
    reasons: dict[int, str] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        index, *path = detail["loc"]
        field = ".".join(str(part) for part in path) or "value"
        reasons.setdefault(int(index), _shorten(f"{field}: {detail['msg']}"))
    kept = [i for i in range(len(parsed)) if i not in reasons]
    refused = sorted([*refused, *((positions[i], reason) for i, reason in reasons.items())])
    events = _EVENTS.validate_python([parsed[i] for i in kept])
    return Decoded(events, [positions[i] for i in kept], refused)


def _shorten(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 1] + "…"
