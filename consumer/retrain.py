"""Retraining: a process of its own that makes candidates, on a schedule or when drift asks."""

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumer.models import RegistryError, add_model, check_model, write_model
from contracts.clock import wall_clock_ms
from contracts.settings import Settings
from model.artifact import ModelRefusedError
from model.registry import SHIPPED_DIRECTORY
from state.model_store import BUILT_IN, ModelEntry, ModelStore
from state.store import StoreError

if TYPE_CHECKING:
    from model.history import History

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""How often it looks whether retraining is asked for, seconds."""

RETRY_SECONDS: Final = 600.0
"""Pause after a training that failed, seconds: more buckets may have come by then."""

Load = Callable[[Settings], "History"]
"""Returns the closed buckets to train on."""

Fit = Callable[["History", Path, Path], None]
"""Trains on a history from the weights in one directory, into another."""


class StoppedError(Exception):
    """Told to stop in the middle of a training."""


class TrainingFailedError(Exception):
    """No candidate came of it; the message says why."""


@dataclass(slots=True)
class Retrainer:
    """Trains from the champion's weights and registers what comes of it as the candidate."""

    settings: Settings
    models: ModelStore
    load: Load
    fit: Fit
    every_seconds: float
    stop: threading.Event = field(default_factory=threading.Event)
    monotonic: Callable[[], float] = time.monotonic
    wall_ms: Callable[[], int] = wall_clock_ms

    def run(self) -> None:
        """Train now, then every so often and when drift asks, until told to stop."""
        due = self.monotonic()
        retry_at = due
        while not self.stop.is_set():
            now = self.monotonic()
            if now >= due or (now >= retry_at and self._is_asked()):
                try:
                    self.train_once()
                    retry_at = self.monotonic()
                    due = retry_at + self.every_seconds
                except StoppedError:
                    return
                except TrainingFailedError as error:
                    log.warning("no candidate this time: %s", error)
                    due = self.monotonic() + min(RETRY_SECONDS, self.every_seconds)
                    retry_at = due
            self.stop.wait(LOOK_SECONDS)

    def _is_asked(self) -> bool:
        try:
            request = self.models.read_notes().retrain
        except StoreError as error:
            log.warning("%s", error)
            return False
        if request is not None:
            log.info("retraining, as asked: %s", request.reason)
        return request is not None

    def train_once(self) -> ModelEntry | None:
        """Make a candidate; None when the training came to the model that there is.

        Raises:
            TrainingFailedError: There is too little to train on, or a service is away.
            StoppedError: Told to stop.
        """
        try:
            history = self.load(self.settings)
            if not len(history.starts_ms) or not history.names:
                raise TrainingFailedError("there are no closed buckets to train on")
            with tempfile.TemporaryDirectory(prefix="genrecast-retrain-") as directory:
                start, out = Path(directory) / "start", Path(directory) / "out"
                self._write_start(start)
                log.info("training on %d buckets", len(history.starts_ms))
                self.fit(history, start, out)
                added = self._register(out)
            self.models.ask_retrain(None)
        except (StoreError, ModelRefusedError, ValueError) as error:
            raise TrainingFailedError(str(error)) from error
        return added

    def _write_start(self, directory: Path) -> None:
        """Write the champion's files; those of the built-in where it publishes."""
        champion = BUILT_IN if self.settings.model_dir else self.models.read().champion
        files = None if champion == BUILT_IN else self.models.read_bytes(champion)
        if files is not None:
            check_model(champion, files)
            write_model(files, directory)
            return
        source = self.settings.model_dir or SHIPPED_DIRECTORY
        if source.is_dir():
            directory.symlink_to(source.resolve(), target_is_directory=True)

    def _register(self, directory: Path) -> ModelEntry | None:
        try:
            added = add_model(self.models, directory, self.settings, self.wall_ms())
        except RegistryError as error:
            log.info("nothing new: %s", error)
            return None
        held_out, naive = added.metrics.get("wql"), added.naive_metrics.get("wql")
        log.info(
            "%s is the candidate: held-out WQL %s, seasonal naive's %s",
            added.version, *("-" if x is None else f"{x:.4g}" for x in (held_out, naive)),
        )  # fmt: skip
        return added
