"""The contracts as JSON Schema and AsyncAPI: what a producer or reader in any language needs."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import yaml
from pydantic import BaseModel

from contracts.events import ClickEvent
from contracts.forecasts import SCHEMA_VERSION, BucketRecord, GenreForecast
from contracts.recommendations import Recommendations
from contracts.settings import Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The dialect that pydantic writes."""

DEFAULT_DIRECTORY: Final = Path("docs/contracts")
"""Where the project keeps them."""

MESSAGES: Final[Mapping[str, type[BaseModel]]] = {
    "click-event": ClickEvent,
    "genre-forecast": GenreForecast,
    "bucket-record": BucketRecord,
    "recommendations": Recommendations,
}
"""File name and model of every message."""

_ORIGIN_HEADERS: Final = {
    "genrecast-topic": "Topic that the record was read from.",
    "genrecast-partition": "Its partition, decimal.",
    "genrecast-offset": "Its offset, decimal; with topic and partition it names the record.",
}

_OPTIONAL_HEADERS: Final = {
    "genrecast-timestamp": "Its timestamp, epoch ms, decimal; older records lack it.",
    "genrecast-cut-from-bytes": "Length before it was cut; only where the broker took no more.",
}

_CHANNELS: Final[Mapping[str, tuple[str, str, str]]] = {
    "topic_clicks": ("receive", "click-event", "Clicks, at least once; key: whatever spreads."),
    "topic_forecasts": (
        "send",
        "genre-forecast",
        "Forecasts, read it read_committed. Key: genre. One transaction per bucket with the "
        "journal; each bucket once per genre, in order.",
    ),
    "topic_buckets": ("send", "bucket-record", "The bucket journal, one partition."),
    "topic_late": ("send", "late-record", "Records as they came whose bucket had ended."),
    "topic_dead_letter": ("send", "dead-letter", "Records as they came that are no click event."),
    "topic_replayed": (
        "send",
        "replayed-letter",
        "Names each dead letter that was sent again, in one transaction with the record on clicks. "
        "Compacted, one partition; key: topic/partition/offset.",
    ),
    "topic_recommendations": (
        "send",
        "recommendations",
        "What users were answered, as `genrecast serve` answered it. Key: user. Best effort: an "
        "answer may be missing.",
    ),
}
"""Per topic setting: what genrecast does with it, message, description."""


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON Schema, as those who write the message need it."""
    return {"$schema": DIALECT, **model.model_json_schema(mode="validation")}


def asyncapi() -> dict[str, Any]:
    """Return the topics as an AsyncAPI 3.0 document, under their default names."""
    channels, operations = {}, {}
    for setting, (action, message, description) in _CHANNELS.items():
        address = Settings.model_fields[setting].default
        channels[address] = {
            "address": address,
            "description": description,
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        }
        operations[f"{action}-{address}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{address}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "genrecast",
            "version": str(SCHEMA_VERSION),
            "description": "Click events in, forecasts per genre out. Topic names are defaults.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": _messages()},
    }


def _messages() -> dict[str, Any]:
    messages: dict[str, Any] = {
        name: {"name": model.__name__, "payload": {"$ref": f"./{name}.schema.json"}}
        for name, model in MESSAGES.items()
    }
    own = {
        "late-record": ("genrecast-bucket-start", "Start of its bucket, epoch ms, decimal."),
        "dead-letter": ("genrecast-reason", "Why it is no click event; names the field."),
        "replayed-letter": ("genrecast-dead-letter", "The letter's own place, partition:offset."),
    }
    for name, (header, meaning) in own.items():
        optional = {} if name == "replayed-letter" else _OPTIONAL_HEADERS
        described = {**_ORIGIN_HEADERS, **optional, header: meaning}
        messages[name] = {
            "contentType": "application/octet-stream",
            "headers": {
                "type": "object",
                "required": [h for h in described if h not in _OPTIONAL_HEADERS],
                "properties": {
                    h: {"type": "string", "description": text} for h, text in described.items()
                },
            },
        }
    return messages


def documents() -> dict[str, str]:
    """Return every file's name and text."""
    texts = {
        f"{name}.schema.json": json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"
        for name, model in MESSAGES.items()
    }
    header = "# Written by: genrecast schema\n"
    texts["asyncapi.yaml"] = header + yaml.safe_dump(asyncapi(), sort_keys=False, width=100)
    return texts


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DIRECTORY,
    show_default=True,
    metavar="DIR",
    help="Directory to write to, or to check.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file there differs.")
def schema(*, out: Path, check: bool) -> None:
    """Write the contracts: JSON Schema of every message, and the topics as AsyncAPI.

    \b
    Examples:
      genrecast schema
      genrecast schema --out build/contracts
      genrecast schema --check
    """  # noqa: D301 (click reads the control character)
    texts = documents()
    if check:
        differing = [name for name, text in texts.items() if _read(out / name) != text]
        if differing:
            click.echo(f"genrecast schema: differ in {out}: {', '.join(differing)}", err=True)
            sys.exit(1)
        click.echo(f"{out} is up to date")
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
    click.echo(f"wrote {', '.join(texts)} to {out}")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
