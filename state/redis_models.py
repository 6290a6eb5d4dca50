"""The registry of models on a real Redis."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from state.model_store import (
    BUILT_IN,
    LiveFigures,
    ModelBytes,
    Notes,
    Registry,
    RetrainRequest,
    entry_of,
    figures_of,
    request_of,
)
from state.scripted import Scripted, pairs

_POINTERS: Final = "HMGET generation champion candidate previous moved_at"

T = TypeVar("T")


class RedisModels(Scripted):
    """`state.model_store.ModelStore` on Redis; safe to use from several threads."""

    SCRIPTS = ("models_write", "models_note")

    def read(self) -> Registry:
        """See `ModelStore.read`."""
        pointers, entries = self._read({"model_pointers": _POINTERS, "models": "HGETALL"})
        if pointers[0] is None:
            return Registry()
        champion, candidate, previous = (name.decode() if name else None for name in pointers[1:4])
        held = {name.decode(): entry_of(packed) for name, packed in pairs(entries).items()}
        return Registry(
            generation=int(pointers[0]),
            champion=champion or BUILT_IN,
            candidate=candidate,
            previous=previous,
            moved_at_ms=int(pointers[4] or 0),
            entries=_present(held),
        )

    def read_bytes(self, version: str) -> ModelBytes | None:
        """See `ModelStore.read_bytes`."""
        manifest, weights = self._read(
            {"model_manifests": f"HGET {version}", "model_weights": f"HGET {version}"}
        )
        if manifest is None or weights is None:
            return None
        return ModelBytes(manifest, weights)

    def write(self, registry: Registry, added: Mapping[str, ModelBytes]) -> bool:
        """See `ModelStore.write`."""
        arguments: list[Any] = [
            registry.generation,
            registry.champion,
            registry.candidate or "",
            registry.previous or "",
            registry.moved_at_ms,
            len(registry.entries),
        ]
        for version, entry in registry.entries.items():
            arguments += (version, entry.model_dump_json())
        for version, files in added.items():
            arguments += (version, files.manifest, files.weights)
        keys = ("model_pointers", "models", "model_manifests", "model_weights")
        return bool(self._call("models_write", keys, arguments)[0] == b"written")

    def read_notes(self) -> Notes:
        """See `ModelStore.read_notes`."""
        figures, retrain = self._read({"model_figures": "HGETALL", "model_retrain": "GET"})
        held = {name.decode(): figures_of(packed) for name, packed in pairs(figures).items()}
        return Notes(_present(held), request_of(retrain) if retrain else None)

    def note(self, figures: Mapping[str, LiveFigures]) -> None:
        """See `ModelStore.note`."""
        arguments: list[Any] = ["figures"]
        for version, held in figures.items():
            arguments += (version, held.model_dump_json())
        self._call("models_note", ("model_figures", "model_retrain"), arguments)

    def ask_retrain(self, request: RetrainRequest | None) -> None:
        """See `ModelStore.ask_retrain`."""
        arguments = ["retrain", request.model_dump_json() if request else ""]
        self._call("models_note", ("model_figures", "model_retrain"), arguments)


def _present(held: Mapping[str, T | None]) -> dict[str, T]:
    return {name: value for name, value in held.items() if value is not None}
