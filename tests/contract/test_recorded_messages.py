"""Messages that earlier versions wrote, as they lie on topics: today's readers understand them.

`python -m tests.record_messages` made the files. A change that fails here needs a new
`SCHEMA_VERSION` and a reader for both: see docs/upgrades.md.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

from consumer.broker.journal import Journal
from consumer.decode import decode_values
from consumer.errors import InvariantError
from consumer.restoring import restore_store
from contracts.alerts import GenreAlert
from contracts.forecasts import SCHEMA_VERSION, BucketRecord, GenreForecast
from contracts.recommendations import Recommendations
from contracts.schema import json_schema
from contracts.settings import Settings
from state.memory_store import MemoryStore
from tests.record_messages import RECORDED

MODELS: dict[str, type[BaseModel]] = {
    "forecasts": GenreForecast,
    "buckets": BucketRecord,
    "alerts": GenreAlert,
    "recommendations": Recommendations,
}
VERSIONS = sorted(path.name for path in RECORDED.iterdir())
FILES = [path for path in sorted(RECORDED.glob("*/*.jsonl")) if path.stem in MODELS]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def objects(message: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of a message whose members are fields, not keys of a map."""
    if isinstance(message, list):
        for item in message:
            yield from objects(item)
    if isinstance(message, dict):
        yield message
        for name, value in message.items():
            if name == "replay_from":
                yield from value.values()
            elif name in ("horizon", "alerts", "genres", "shows"):
                yield from objects(value)


def test_there_are_messages_of_every_topic_that_has_a_contract() -> None:
    assert {path.stem for path in FILES} == MODELS.keys()
    assert len(VERSIONS) > 1


@pytest.mark.parametrize("path", FILES, ids=named)
def test_recorded_messages_are_read_whole_and_fit_the_published_schema(path: Path) -> None:
    model = MODELS[path.stem]
    for line in lines(path):
        told = json.loads(line["value"])
        understood = model.model_validate_json(line["value"])
        assert understood.model_dump(mode="json", exclude_unset=True) == told
        jsonschema.validate(told, json_schema(model))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_fields_that_a_later_version_adds_anywhere_are_passed_over(path: Path) -> None:
    model = MODELS[path.stem]
    for line in lines(path):
        told = json.loads(line["value"])
        extended = json.loads(line["value"])
        for number, each in enumerate(list(objects(extended))):
            each[f"added_{number}"] = {"by": ["a later version"]}
        assert model.model_validate(extended) == model.model_validate(told)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_message_of_a_newer_version_is_refused_and_says_what_to_do(path: Path) -> None:
    for line in lines(path):
        newer = json.loads(line["value"]) | {"schema_version": SCHEMA_VERSION + 1}
        with pytest.raises(ValidationError, match=r"version 2 .* bring it up to date"):
            MODELS[path.stem].model_validate(newer)


def test_a_journal_of_a_newer_version_stops_the_consumer_with_that_message() -> None:
    [newest, *_] = lines(RECORDED / VERSIONS[-1] / "buckets.jsonl")
    newer = json.loads(newest["value"]) | {"schema_version": SCHEMA_VERSION + 1}
    with pytest.raises(InvariantError, match=r"genre-buckets: version 2 .* bring it up to date"):
        Journal(Settings())._parse(json.dumps(newer).encode())


@pytest.mark.parametrize("version", VERSIONS)
def test_the_state_is_made_anew_from_a_recorded_journal(version: str) -> None:
    journal = [
        BucketRecord.model_validate_json(line["value"])
        for line in lines(RECORDED / version / "buckets.jsonl")
    ]
    store = MemoryStore(Settings(bucket_seconds=journal[0].bucket_seconds))
    assert restore_store(store, journal[-1], journal) == len(journal)
    rows = store.read_window()
    assert rows.genres == tuple(journal[-1].counts)
    for row, record in zip(rows.cells.tolist(), journal, strict=True):
        assert dict(zip(rows.genres, row, strict=True)) == record.counts
    assert store.read_progress().offsets == {
        p: point.offset for p, point in journal[-1].replay_from.items()
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_clicks_are_judged_as_they_were(version: str) -> None:
    clicks = lines(RECORDED / version / "clicks.jsonl")
    decoded = decode_values([line["value"].encode() for line in clicks], 65_536)
    letters = lines(RECORDED / version / "dead-letter.jsonl")
    assert [i for i, _ in decoded.refused] == [
        int(letter["headers"]["genrecast-offset"]) for letter in letters
    ]
    assert len(decoded.events) == len(clicks) - len(letters)
