"""The forecasters that are in memory, by name, and where others come from."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from consumer.models import OpenModel, RegistryError, change
from contracts.settings import Settings
from model.artifact import ModelRefusedError
from state.model_store import BUILT_IN, ModelBytes, ModelStore, Registry
from state.store import StoreError

if TYPE_CHECKING:
    from model.forecaster import Forecaster

log = logging.getLogger(__name__)

LoadBuiltIn = Callable[[Settings], "tuple[Forecaster, str | None]"]
"""Returns the built-in model, and why it is the baseline."""

Opened = tuple["Forecaster", ModelBytes | None]
"""A forecaster and what it was made of; None for the built-in."""


class Shelf:
    """Opens models and keeps them."""

    def __init__(
        self,
        settings: Settings,
        models: ModelStore | None,
        load_built_in: LoadBuiltIn,
        open_registered: OpenModel,
    ) -> None:
        self._settings = settings
        self._models = models
        self._load_built_in = load_built_in
        self._open_registered = open_registered
        self._opened: dict[str, Opened] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._opened

    def __getitem__(self, name: str) -> Opened:
        return self._opened[name]

    def put(self, name: str, forecaster: "Forecaster", files: ModelBytes | None) -> None:
        """Keep a model that was made ready elsewhere."""
        self._opened[name] = (forecaster, files)

    def forget(self, name: str) -> None:
        """Let go of a model."""
        self._opened.pop(name, None)

    def open(self, name: str) -> None:
        """Have a model in memory.

        Raises:
            ModelRefusedError: It is broken, does not fit, or its files are gone.
            StoreError: The registry can't be read.
        """
        if name not in self._opened:
            files = self.files(name)
            self._opened[name] = (self.make(name, files), files)

    def stand_by(self) -> None:
        """Have the champion in memory.

        Whatever is wrong with it, or with the registry, is left to the forecaster to tell.
        """
        try:
            name = BUILT_IN if self._models is None else self._models.read().champion
            if name not in self._opened:
                self.open(name)
                log.info("this member stands by, model %s", self._opened[name][0].version)
        except (ModelRefusedError, StoreError, RegistryError) as error:
            log.debug("standing by without a model: %s", error)

    def files(self, name: str) -> ModelBytes | None:
        """Return a model's files; None for the built-in.

        Raises:
            ModelRefusedError: They are not there.
        """
        if name == BUILT_IN:
            return None
        held = self._opened.get(name)
        files = held[1] if held else self._models.read_bytes(name) if self._models else None
        if files is None:
            raise ModelRefusedError(f"{name}: its files are not in the registry")
        return files

    def make(self, name: str, files: ModelBytes | None) -> "Forecaster":
        """Return a model's forecaster, the one in memory if there is one.

        Raises:
            ModelRefusedError: It is broken or does not fit.
        """
        held = self._opened.get(name)
        if held is not None:
            return held[0]
        if files is not None:
            return self._open_registered(name, files, self._settings)
        forecaster, reason = self._load_built_in(self._settings)
        if reason:
            log.warning("the built-in model is the baseline: %s", reason)
        return forecaster

    def put_back(self, models: ModelStore, lost: Registry) -> Registry:
        """Write what is in memory into a registry that was emptied; return what is there now."""
        log.warning("Redis lost the registry of models: those in memory go back into it")
        held: Mapping[str, ModelBytes] = {
            name: files for name, (_, files) in self._opened.items() if files
        }
        again = replace(
            lost,
            generation=0,
            candidate=lost.candidate if lost.candidate in held else None,
            previous=lost.previous if lost.previous in (BUILT_IN, *held) else None,
            entries={name: entry for name, entry in lost.entries.items() if name in held},
        )
        return change(models, lambda now: now if now.generation else again, held)
