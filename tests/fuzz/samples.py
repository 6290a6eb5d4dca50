"""Sound bytes of every kind, to begin from."""

import hashlib
import io
import json
import zipfile
from types import SimpleNamespace
from typing import Final, NamedTuple

import numpy as np
from kafka.record.default_records import DefaultRecordBatchBuilder
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from model.artifact import MANIFEST_NAME, pack_weights
from model.registry import SHIPPED_DIRECTORY
from state.model_store import ModelEntry
from tests.unit.feed.making import alert, message, parts

_CLICK: Final = {
    "event_id": "e1", "event_time": 1_767_225_600_000, "user_id": "u1", "show_id": "s1",
    "genres": ["crime", "noir"],
}  # fmt: skip

CLICKS: Final = tuple(
    json.dumps(_CLICK | more).encode()
    for more in (
        {},
        {"action": "play", "watch_seconds": 1.5, "age": 30, "gender": "x"},
        {"action": "impression", "recommendation_id": "r1"},
        {"genres": ["Krimi ", "ÄRZTE"], "unknown": {"deep": [1, 2.5, None]}},
    )
)

_FORECASTS, _JOURNAL = parts(0)
FORECAST: Final = message(_FORECASTS[0])
JOURNAL: Final = _JOURNAL.model_dump_json().encode()
ALERT: Final = alert(0, "raised").model_dump_json().encode()
_ARRAYS: Final = {"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float32)}


def _squeezed(arrays: dict[str, NDArray[np.float32]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type,unused-ignore]
    return stream.getvalue()


WEIGHTS: Final = (pack_weights(_ARRAYS), _squeezed(_ARRAYS))


def _members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(WEIGHTS[0])) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


ARRAY: Final = _members()["a.npy"]
"""One member of the archive: a header, then numbers."""


def archive_of(first: bytes, compression: int) -> bytes:
    """Return weights with other bytes for an array, under a sound checksum of the archive's."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in {**_members(), "a.npy": first}.items():
            archive.writestr(name, content)
    return stream.getvalue()


MANIFEST: Final = json.dumps(
    json.loads((SHIPPED_DIRECTORY / MANIFEST_NAME).read_bytes())
    | {
        "shapes": {name: array.shape for name, array in _ARRAYS.items()},
        "sha256": hashlib.sha256(WEIGHTS[0]).hexdigest(),
    }
).encode()

MODEL_ENTRY: Final = ModelEntry(version="lstm-1", registered_at=1).model_dump_json().encode()
STATE: Final = b"1767571200000 2\n" + bytes(32)
THRESHOLDS: Final = b'[[threshold]]\ngenre = "crime"\nabove = 5.0\nof = "0.9"\nwithin = 3\n'


class Batch(NamedTuple):
    """A record batch of Kafka's without its header."""

    content: bytes
    size: int


def _batch() -> Batch:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 2**20)
    values = [*CLICKS, None, b""]
    for offset, value in enumerate(values):
        builder.append(offset, 1_767_571_200_000 + offset, b"key", value, [("name", b"header")])
    return Batch(bytes(builder.build())[builder.HEADER_STRUCT.size :], len(values))


BATCH: Final = _batch()


def cells() -> NDArray[np.int64]:
    """Return one bucket's cells of three genres."""
    return np.arange(3 * MEASURE_COUNT, dtype=np.int64).reshape(3, MEASURE_COUNT)


def dead_letter(headers: dict[str, bytes], value: bytes | None) -> SimpleNamespace:
    """Return a record of the dead-letter topic as the client gives it."""
    return SimpleNamespace(
        partition=0, offset=1, timestamp=2, key=None, value=value, headers=list(headers.items())
    )
