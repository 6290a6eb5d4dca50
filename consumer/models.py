"""Changes to the registry of models: a model in, pointers moved, a broken one refused and named."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contracts.settings import Settings
from model.artifact import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    MAX_WEIGHTS_BYTES,
    WEIGHTS_NAME,
    Artifact,
    Manifest,
    ModelRefusedError,
    TrainMetrics,
    load_artifact,
    read_limited,
)
from model.registry import live, misfit, open_artifact
from state.model_store import (
    BUILT_IN,
    MAX_REASON_LENGTH,
    ModelBytes,
    ModelEntry,
    ModelStore,
    Registry,
)

if TYPE_CHECKING:
    from model.forecaster import Forecaster

log = logging.getLogger(__name__)

WRITE_ATTEMPTS: Final = 20
"""How often a change is made anew because somebody else changed the registry meanwhile."""

OpenModel = Callable[[str, ModelBytes, Settings], "Forecaster"]
"""Makes a forecaster of a version's files, checking them; raises ModelRefusedError."""

Change = Callable[[Registry], Registry]


class RegistryError(Exception):
    """What was asked of the registry can't be done; the message says why."""


def read_model(directory: Path) -> ModelBytes:
    """Read a model's files, no more of them than a model may have.

    Raises:
        ModelRefusedError: They can't be read, or are larger than a model may be.
    """
    return ModelBytes(
        read_limited(directory / MANIFEST_NAME, MAX_MANIFEST_BYTES),
        read_limited(directory / WEIGHTS_NAME, MAX_WEIGHTS_BYTES),
    )


