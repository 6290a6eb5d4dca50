"""The store on a real Redis: the scripts of `state/scripts`, and the only import of `redis`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final, Literal, NoReturn, Self

import numpy as np
import orjson
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from contracts.forecasts import SCHEMA_VERSION, BucketRecord
from contracts.kafka_client import read_secret
from contracts.measures import MEASURE_COUNT
from contracts.options import ConfigurationError
from contracts.settings import Settings
from state.packing import pack_cell, pack_row, unpack_cell, unpack_row
from state.store import (
    LIVE_LAG_MS,
    ApplyOutcome,
    Batch,
    Cell,
    DeploymentAbsentError,
    DeploymentMismatchError,
    Progress,
    SavedState,
    Sealed,
    StoreRefusedError,
    StoreUnavailableError,
    WindowRows,
)

CONNECT_TIMEOUT_SECONDS: Final = 3.0
"""How long a connection to Redis may take, seconds."""

SOCKET_TIMEOUT_SECONDS: Final = 5.0
"""How long a reply from Redis may take, seconds; a lost one shows as a failed compare."""

_KEYS: Final = (
    "meta", "offsets", "watermarks", "idle", "restored_cut", "genres", "genre_order",
    "open", "totals", "window", "model_state",
)  # fmt: skip


@contextmanager
def _translated() -> Iterator[None]:
    """Translate the client's errors to the store's."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise StoreRefusedError(f"Redis refuses us: {error}") from error
    except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError, OSError) as error:
        # READONLY, LOADING, OOM and MASTERDOWN are replies, and pass as a lost link does.
        raise StoreUnavailableError(f"Redis: {error}") from error


def connect(settings: Settings) -> "redis.Redis":
    """Make the client; it connects on first use and never repeats a write by itself."""
    options: dict[str, Any] = {}
    if settings.redis_password_file:
        options["password"] = read_secret(
            settings.redis_password_file, "GENRECAST_REDIS_PASSWORD_FILE"
        )
    url = settings.redis_url.get_secret_value()
    if settings.redis_ca_file and url.startswith("rediss://"):
        options["ssl_ca_certs"] = str(settings.redis_ca_file)
    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            # A repeated write would be harmless (compare-and-set) but would hide a lost reply.
            retry=Retry(NoBackoff(), 0),
            **options,
        )
    except ValueError as error:
        raise ConfigurationError(f"GENRECAST_REDIS_URL: {error}") from None
    return client


