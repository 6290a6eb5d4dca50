"""What reads bytes from outside, each with what it promises of them."""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import orjson
from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.broker.record_columns import OddRecordsError, Piece, read_columns
from consumer.dead_letters.letters import read_letter
from consumer.decode import MAX_REASON_LENGTH, decode_values
from contracts.events import ClickEvent
from contracts.forecasts import BucketRecord, GenreForecast
from contracts.options import ConfigurationError, load_settings
from contracts.redis_url import parse_redis_url
from contracts.thresholds import read_thresholds
from feed.errors import PositionError
from feed.position import PositionFile
from feed.serve.alerts import parse_alert
from feed.serve.settings import ServeSettings
from model.artifact import MANIFEST_NAME, WEIGHTS_NAME, ModelRefusedError, load_artifact
from state.model_store import entry_of, figures_of, request_of
from state.packing import pack_row, unpack_row, unpack_states
from tests.fuzz.mutating import mutated
from tests.fuzz.samples import (
    ALERT,
    ARRAY,
    BATCH,
    CLICKS,
    FORECAST,
    JOURNAL,
    MANIFEST,
    MODEL_ENTRY,
    STATE,
    THRESHOLDS,
    WEIGHTS,
    archive_of,
    cells,
    dead_letter,
)

MAX_EVENT_BYTES: Final = 65_536


LEAST_SECRET: Final = 12
"""Shorter texts may stand in a message by chance, characters."""


class Target(NamedTuple):
    """What is drawn, and what must hold of it."""

    strategy: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def check_events(values: list[bytes | None]) -> None:
    """Each value is judged by itself, as the contract judges it; every reason fits a header."""
    decoded = decode_values(values, MAX_EVENT_BYTES)
    places = [*decoded.positions, *(index for index, _ in decoded.refused)]
    assert sorted(places) == list(range(len(values)))
    assert all(0 < len(reason) <= MAX_REASON_LENGTH for _, reason in decoded.refused)
    for click, index in zip(decoded.events, decoded.positions, strict=True):
        model = ClickEvent.model_validate(orjson.loads(values[index] or b""))
        assert msgspec.structs.asdict(click) == {**dict(model), "genres": tuple(model.genres)}
    for index, _ in decoded.refused:
        value = values[index]
        if value is None or len(value) > MAX_EVENT_BYTES:
            continue
        with suppress(ValidationError, orjson.JSONDecodeError):
            ClickEvent.model_validate(orjson.loads(value))
            raise AssertionError(f"the contract takes {value!r}")


def check_batch(content: bytes) -> None:
    """A batch is read whole, with as many records as it claims, or left to the client."""
    with suppress(OddRecordsError):
        columns = read_columns([Piece(content, BATCH.size, 0, 1_767_571_200_000, False)])
        assert len(columns) == BATCH.size


def check_letter(drawn: tuple[dict[str, bytes], bytes | None]) -> None:
    """Any record of the dead-letter topic is a letter, whoever has written it."""
    letter = read_letter(dead_letter(*drawn))
    assert letter.kind
    assert letter.origin is None or letter.origin.offset >= 0


def refusal(attempt: Callable[[], object], refused: type[Exception]) -> str | None:
    """Return why something is refused, None when it is not; any other exception passes."""
    try:
        attempt()
    except refused as error:
        return error.message if isinstance(error, ConfigurationError) else str(error)
    return None


def check_settings(given: dict[str, str]) -> None:
    """Settings are taken, or refused by a message that names them and shows no secret."""
    why = refusal(lambda: load_settings(ServeSettings, **given), ConfigurationError)
    if why is None:
        return
    assert why.startswith("wrong settings\n  GENRECAST_")
    for name in ("kafka_password", "serve_token", "redis_url"):
        secret = given.get(name, "")
        others = (value for other, value in given.items() if other != name)
        if len(secret) >= LEAST_SECRET and not any(secret in other for other in others):
            assert secret not in why


def check_redis_url(text: str) -> None:
    """An address is one, or is refused without being repeated."""
    why = refusal(lambda: parse_redis_url(text), ValueError)
    if why is None:
        assert all(0 < port < 65_536 for _, port in parse_redis_url(text).hosts)
    else:
        assert len(text) < LEAST_SECRET or text not in why


