"""The registry of models: which there are, which one publishes, and how they do live.

It lies in the deployment's hash slot, beside the windows, but is no part of what the journal can
rebuild: `wipe` and `restore` of the windows leave it alone. Whoever changes it reads it, makes
another `Registry` of it and writes that one, compared by generation: one atomic script moves
pointers, entries and bytes together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

BUILT_IN: Final = "built-in"
"""What the registry calls the model that serves while none of its own does: the shipped one."""

KEPT_VERSIONS: Final = 6
"""Most versions kept, those in use among them: some megabytes of weights, so that Redis' memory is
bounded; the oldest that no pointer names goes first."""

MAX_REASON_LENGTH: Final = 500
"""Most characters of a reason that are kept."""

Status = Literal["candidate", "champion", "previous", "retired", "refused"]

ROLES: Final = ("champion", "candidate", "previous")
"""Pointers of the registry."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class ModelEntry(_Stored):
    """A version in the registry, without its arrays."""

    version: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    registered_at: int = Field(description="Epoch ms.")
    architecture: str = Field(
        default="", max_length=64, description="What reads the buckets; empty while unknown."
    )
    source: str = Field(default="", description="What it was trained on.")
    metrics: dict[str, float | None] = Field(default={}, description="On held-out buckets.")
    naive_metrics: dict[str, float | None] = Field(default={}, description="Seasonal naive's.")
    refused: str = Field(default="", description="Why it must not serve; empty while it may.")


class DriftFigures(_Stored):
    """A drift detector's sums, see `consumer.drift`."""

    count: int = 0
    mean: float = 0.0
    spread: float = 0.0
    sum: float = 0.0
    lowest: float = 0.0


class LiveFigures(_Stored):
    """How a version does on live buckets; a candidate's sums are of buckets both forecast.

    Attributes:
        model_version: What it publishes, or would publish, as `model_version`.
        since_ms: The first bucket that it forecast, as_of_ms: the last, epoch ms.
        buckets: Buckets on which a candidate and the champion were compared.
        loss: Its pinball loss on them, `champion_loss` the champion's, `clicks` what came.
        rolling: MASE, WQL, coverage and skill of late, as the model itself keeps them.
        by_step: The same by step; by_genre: of the busiest genres; is_baseline is 1 where it
            stands in.
        seconds: How long its last bucket took.
        suspended: Why it no longer runs in shadow; empty while it does.
        drift: The champion's detector.
    """

    model_version: str = ""
    since_ms: int = 0
    as_of_ms: int = 0
    buckets: int = 0
    loss: float = 0.0
    champion_loss: float = 0.0
    clicks: float = 0.0
    rolling: dict[str, float | None] = {}
    by_step: dict[int, dict[str, float | None]] = {}
    by_genre: dict[str, dict[str, float | None]] = {}
    seconds: float = 0.0
    suspended: str = ""
    drift: DriftFigures | None = None

    @property
    def wql(self) -> float | None:
        """Weighted quantile loss on the buckets that were compared; None without clicks."""
        return 2 * self.loss / self.clicks if self.clicks else None

    @property
    def champion_wql(self) -> float | None:
        """The champion's on the same buckets."""
        return 2 * self.champion_loss / self.clicks if self.clicks else None


class RetrainRequest(_Stored):
    """Retraining is asked for: since when, and why."""

    asked_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class ModelBytes:
    """A model as it was given: both files, byte for byte. Hostile until checked."""

    manifest: bytes
    weights: bytes


