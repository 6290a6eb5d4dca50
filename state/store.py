"""The store's contract: what the protocol asks of Redis, and of its in-memory twin."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.forecasts import BucketRecord
from state.cells import Cell, Cells

Of = TypeVar("Of")

TOTALS: Final = (
    "counted", "late", "dead_letters", "skipped", "duplicates", "lost", "impressions", "attributed",
    "other_shares",
)  # fmt: skip
"""What of a batch is added up for the whole deployment, in the order that `apply` takes it."""

STATE_VERSION: Final = 1
"""Version of what is kept in Redis, in every script too: none touches state of another one. A
change of its shape is no migration but a new number: `genrecast rebuild` makes the state anew."""

LIVE_LAG_MS: Final = 60_000
"""A record whose event time is at most so far behind its timestamp is live, not a replay, ms."""

SPARE_BUCKETS: Final = 64
"""Closed buckets kept beyond the window, buckets: a saved state up to so many buckets old is
advanced again over windows as long as those it had the first time, so it comes out the same."""


class StoreError(Exception):
    """The state is not usable."""


class StoreUnavailableError(StoreError):
    """Redis does not answer, or not now; nothing was decided, try again later."""


class StoreRefusedError(StoreError):
    """Redis refuses us: rights, or a server of another kind than the settings say."""


class StoreLinkRefusedError(StoreRefusedError):
    """Login or certificate are refused: other settings are needed, waiting alone is in vain."""


class DeploymentMismatchError(StoreError):
    """The stored state belongs to a deployment of another shape."""


class DeploymentAbsentError(StoreError):
    """There is no state: a first start, or Redis was emptied."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One partition's records between two offsets, aggregated.

    Attributes:
        partition: Partition of `clicks`.
        expected_offset: Position before the poll.
        next_offset: Position after it.
        watermark_before_ms: The partition's watermark before the batch; None before any event.
        watermark_ms: Its watermark after the batch; None when no event moved it.
        front: (min(event time, timestamp), timestamp) of the record furthest ahead, ms.
        cells: Increments by (bucket start ms, genre).
        event_ids: With `dedup`: per bucket touched, the digests of its new event ids, joined.
        counted: Events in the increments; `late`, `dead_letters`, `skipped`: records elsewhere.
        duplicates: Events whose id was counted before.
        lost: Offsets that retention passed before they were read.
        impressions: Events that count in no genre.
        attributed: Of those counted, how many followed from a recommendation.
        other_shares: Events without a genre of this deployment's share.
    """

    partition: int
    expected_offset: int
    next_offset: int
    watermark_before_ms: int | None = None
    watermark_ms: int | None = None
    front: tuple[int, int] | None = None
    cells: Cells = field(default_factory=dict)
    event_ids: Mapping[int, bytes] = field(default_factory=dict)
    counted: int = 0
    late: int = 0
    dead_letters: int = 0
    skipped: int = 0
    duplicates: int = 0
    lost: int = 0
    impressions: int = 0
    attributed: int = 0
    other_shares: int = 0

    @property
    def records(self) -> int:
        """How many records it stands for."""
        return (
            self.counted
            + self.late
            + self.dead_letters
            + self.skipped
            + self.duplicates
            + self.impressions
            + self.other_shares
        )


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """What became of a batch; only `applied` and `already` moved the offset.

    Attributes:
        kind: `applied`; `already` (the stored offset is the batch's next one); `moved` (it is
            another: seek to `offset`); `wait` (touches a bucket that is closed but not
            published); `refused` (touches a bucket that is published).
        offset: The stored offset, with `moved`.
        published_ms: The last published bucket, with `refused`.
        restored_cut: Records below it were decided before a restore, with `refused`.
    """

    kind: Literal["applied", "already", "moved", "wait", "refused"]
    offset: int = 0
    published_ms: int = 0
    restored_cut: int = 0


@dataclass(frozen=True, slots=True)
class Sealed:
    """A closed bucket: everything that its published record holds, from one read.

    Attributes:
        bucket_ms: Start of the bucket, epoch ms.
        genres: Every genre in genre order, also those first counted in later buckets.
        first_bucket_ms: (G,) int64, the bucket each genre was first counted in.
        cells: (G, M) int64, zeros where nobody clicked.
        cut: Stored offset per partition at the close.
        replay_from: Per partition (offset, watermark before it).
        is_reset: Whether a gap longer than the window went before.
        models_generation: Where the registry of models stands, see `state.model_store`; 0 when
            there is none.
    """

    bucket_ms: int
    genres: tuple[str, ...]
    first_bucket_ms: NDArray[np.int64]
    cells: NDArray[np.int64]
    cut: dict[int, int]
    replay_from: dict[int, tuple[int, int | None]]
    is_reset: bool
    models_generation: int = 0

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """(G,) whether each genre had appeared by this bucket."""
        return self.first_bucket_ms <= self.bucket_ms


MOST_STATE_BYTES: Final = 512 * 1024 * 1024 - 64
"""Largest model state that can be saved: Redis holds no longer string, its head included."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """A model's state after a bucket, as stored; each version has its own."""

    model_version: str
    bucket_ms: int
    genre_count: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the deployment stands, from one read; its maps are of the partitions asked for.

    `paused` has the reasons why partitions stand still at their stored offsets.
    """

    offsets: dict[int, int]
    watermarks: dict[int, int]
    restored_cut: dict[int, int]
    idle_until: dict[int, int]
    closed_ms: int | None
    published_ms: int | None
    global_watermark_ms: int | None
    is_live: bool
    model_version: str | None = None
    paused: dict[int, str] = field(default_factory=dict)

    def of(self, partitions: Collection[int]) -> "Progress":
        """Return it with these partitions only."""

        def own(held: dict[int, Of]) -> dict[int, Of]:
            return {p: held[p] for p in partitions if p in held}

        return replace(
            self,
            offsets=own(self.offsets),
            watermarks=own(self.watermarks),
            restored_cut=own(self.restored_cut),
            idle_until=own(self.idle_until),
            paused=own(self.paused),
        )


@dataclass(frozen=True, slots=True)
class WindowRows:
    """The closed buckets that are kept, oldest first: the window and `SPARE_BUCKETS` before it.

    Attributes:
        genres: Genre order.
        first_bucket_ms: (G,) int64, the bucket each genre was first counted in.
        starts_ms: (T,) int64.
        cells: (T, G, M) int64.
    """

    genres: tuple[str, ...]
    first_bucket_ms: NDArray[np.int64]
    starts_ms: NDArray[np.int64]
    cells: NDArray[np.int64]


class Store(Protocol):
    """All state of one deployment. Each method is atomic; any may raise `StoreError`."""

    def open(self) -> None:
        """Make the deployment's state, or check that it is of this shape."""
        ...

    def apply(self, batch: Batch) -> ApplyOutcome:
        """Add a batch and move its partition's offset, if that is still `expected_offset`."""
        ...

    def renew_idle(self, partition: int, expected_offset: int, until_ms: int) -> bool:
        """Renew an idle lease; False when the stored offset is another."""
        ...

    def note_pause(self, partition: int, expected_offset: int, reason: str) -> None:
        """Note why reading a partition stands still; void once the stored offset is another."""
        ...

    def seal(
        self, *, partition_count: int, now_ms: int, expect_published_ms: int | None
    ) -> Sealed | Literal["wait", "disagrees"]:
        """Close the next due bucket and return it; the same one until it is committed."""
        ...

    def commit(
        self, sealed: Sealed, states: Sequence[SavedState] = (), *, model_version: str = ""
    ) -> bool:
        """Note a sealed bucket as published; False when the store disagrees on its cut.

        Args:
            sealed: The bucket.
            states: The models' states, instead of all that are saved; none leaves those.
            model_version: Which model it was published by; "" when that is not known.
        """
        ...

    def save_states(self, published_ms: int, states: Sequence[SavedState]) -> bool:
        """Save states beside those that are, False when another bucket was published last."""
        ...

    def wipe(self) -> None:
        """Lose everything, as a Redis that was emptied."""
        ...

    def restore(self, record: BucketRecord, rows: Mapping[int, bytes]) -> bool:
        """Reset to a journal record, with packed window rows; False when not behind it."""
        ...

    def finish(self) -> int:
        """Let all open buckets close; returns how many there were."""
        ...

    def read_progress(self, partitions: Collection[int] | None = None) -> Progress:
        """Offsets, watermarks and positions, from one read.

        Args:
            partitions: Those to read, all when None. Members name their own: were each to read
                all of them at every turn, the work would grow with members times partitions.
        """
        ...

    def read_event_ids(self, partition: int) -> tuple[int, dict[int, bytes]]:
        """A partition's stored offset and, as of then, its digests by open bucket (`dedup`)."""
        ...

    def read_totals(self) -> dict[str, int]:
        """What `apply` was told of every batch, and buckets, window_resets, restores."""
        ...

    def read_genres(self) -> dict[str, int]:
        """The bucket each genre was first counted in, start in epoch ms."""
        ...

    def read_open(self) -> dict[int, dict[str, Cell]]:
        """Cells of buckets that are not published yet, by bucket start ms and genre."""
        ...

    def read_window(self) -> WindowRows:
        """The closed buckets that are kept.

        Raises:
            DeploymentAbsentError: There is no deployment.
        """
        ...

    def read_states(self) -> dict[str, SavedState]:
        """The models' saved states, by version.

        Raises:
            DeploymentAbsentError: There is no deployment.
        """
        ...