def check_model(files: tuple[bytes, bytes, bool]) -> None:
    """A model is refused in one line that names its file, or is as its manifest says."""
    manifest, weights, agrees = files
    if agrees:
        with suppress(ValueError, RecursionError, TypeError):
            fields = json.loads(manifest)
            fields["sha256"] = hashlib.sha256(weights).hexdigest()
            manifest = json.dumps(fields).encode()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / MANIFEST_NAME).write_bytes(manifest)
        (directory / WEIGHTS_NAME).write_bytes(weights)
        why = refusal(lambda: load_artifact(directory), ModelRefusedError)
        if why is None:
            artifact = load_artifact(directory)
            shapes = {name: array.shape for name, array in artifact.weights.items()}
            assert shapes == artifact.manifest.shapes
        else:
            assert name in why
            assert "\n" not in why


def check_row(packed: bytes) -> None:
    """A row of a window has as many cells as there are genres, or is refused."""
    with suppress(ValueError):
        assert unpack_row(packed, 3).shape == cells().shape


def check_stored(packed: bytes) -> None:
    """What is none of a model's notes is left out."""
    for read in (entry_of, figures_of, request_of):
        read(packed)
    unpack_states({b"lstm-1": packed})


def check_messages(value: bytes) -> None:
    """What is no message is refused as such, whatever it is."""
    parse_alert(value)
    for model in (GenreForecast, BucketRecord):
        with suppress(ValidationError):
            model.model_validate_json(value)


def check_files(content: bytes) -> None:
    """Thresholds and a reader's position are read, or refused by a message with the file's name."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "file"
        path.write_bytes(content)
        reads = partial(read_thresholds, path, horizon=12, quantiles=("0.1", "0.9"))
        for why in (refusal(reads, ValueError), refusal(PositionFile(path).read, PositionError)):
            assert why is None or str(path) in why


_FIELDS: Final = sorted(ServeSettings.model_fields)

_texts: Final = st.text(max_size=40) | mutated(
    [b"localhost:9092", b"redis+sentinel://u:p@a:1,b:2/s/0", b"0.1 0.5 0.9", b"2026-12-25", b"-1",
     b"redis+cluster://a:1", b"nan", b"inf", b"1e999", b"true", b"10.0.0.0/8"]
).map(lambda some: some.decode("utf-8", "replace"))  # fmt: skip

_weights: Final = mutated(WEIGHTS) | st.builds(
    archive_of, mutated([ARRAY]), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
)

TARGETS: Final[Mapping[str, Target]] = {
    "events": Target(
        st.lists(mutated(CLICKS) | st.none(), max_size=4), check_events
    ),
    "record batches": Target(mutated([BATCH.content]), check_batch),
    "headers of dead letters": Target(
        st.tuples(
            st.dictionaries(
                st.sampled_from(["genrecast-topic", "genrecast-partition", "genrecast-offset",
                                 "genrecast-reason", "genrecast-timestamp", "other"]),
                mutated([b"clicks", b"3", b"1042", b"age: too old"]), max_size=6,
            ),
            st.none() | mutated(CLICKS),
        ),
        check_letter,
    ),
    "settings": Target(
        st.dictionaries(st.sampled_from(_FIELDS), _texts, max_size=4), check_settings
    ),
    "addresses of Redis": Target(_texts, check_redis_url),
    "models": Target(
        st.tuples(st.just(MANIFEST) | mutated([MANIFEST]), _weights, st.booleans()), check_model
    ),
    "rows in Redis": Target(mutated([pack_row(cells())]), check_row),
    "models' notes in Redis": Target(mutated([MODEL_ENTRY, STATE]), check_stored),
    "messages": Target(mutated([FORECAST, JOURNAL, ALERT]), check_messages),
    "files": Target(mutated([THRESHOLDS, b"1767571200000\n"]), check_files),
}  # fmt: skip
"""All that needs no service, by what it reads."""


@contextmanager
def all_targets() -> Iterator[Mapping[str, Target]]:
    """Yield every target, those over HTTP too."""
    from tests.fuzz.http import http_targets

    with http_targets() as over_http:
        yield {**TARGETS, **over_http}
