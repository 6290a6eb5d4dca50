"""Sound bytes of every kind, to begin from."""

import json
from types import SimpleNamespace
from typing import Final, NamedTuple

import numpy as np
from kafka.record.default_records import DefaultRecordBatchBuilder
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
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