@dataclass(frozen=True, slots=True)
class Registry:
    """Versions and pointers.

    Attributes:
        generation: Counts the changes; 0 when there is no registry.
        champion: The version that publishes; `BUILT_IN` while none of these does.
        candidate: The version that runs in shadow; None when there is none.
        previous: The champion before this one; None when there was none.
        moved_at_ms: When the champion was changed last, epoch ms.
        entries: By version.
    """

    generation: int = 0
    champion: str = BUILT_IN
    candidate: str | None = None
    previous: str | None = None
    moved_at_ms: int = 0
    entries: Mapping[str, ModelEntry] = field(default_factory=dict)

    def status_of(self, version: str) -> Status:
        """Return what a version is."""
        if version == self.champion:
            return "champion"
        if version == self.candidate:
            return "candidate"
        if version == self.previous:
            return "previous"
        return "refused" if self.entries[version].refused else "retired"

    def pruned(self) -> "Registry":
        """Return it without the oldest versions beyond those that are kept."""
        used = {self.champion, self.candidate, self.previous}
        idle = sorted(
            (e for e in self.entries.values() if e.version not in used),
            key=lambda e: e.registered_at,
        )
        excess = max(0, len(self.entries) - KEPT_VERSIONS)
        gone = {entry.version for entry in idle[:excess]}
        return replace(self, entries={v: e for v, e in self.entries.items() if v not in gone})


@dataclass(frozen=True, slots=True)
class Notes:
    """What the forecaster tells of its models, and whether retraining is asked for."""

    figures: Mapping[str, LiveFigures] = field(default_factory=dict)
    retrain: RetrainRequest | None = None


class ModelStore(Protocol):
    """Where the registry is. Each method is atomic; any may raise `StoreError`."""

    def read(self) -> Registry:
        """Return versions and pointers."""
        ...

    def read_bytes(self, version: str) -> ModelBytes | None:
        """Return a version's files, None when they are not there."""
        ...

    def write(self, registry: Registry, added: Mapping[str, ModelBytes]) -> bool:
        """Replace the registry, if its generation is still the one of `registry`.

        Args:
            registry: The new content, with the generation that it was made from.
            added: Files of versions that are new; those of versions gone are removed.
        """
        ...

    def read_notes(self) -> Notes:
        """Return live figures and the request to retrain."""
        ...

    def note(self, figures: Mapping[str, LiveFigures]) -> None:
        """Replace the figures of all versions by these."""
        ...

    def ask_retrain(self, request: RetrainRequest | None) -> None:
        """Ask for retraining, or take that back."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class MemoryModels:
    """`ModelStore` in memory: the twin."""

    def __init__(self) -> None:
        self._registry = Registry()
        self._bytes: dict[str, ModelBytes] = {}
        self._notes = Notes()

    def generation(self) -> int:
        """Return where the registry stands, as a seal tells it."""
        return self._registry.generation

    def wipe(self) -> None:
        """Lose everything, as a Redis that was emptied."""
        self._registry, self._bytes, self._notes = Registry(), {}, Notes()

    def read(self) -> Registry:
        """See `ModelStore.read`."""
        return self._registry

    def read_bytes(self, version: str) -> ModelBytes | None:
        """See `ModelStore.read_bytes`."""
        return self._bytes.get(version)

    def write(self, registry: Registry, added: Mapping[str, ModelBytes]) -> bool:
        """See `ModelStore.write`."""
        if registry.generation != self._registry.generation:
            return False
        self._bytes |= added
        self._bytes = {v: held for v, held in self._bytes.items() if v in registry.entries}
        entries = dict(registry.entries)
        self._registry = replace(registry, generation=registry.generation + 1, entries=entries)
        return True

    def read_notes(self) -> Notes:
        """See `ModelStore.read_notes`."""
        return self._notes

    def note(self, figures: Mapping[str, LiveFigures]) -> None:
        """See `ModelStore.note`."""
        self._notes = replace(self._notes, figures=dict(figures))

    def ask_retrain(self, request: RetrainRequest | None) -> None:
        """See `ModelStore.ask_retrain`."""
        self._notes = replace(self._notes, retrain=request)

    def close(self) -> None:
        """Nothing is open."""


def entry_of(packed: bytes) -> ModelEntry | None:
    """Return a stored entry, None when it is none: it can't be used, the others can."""
    try:
        return ModelEntry.model_validate_json(packed)
    except ValidationError:
        return None


def figures_of(packed: bytes) -> LiveFigures | None:
    """Return stored figures, None when they are none."""
    try:
        return LiveFigures.model_validate_json(packed)
    except ValidationError:
        return None


def request_of(packed: bytes) -> RetrainRequest | None:
    """Return a stored request, None when it is none."""
    try:
        return RetrainRequest.model_validate_json(packed)
    except ValidationError:
        return None