class RedisStore:
    """`state.store.Store` on Redis; safe to use from several threads."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._bucket_ms = settings.bucket_ms
        prefix = f"{{genrecast:{settings.app}}}:"
        self._prefix = prefix
        self._key = {name: prefix + name for name in _KEYS}
        scripts = resources.files("state") / "scripts"
        self._scripts: dict[str, Callable[..., Any]] = {
            name: client.register_script((scripts / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("open", "apply", "renew_idle", "seal", "commit", "restore", "finish")
        }

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Make a store for a deployment; connects on first use."""
        return cls(connect(settings), settings)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _run(self, script: str, keys: tuple[str, ...], arguments: list[Any]) -> list[Any]:
        with _translated():
            reply: list[Any] = self._scripts[script](
                keys=[self._key[name] for name in keys], args=arguments
            )
        if reply[0] == b"absent":
            raise self._absent()
        if reply[0] == b"differs":
            name, stored = (reply[1], reply[2]) if len(reply) > 2 else (b"bucket_ms", reply[1])
            self._refuse(name.decode(), int(stored))
        return reply

    def _absent(self) -> DeploymentAbsentError:
        return DeploymentAbsentError(
            f"Redis holds no state of app {self._settings.app!r}: the first consumer makes it"
        )

    def _refuse(self, name: str, stored: int) -> NoReturn:
        raise DeploymentMismatchError(
            f"the state of app {self._settings.app!r} in Redis has {name} {stored}, but this "
            f"process {self._shape()[name]}: give it the same GENRECAST_BUCKET_SECONDS, or "
            "another GENRECAST_APP"
        )

    def _shape(self) -> dict[str, int]:
        return {"bucket_ms": self._bucket_ms, "schema_version": SCHEMA_VERSION}

    def open(self) -> None:
        """See `Store.open`."""
        self._run("open", ("meta",), [self._bucket_ms, SCHEMA_VERSION])

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
            batch.counted,
            batch.late,
            batch.dead_letters,
            batch.skipped,
        ]
        for (bucket, genre), cell in batch.cells.items():
            arguments += (bucket, genre, pack_cell(cell))
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
        reply = self._run("seal", _KEYS[:8], arguments)
        if reply[0] == b"wait":
            return "wait"
        if reply[0] == b"disagrees":
            return "disagrees"
        return _sealed(reply)

    def commit(self, sealed: Sealed, state: SavedState | None) -> bool:
        """See `Store.commit`."""
        cut = {str(p): str(offset) for p, offset in sealed.cut.items()}
        arguments: list[Any] = [
            self._bucket_ms,
            sealed.bucket_ms,
            orjson.dumps(cut),
            pack_row(sealed.cells),
            self._settings.window_buckets,
            *((state.model_version, state.genre_count, state.blob) if state else ("", 0, b"")),
        ]
        keys = ("meta", "window", "model_state", "totals")
        return bool(self._run("commit", keys, arguments)[0] == b"committed")

    def restore(self, record: BucketRecord, rows: Mapping[int, bytes]) -> bool:
        """See `Store.restore`."""
        restored = {
            "cut": {str(p): str(offset) for p, offset in record.cut.items()},
            "replay_from": {
                str(p): [str(point.offset), "" if point.watermark is None else str(point.watermark)]
                for p, point in record.replay_from.items()
            },
            "genres": [[g, str(record.genres_first_bucket[g])] for g in record.counts],
        }
        arguments: list[Any] = [
            self._bucket_ms,
            SCHEMA_VERSION,
            record.bucket_start,
            orjson.dumps(restored),
        ]
        for start_ms, row in rows.items():
            arguments += (start_ms, row)
        return bool(self._run("restore", _KEYS, arguments)[0] == b"restored")

    def finish(self) -> int:
        """See `Store.finish`."""
        return int(self._run("finish", ("meta", "open"), [self._bucket_ms])[1])

    def read_progress(self) -> Progress:
        """See `Store.read_progress`."""
        with _translated():
            pipe = self._client.pipeline(transaction=True)
            for name in ("offsets", "watermarks", "restored_cut", "idle"):
                pipe.hgetall(self._key[name])
            pipe.hmget(
                self._key["meta"], "bucket_ms", "closed", "published", "global_watermark", "is_live"
            )
            offsets, watermarks, cut, idle, meta = pipe.execute()
        if meta[0] is None:
            raise self._absent()
        if int(meta[0]) != self._bucket_ms:
            self._refuse("bucket_ms", int(meta[0]))
        return Progress(
            offsets=_int_map(offsets),
            watermarks=_int_map(watermarks),
            restored_cut=_int_map(cut),
            idle_until=_int_map(idle),
            closed_ms=_optional_int(meta[1]),
            published_ms=_optional_int(meta[2]),
            global_watermark_ms=_optional_int(meta[3]),
            is_live=meta[4] == b"1",
        )

    def read_totals(self) -> dict[str, int]:
        """See `Store.read_totals`."""
        with _translated():
            totals: dict[Any, Any] = self._client.hgetall(self._key["totals"])
        return {name.decode(): int(value) for name, value in totals.items()}

    def read_genres(self) -> dict[str, int]:
        """See `Store.read_genres`."""
        with _translated():
            genres: dict[Any, Any] = self._client.hgetall(self._key["genres"])
        return {genre.decode(): int(first) for genre, first in genres.items()}

    def read_open(self) -> dict[int, dict[str, Cell]]:
        """See `Store.read_open`."""
        with _translated():
            open_buckets: list[Any] = self._client.zrange(self._key["open"], 0, -1)
            starts = [int(bucket) for bucket in open_buckets]
            sealed = self._client.hget(self._key["meta"], "sealed")
            if sealed:
                starts.insert(0, int(orjson.loads(sealed)["bucket"]))
            pipe = self._client.pipeline(transaction=True)
            for start in starts:
                pipe.hgetall(f"{self._prefix}bucket:{start}")
            cells = pipe.execute()
        return {
            start: {genre.decode(): unpack_cell(cell) for genre, cell in held.items()}
            for start, held in zip(starts, cells, strict=True)
        }

    def read_window(self) -> WindowRows:
        """See `Store.read_window`."""
        with _translated():
            pipe = self._client.pipeline(transaction=True)
            pipe.lrange(self._key["genre_order"], 0, -1)
            pipe.hgetall(self._key["genres"])
            pipe.hgetall(self._key["window"])
            order, first, packed = pipe.execute()
        rows = {int(start): unpack_row(row, len(order)) for start, row in packed.items()}
        starts = sorted(rows)
        shape = (len(starts), len(order), MEASURE_COUNT)
        return WindowRows(
            genres=tuple(genre.decode() for genre in order),
            first_bucket_ms=np.array([int(first[genre]) for genre in order], np.int64),
            starts_ms=np.array(starts, np.int64),
            cells=np.stack([rows[s] for s in starts]) if starts else np.zeros(shape, np.int64),
        )

    def read_state(self) -> SavedState | None:
        """See `Store.read_state`."""
        with _translated():
            held: list[Any] = self._client.hmget(
                self._key["model_state"], "model_version", "bucket", "genre_count", "blob"
            )
        if held[0] is None:
            return None
        return SavedState(held[0].decode(), int(held[1]), int(held[2]), held[3])


def _sealed(reply: list[Any]) -> Sealed:
    meta = orjson.loads(reply[1])
    genres, first, packed = reply[2::3], reply[3::3], reply[4::3]
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
    )


def _optional(value: int | None) -> int | str:
    return "" if value is None else value


def _optional_int(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _int_map(raw: dict[bytes, bytes]) -> dict[int, int]:
    return {int(key): int(value) for key, value in raw.items()}
