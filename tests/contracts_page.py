"""docs/contracts/README.md; `python -m tests.contracts_page` writes it from the schemas."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from contracts.schema import MESSAGES, asyncapi, json_schema

PAGE: Final = Path(__file__).parents[1] / "docs" / "contracts" / "README.md"
"""The page."""

_HEAD: Final = """# Contracts

<!-- Written by `python -m tests.contracts_page` from contracts/. -->

What goes over topics, field by field. The same for programs: a JSON Schema of every message, and
the topics as [AsyncAPI](asyncapi.yaml); `genrecast schema` writes them. Times are epoch
milliseconds, UTC. A reader ignores fields that it does not know.

## Topics

Under their default names; each is a [setting](../settings.md).

| topic | genrecast | message |  |
|---|---|---|---|
"""

_HEADERS: Final = """## Headers

Of records whose content is told by headers, each a decimal number or text in UTF-8. Late events and
dead letters are the records as they came, key and value; `clicks-replayed` says all in headers and
key.
"""

_DONE: Final = {"receive": "reads", "send": "writes"}

Schema = Mapping[str, Any]


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD + "\n".join(_topics()) + "\n", *_messages(), _HEADERS, *_headers()])


def _topics() -> Iterator[str]:
    described = asyncapi()
    done = {
        operation["channel"]["$ref"].removeprefix("#/channels/"): _DONE[operation["action"]]
        for operation in described["operations"].values()
    }
    for address, channel in described["channels"].items():
        (message,) = channel["messages"]
        named = _message_link(message)
        yield f"| `{address}` | {done[address]} | {named} | {channel['description']} |"


def _message_link(message: str) -> str:
    model = MESSAGES.get(message)
    if model is None:
        return "[told by headers](#headers)"
    return f"[{model.__name__}](#{model.__name__.lower()})"


def _messages() -> Iterator[str]:
    for name, model in MESSAGES.items():
        schema = json_schema(model)
        yield f"## {model.__name__}\n"
        yield f"{schema['description']}\n\n[{name}.schema.json]({name}.schema.json)\n"
        yield _fields(schema)
        for part, inner in schema.get("$defs", {}).items():
            if "properties" in inner:
                yield f"**{part}**: {inner['description']}\n"
                yield _fields(inner)


def _headers() -> Iterator[str]:
    described = asyncapi()
    for address, channel in described["channels"].items():
        (message,) = channel["messages"]
        headers = described["components"]["messages"][message].get("headers")
        if headers is not None:
            yield f"**`{address}`**\n"
            yield _fields(headers)


def _fields(schema: Schema) -> str:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        kind = _kind(field)
        if name not in required:
            default = field.get("default")
            kind += "; optional" if default in (None, [], {}) else f"; `{default}` when left out"
        rows.append(f"| `{name}` | {kind} | {field.get('description', '')} |")
    return "\n".join(rows) + "\n"


def _kind(field: Schema) -> str:
    """Return a field's type and limits in words."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " / ".join(_kind(each) for each in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(field.get('items', {}))}{_span(field, 'Items', ' entries')}"
    if kind == "object" and "additionalProperties" in field:
        return f"object of {_kind(field['additionalProperties'])}"
    if kind == "string":
        return f"string{_span(field, 'Length', ' characters')}"
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low:g} to {int(high)}"
    if low is None:
        return kind
    return f"{kind}, {'above' if 'exclusiveMinimum' in field else 'at least'} {low:g}"


def _span(field: Schema, what: str, unit: str) -> str:
    low, high = field.get(f"min{what}", 0), field.get(f"max{what}")
    return "" if high is None else f", {low} to {high}{unit}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
