"""The store on a real Redis: the scripts of `state/scripts` and what they are given."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, NoReturn

import numpy as np
import orjson

from contracts.forecasts import BucketRecord
from contracts.measures import MEASURE_COUNT
from contracts.rights import WRITES
from contracts.settings import Settings
from state.cells import Cell, CellTable
from state.packing import (
    pack_cells,
    pack_row,
    pack_state,
    unpack_cell,
    unpack_row,
    unpack_states,
)
from state.redis_client import RedisClient
from state.scripted import Scripted, pairs
from state.store import (
    LIVE_LAG_MS,
    SPARE_BUCKETS,
    STATE_VERSION,
    TOTALS,
    ApplyOutcome,
    Batch,
    DeploymentAbsentError,
    DeploymentMismatchError,
    Progress,
    SavedState,
    Sealed,
    WindowRows,
)

_KEYS: Final = (
    "meta", "offsets", "watermarks", "idle", "restored_cut", "genres", "genre_order",
    "open", "totals", "window", "model_state", "paused",
)  # fmt: skip

_PROGRESS_KEYS: Final = ("offsets", "watermarks", "restored_cut", "idle", "paused")
"""The hashes that are by partition."""


class RedisStore(Scripted):
    """`state.store.Store` on Redis; safe to use from several threads."""

    SCRIPTS = (
        "open", "apply", "renew_idle", "seal", "commit", "save_states", "restore", "wipe", "finish",
        "note_pause", "progress",
    )  # fmt: skip

    def __init__(self, client: RedisClient, settings: Settings) -> None:
        super().__init__(client, settings)
        self._bucket_ms = settings.bucket_ms

    def _run(self, script: str, keys: tuple[str, ...], arguments: list[Any]) -> list[Any]:
        reply = self._call(script, keys, arguments)
        if reply[0] == b"absent":
            raise self._absent()
        if reply[0] == b"differs":
            self._refuse(reply[1].decode(), reply[2].decode())
        return reply

    def _absent(self) -> DeploymentAbsentError:
        return DeploymentAbsentError(
            f"Redis holds no state of app {self._settings.app!r}: the first consumer makes it"
        )

    def _refuse(self, field: str, stored: str) -> NoReturn:
        state = f"the state of app {self._settings.app!r} in Redis"
        if field == "bucket_ms":
            raise DeploymentMismatchError(
                f"{state} has bucket_ms {stored}, but this process {self._bucket_ms}: give it the "
                "same GENRECAST_BUCKET_SECONDS, or other topics and another GENRECAST_APP"
            )
        if field == "genre_share":
            raise DeploymentMismatchError(
                f"{state} has genre share {stored or 'of all'}, but this process "
                f"{self._settings.genre_share or 'of all'}: give it the same GENRECAST_GENRE_SHARE,"
                " or other topics and another GENRECAST_APP"
            )
        anew = "stop all consumers, run `genrecast rebuild` with this one, start them again"
        ours = f"this one keeps version {STATE_VERSION}"
        if int(stored or 0) > STATE_VERSION:
            raise DeploymentMismatchError(
                f"{state} has version {stored}, from a newer genrecast; {ours}: bring this process "
                f"up to date. To go back for good: {anew}"
            )
        raise DeploymentMismatchError(
            f"{state} has version {stored}, from an older genrecast; {ours}: {anew}"
        )

    def open(self) -> None:
        """See `Store.open`."""
        self._try_commands(WRITES)
        arguments = [self._bucket_ms, STATE_VERSION, self._settings.genre_share or ""]
        self._run("open", ("meta",), arguments)

    def apply(self, batch: Batch) -> ApplyOutcome:
        """See `Store.apply`."""
        front_ms, front_timestamp_ms = batch.front or ("", "")
        arguments: list[Any] = [
            self._bucket_ms,
            batch.partition,
            batch.expected_offset,
            batch.next_offset,
            _optional(batch.watermark_before_ms),
            _optional(batch.watermark_ms),
            front_ms,
            front_timestamp_ms,
            self._settings.max_genres,
            LIVE_LAG_MS,
            *(getattr(batch, name) for name in TOTALS),
            len(batch.event_ids),
        ]
        for bucket, ids in batch.event_ids.items():
            arguments += (bucket, ids)
        for own in CellTable.of(batch.cells).buckets:
            genres = "\n".join(own.genres)  # no genre has control characters
            arguments += (own.bucket_ms, genres, pack_cells(own.sums))
        reply = self._run("apply", _KEYS[:9], arguments)
        kind = reply[0].decode()
        if kind == "moved":
            return ApplyOutcome("moved", offset=int(reply[1]))
        if kind == "refused":
            return ApplyOutcome("refused", published_ms=int(reply[1]), restored_cut=int(reply[2]))
        return ApplyOutcome(kind)

    def renew_idle(self, partition: int, expected_offset: int, until_ms: int) -> bool:
        """See `Store.renew_idle`."""
        arguments = [self._bucket_ms, partition, expected_offset, until_ms]
        reply = self._run("renew_idle", ("meta", "offsets", "idle"), arguments)
        return bool(reply[0] == b"renewed")

    def note_pause(self, partition: int, expected_offset: int, reason: str) -> None:
        """See `Store.note_pause`."""
        arguments = [self._bucket_ms, partition, expected_offset, reason]
        self._run("note_pause", ("meta", "offsets", "paused"), arguments)

    def seal(
        self, *, partition_count: int, now_ms: int, expect_published_ms: int | None
    ) -> Sealed | Literal["wait", "disagrees"]:
        """See `Store.seal`."""
        arguments = [
            self._bucket_ms,
            partition_count,
            now_ms,
            _optional(expect_published_ms),
            self._settings.max_out_of_orderness_ms,
            self._settings.idle_timeout_ms,
            self._settings.window_buckets,
        ]
        reply = self._run("seal", (*_KEYS[:8], "model_pointers"), arguments)
        if reply[0] == b"wait":
            return "wait"
        if reply[0] == b"disagrees":
            return "disagrees"
        return _sealed(reply)

    def commit(
        self, sealed: Sealed, states: Sequence[SavedState] = (), *, model_version: str = ""
    ) -> bool:
        """See `Store.commit`."""
        cut = {str(p): str(offset) for p, offset in sealed.cut.items()}
        arguments: list[Any] = [
            self._bucket_ms,
            sealed.bucket_ms,
            orjson.dumps(cut),
            pack_row(sealed.cells),
            self._settings.window_buckets + SPARE_BUCKETS,
            model_version,
            len(sealed.genres),
            hashlib.sha1("\n".join(sealed.genres).encode(), usedforsecurity=False).hexdigest(),
        ]
        for state in states:
            arguments += (state.model_version, pack_state(state))
        keys = ("meta", "window", "model_state", "totals", "genre_order")
        return bool(self._run("commit", keys, arguments)[0] == b"committed")

    def save_states(self, published_ms: int, states: Sequence[SavedState]) -> bool:
        """See `Store.save_states`."""
        arguments: list[Any] = [self._bucket_ms, published_ms]
        for state in states:
            arguments += (state.model_version, pack_state(state))
        return bool(self._run("save_states", ("meta", "model_state"), arguments)[0] == b"saved")

    def wipe(self) -> None:
        """See `Store.wipe`."""
        self._run("wipe", _KEYS, [])

    def restore(self, record: BucketRecord, rows: Mapping[int, bytes]) -> bool:
        """See `Store.restore`."""
        restored = {
            "cut": {str(p): str(offset) for p, offset in record.cut.items()},
            "replay_from": {
                str(p): [str(point.offset), "" if point.watermark is None else str(point.watermark)]
                for p, point in record.replay_from.items()
            },
            "genre_share": self._settings.genre_share or "",
            "tastes": self._settings.tastes,
            "genres": [[g, str(record.genres_first_bucket[g])] for g in record.counts],
        }
        arguments: list[Any] = [
            self._bucket_ms,
            STATE_VERSION,
            record.bucket_start,
            orjson.dumps(restored),
        ]
        for start_ms, row in rows.items():
            arguments += (start_ms, row)
        return bool(self._run("restore", _KEYS, arguments)[0] == b"restored")

    def finish(self) -> int:
        """See `Store.finish`."""
        return int(self._run("finish", ("meta", "open"), [self._bucket_ms])[1])

    def read_progress(self, partitions: Collection[int] | None = None) -> Progress:
        """See `Store.read_progress`."""
        meta, held = self._read_by_partition(partitions)
        if meta[0] is None:
            raise self._absent()
        if int(meta[0]) != self._bucket_ms:
            self._refuse("bucket_ms", meta[0].decode())
        if int(meta[1] or 0) != STATE_VERSION:
            self._refuse("schema_version", (meta[1] or b"").decode())
        offsets, watermarks, cut, idle, paused = held
        progress = Progress(
            offsets=_int_map(offsets),
            watermarks=_int_map(watermarks),
            restored_cut=_int_map(cut),
            idle_until=_int_map(idle),
            paused=_valid_pauses(paused, _int_map(offsets)),
            closed_ms=_optional_int(meta[2]),
            published_ms=_optional_int(meta[3]),
            global_watermark_ms=_optional_int(meta[4]),
            is_live=meta[5] == b"1",
            model_version=meta[6].decode() if meta[6] else None,
        )
        return progress if partitions is None else progress.of(partitions)

    def _read_by_partition(
        self, partitions: Collection[int] | None
    ) -> tuple[list[Any], list[dict[bytes, bytes]]]:
        """Return fields of the meta hash, and the hashes that are by partition."""
        if partitions is not None:
            self._need(WRITES)  # who only looks asks for all, and has no right to HLEN
        keys = [str(partition).encode() for partition in partitions or ()]
        asked = ["all" if partitions is None else "some", *keys]
        meta, kind, *replies = self._call("progress", ("meta", *_PROGRESS_KEYS), asked)
        if kind == b"all":
            return meta, [pairs(one) for one in replies]
        return meta, [
            {key: value for key, value in zip(keys, values, strict=True) if value is not None}
            for values in replies
        ]

    def read_event_ids(self, partition: int) -> tuple[int, dict[int, bytes]]:
        """See `Store.read_event_ids`."""
        offset_of = {"offsets": f"HGET {partition}"}
        while True:
            before, starts, meta = self._read(
                {**offset_of, "open": "ZRANGE 0 -1", "meta": "HMGET sealed"}
            )
            buckets = [int(start) for start in starts]
            if meta[0]:
                buckets.append(int(orjson.loads(meta[0])["bucket"]))
            keys = {f"ids:{partition}:{bucket}": "GET" for bucket in buckets}
            offset, *found = self._read({**offset_of, **keys})
            if offset == before:  # else another bucket may have opened in between
                held = zip(buckets, found, strict=True)
                return int(offset or 0), {bucket: ids for bucket, ids in held if ids}

    def read_totals(self) -> dict[str, int]:
        """See `Store.read_totals`."""
        totals = pairs(self._read({"totals": "HGETALL"})[0])
        return {name.decode(): int(value) for name, value in totals.items()}

    def read_genres(self) -> dict[str, int]:
        """See `Store.read_genres`."""
        genres = pairs(self._read({"genres": "HGETALL"})[0])
        return {genre.decode(): int(first) for genre, first in genres.items()}

    def read_open(self) -> dict[int, dict[str, Cell]]:
        """See `Store.read_open`."""
        open_buckets, meta = self._read({"open": "ZRANGE 0 -1", "meta": "HMGET sealed"})
        starts = [int(bucket) for bucket in open_buckets]
        if meta[0]:
            starts.insert(0, int(orjson.loads(meta[0])["bucket"]))
        cells = self._read({f"bucket:{start}": "HGETALL" for start in starts})
        return {
            start: {genre.decode(): unpack_cell(cell) for genre, cell in pairs(held).items()}
            for start, held in zip(starts, cells, strict=True)
        }

    def read_window(self) -> WindowRows:
        """See `Store.read_window`."""
        meta, order, genres, window = self._read(
            {
                "meta": "HGETALL",
                "genre_order": "LRANGE 0 -1",
                "genres": "HGETALL",
                "window": "HGETALL",
            }
        )
        if not meta:
            raise self._absent()
        first = pairs(genres)
        rows = {int(start): unpack_row(row, len(order)) for start, row in pairs(window).items()}
        starts = sorted(rows)
        shape = (len(starts), len(order), MEASURE_COUNT)
        return WindowRows(
            genres=tuple(genre.decode() for genre in order),
            first_bucket_ms=np.array([int(first[genre]) for genre in order], np.int64),
            starts_ms=np.array(starts, np.int64),
            cells=np.stack([rows[s] for s in starts]) if starts else np.zeros(shape, np.int64),
        )

    def read_states(self) -> dict[str, SavedState]:
        """See `Store.read_states`."""
        meta, states = self._read({"meta": "HGETALL", "model_state": "HGETALL"})
        if not meta:
            raise self._absent()
        return unpack_states(pairs(states))


def _sealed(reply: list[Any]) -> Sealed:
    meta = orjson.loads(reply[1])
    genres, first, packed = reply[3::3], reply[4::3], reply[5::3]
    # An empty Lua table encodes as an array or an object alike: no partition, no entry.
    cut, replay_from = meta["cut"] or {}, meta["replay_from"] or {}
    cells = np.zeros((len(genres), MEASURE_COUNT), np.int64)
    for i, cell in enumerate(packed):
        if cell:
            cells[i] = unpack_cell(cell)
    return Sealed(
        bucket_ms=int(meta["bucket"]),
        genres=tuple(genre.decode() for genre in genres),
        first_bucket_ms=np.array(first, np.int64),
        cells=cells,
        cut={int(p): int(offset) for p, offset in cut.items()},
        replay_from={
            int(p): (int(offset), int(watermark) if watermark else None)
            for p, (offset, watermark) in replay_from.items()
        },
        is_reset=bool(meta["is_reset"]),
        models_generation=int(reply[2]),
    )


def _optional(value: int | None) -> int | str:
    return "" if value is None else value


def _optional_int(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _int_map(held: Mapping[bytes, bytes]) -> dict[int, int]:
    return {int(key): int(value) for key, value in held.items()}


def _valid_pauses(held: Mapping[bytes, bytes], offsets: dict[int, int]) -> dict[int, str]:
    """Return the reasons of pauses that partitions have not gone past."""
    noted = {int(p): note.decode().partition(" ") for p, note in held.items()}
    return {p: why for p, (at, _, why) in noted.items() if int(at) == offsets.get(p, 0)}