def write_model(files: ModelBytes, directory: Path) -> None:
    """Write a model's files; the manifest last, so that a half-written model is refused."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / WEIGHTS_NAME).write_bytes(files.weights)
    (directory / MANIFEST_NAME).write_bytes(files.manifest)


def check_model(name: str, files: ModelBytes) -> Artifact:
    """Check a model's files as if they came from outside: they did, also out of Redis.

    Raises:
        ModelRefusedError: Naming the model, the file and what is wrong with it.
    """
    with tempfile.TemporaryDirectory(prefix="genrecast-model-") as directory:
        write_model(files, Path(directory))
        try:
            artifact = load_artifact(Path(directory))
        except ModelRefusedError as error:
            raise ModelRefusedError(str(error).replace(directory, name)) from None
    return replace(artifact, directory=Path(name))


def open_model(name: str, files: ModelBytes, settings: Settings) -> "Forecaster":
    """Check a model and make of it what serves live; imports TensorFlow.

    Raises:
        ModelRefusedError: It is broken, or does not fit the settings.
    """
    return live(open_artifact(check_model(name, files), settings))


def open_registered(version: str, files: ModelBytes, settings: Settings) -> "Forecaster":
    """Open a model that the registry has under a version.

    Raises:
        ModelRefusedError: It is broken, does not fit, or is another than it is called.
    """
    forecaster = open_model(version, files, settings)
    named = Manifest.model_validate_json(files.manifest).model_version
    if named != version:
        raise ModelRefusedError(f"{version}: the manifest is that of {named}")
    return forecaster


def add_model(
    models: ModelStore,
    directory: Path,
    settings: Settings,
    now_ms: int,
    open_: OpenModel = open_model,
) -> ModelEntry:
    """Check a model, down to its outputs, and register it as the candidate.

    Raises:
        ModelRefusedError: It is broken or does not fit the settings; nothing is registered.
        RegistryError: It is in use already.
    """
    files = read_model(directory)
    artifact = check_model(str(directory), files)
    reason = misfit(artifact.manifest, settings)
    if reason is not None:
        raise ModelRefusedError(reason)
    open_(str(directory), files, settings)
    entry = _entry_of(artifact.manifest, now_ms)
    version = entry.version

    def add(registry: Registry) -> Registry:
        if version == BUILT_IN:
            raise RegistryError(f"{BUILT_IN!r} is the name of the shipped model")
        if version in registry.entries:
            status = registry.status_of(version)
            if status not in ("retired", "refused"):
                raise RegistryError(f"{version} is there already: it is the {status}")
        entries = {**registry.entries, version: entry}
        return replace(registry, candidate=version, entries=entries).pruned()

    change(models, add, {version: files})
    return entry


def _entry_of(manifest: Manifest, now_ms: int) -> ModelEntry:
    return ModelEntry(
        version=manifest.model_version,
        registered_at=now_ms,
        architecture=manifest.architecture,
        source=manifest.data.source,
        metrics=_figures(manifest.metrics),
        naive_metrics=_figures(manifest.naive_metrics),
    )


def _figures(metrics: TrainMetrics) -> dict[str, float | None]:
    measured = metrics.model_dump(exclude={"points"})
    return {name: None if value is None else float(value) for name, value in measured.items()}


def change(
    models: ModelStore, make: Change, added: Mapping[str, ModelBytes] | None = None
) -> Registry:
    """Change the registry by compare-and-set; made anew from what others wrote meanwhile.

    Raises:
        RegistryError: It is changed by others all the time; or what `make` raises.
    """
    for _ in range(WRITE_ATTEMPTS):
        registry = models.read()
        changed = make(registry)
        if models.write(changed, added or {}):
            return replace(changed, generation=registry.generation + 1)
    raise RegistryError("the registry of models is changed all the time by somebody else")


def promote(models: ModelStore, version: str, now_ms: int) -> Registry:
    """Make a version (or the built-in) the champion, and the champion the previous one.

    Raises:
        RegistryError: There is no such version, it is refused, or is the champion already.
    """

    def move(registry: Registry) -> Registry:
        refused = "" if version == BUILT_IN else _known(registry, version).refused
        if refused:
            raise RegistryError(f"{version} is refused: {refused}")
        if version == registry.champion:
            raise RegistryError(f"{version} is the champion already")
        return replace(
            registry,
            champion=version,
            previous=registry.champion,
            candidate=None if registry.candidate == version else registry.candidate,
            moved_at_ms=now_ms,
        )

    return change(models, move)


def roll_back(models: ModelStore, now_ms: int) -> Registry:
    """Swap the champion and the one before it.

    Raises:
        RegistryError: There was none before it.
    """

    def move(registry: Registry) -> Registry:
        if registry.previous is None:
            raise RegistryError(f"nothing to go back to: {registry.champion} is the first champion")
        champion, previous = registry.previous, registry.champion
        return replace(registry, champion=champion, previous=previous, moved_at_ms=now_ms)

    return change(models, move)


def retire(models: ModelStore, version: str) -> Registry:
    """Take a version out of use; it stays in the registry until newer ones displace it.

    Raises:
        RegistryError: There is no such version, or it is the champion.
    """

    def move(registry: Registry) -> Registry:
        _known(registry, version)
        if version == registry.champion:
            raise RegistryError(
                f"{version} is the champion: promote another one or roll back first"
            )
        return _without(registry, version)

    return change(models, move)


def refuse(models: ModelStore, version: str, reason: str, now_ms: int) -> Registry:
    """Take a version out of use for good and say why; a champion's predecessor serves instead."""

    def move(registry: Registry) -> Registry:
        entry = registry.entries.get(version) or ModelEntry(version=version, registered_at=now_ms)
        refused = entry.model_copy(update={"refused": reason[:MAX_REASON_LENGTH]})
        changed = replace(registry, entries={**registry.entries, version: refused})
        if version == registry.champion:
            champion = registry.previous or BUILT_IN
            changed = replace(changed, champion=champion, previous=None, moved_at_ms=now_ms)
        return _without(changed, version)

    return change(models, move)


def _known(registry: Registry, version: str) -> ModelEntry:
    if version not in registry.entries:
        known = ", ".join(registry.entries) or "none"
        raise RegistryError(f"there is no model {version!r}; there are: {known}")
    return registry.entries[version]


def _without(registry: Registry, version: str) -> Registry:
    return replace(
        registry,
        candidate=None if registry.candidate == version else registry.candidate,
        previous=None if registry.previous == version else registry.previous,
    )
