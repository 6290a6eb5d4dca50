"""Cells, window rows and models' states as bytes."""

import re
import struct
import zlib
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.measures import MEASURE_COUNT
from state.store import SavedState

_CELL: Final = struct.Struct(f"<{MEASURE_COUNT}q")

_STATE_HEAD: Final = re.compile(rb"(\d{1,19}) (\d{1,9})\n")

CELL_BYTES: Final = _CELL.size
"""Bytes of a packed cell."""


def pack_cells(cells: NDArray[np.int64]) -> bytes:
    """Pack cells (n, M), one after the other."""
    return np.ascontiguousarray(cells).astype("<i8", copy=False).tobytes()


def unpack_cell(packed: bytes) -> tuple[int, ...]:
    """Unpack a cell; an empty one is all zeros."""
    return _CELL.unpack(packed) if packed else (0,) * MEASURE_COUNT


def pack_row(cells: NDArray[np.int64]) -> bytes:
    """Pack one bucket's cells, (G, M) int64, measure by measure (zeros compress away)."""
    return zlib.compress(np.ascontiguousarray(cells.T).astype("<i8", copy=False).tobytes(), 1)


def unpack_row(packed: bytes, genre_count: int) -> NDArray[np.int64]:
    """Unpack one bucket's cells to (genre_count, M); genres newer than the row are zeros.

    Raises:
        ValueError: When the bytes are no row.
    """
    most = genre_count * CELL_BYTES
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError(f"not a packed row: {error}") from error
    if len(unpacked) > most or len(unpacked) % CELL_BYTES:
        raise ValueError(f"a packed row of {len(unpacked)} bytes does not fit {genre_count} genres")
    if not unpacking.eof:
        raise ValueError("not a packed row: cut off")
    flat = np.frombuffer(unpacked, dtype="<i8")
    cells = np.zeros((genre_count, MEASURE_COUNT), np.int64)
    cells[: flat.size // MEASURE_COUNT] = flat.reshape(MEASURE_COUNT, -1).T
    return cells


def pack_state(state: SavedState) -> bytes:
    """Return a model's state as stored under its version: bucket and genre count, then the rows."""
    return b"%d %d\n" % (state.bucket_ms, state.genre_count) + state.blob


def unpack_states(held: Mapping[bytes, bytes]) -> dict[str, SavedState]:
    """Return stored states by version; what is no state is left out: it is warmed anew."""
    states = {}
    for name, packed in held.items():
        found = _STATE_HEAD.match(packed)
        if found:
            version, blob = name.decode(), packed[found.end() :]
            states[version] = SavedState(version, int(found[1]), int(found[2]), blob)
    return states
