"""The models that run: the champion that publishes, others in shadow; swapped between buckets."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from consumer import metrics
from consumer.models import OpenModel, RegistryError, open_registered, refuse
from consumer.readying import Background, Readying, Submit, state_rows
from consumer.shadow import Running, Scores
from consumer.shelf import LoadBuiltIn, Shelf
from contracts.clock import wall_clock_ms
from contracts.settings import Settings
from state.model_store import BUILT_IN, LiveFigures, ModelBytes, ModelStore, Notes, Registry
from state.store import SavedState, Sealed, StoreError, WindowRows

if TYPE_CHECKING:
    from model.forecaster import Forecaster, Forecasts
    from model.window import Window

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often it looks at the registry while no bucket closes, seconds."""


class ChampionRefusedError(Exception):
    """The champion could not forecast and is refused: take over anew, with the one before it."""


class Lineup:
    """Runs the models that the registry names. The closing thread uses it.

    The champion's forecast comes first and alone; everything else is done after the bucket is
    published and saved. Without a registry the built-in model is the only one.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        load_built_in: LoadBuiltIn,
        models: ModelStore | None = None,
        open_registered: OpenModel = open_registered,
        submit: Submit | None = None,
        wall_ms: Callable[[], int] = wall_clock_ms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        # A model that was chosen by hand serves, whatever the registry says.
        self.models = None if settings.model_dir else models
        self._shelf = Shelf(settings, self.models, load_built_in, open_registered)
        self._submit = submit or Background()
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._loading: dict[str, Readying] = {}
        self._champion: Running | None = None
        self._looked_at = monotonic()
        self._stood_by_at: float | None = None
        self.registry = Registry()
        self.notes = Notes()
        self.shadows: dict[str, Running] = {}
        self.window: Window

    @property
    def champion(self) -> Running:
        """The model that publishes.

        Raises:
            RuntimeError: Before `take_over`.
        """
        if self._champion is None:
            raise RuntimeError("take over first")
        return self._champion

    # Taking over

    def choose(self) -> None:
        """Load the champion, unless it is; a broken one is refused and the one before it serves.

        Raises:
            StoreError: The registry can't be read.
        """
        self._champion = None
        if self.settings.model_dir and BUILT_IN not in self._shelf:
            log.info("GENRECAST_MODEL_DIR is set: the registry of models is ignored")
        if self.models is not None:
            self._see(self.models.read())
            self.notes = _tried_again(self.models.read_notes())
        while not self._open(self.registry.champion):
            log.warning("the champion is refused: %s serves", self.registry.champion)
        for name in self._wanted_in_shadow():
            self._open(name)

    def stand_by(self) -> None:
        """Have in memory what would be the champion, so that `choose` finds it; not too often."""
        now = self._monotonic()
        if self._stood_by_at is None or now - self._stood_by_at >= LOOK_SECONDS:
            self._stood_by_at = now
            self._shelf.stand_by()

    def _see(self, registry: Registry) -> None:
        """Take note of the registry; put back what a Redis that was emptied has lost."""
        if self.models is not None and registry.generation == 0 and self.registry.generation:
            registry = self._shelf.put_back(self.models, self.registry)
        self.registry = registry

    def _open(self, name: str) -> bool:
        """Have a model in memory; False when it is refused."""
        from model.artifact import ModelRefusedError

        try:
            self._shelf.open(name)
        except ModelRefusedError as error:
            if name == BUILT_IN:
                raise
            self.refuse(name, str(error))
            return False
        return True

    def restore(self, rows: WindowRows, saved: Mapping[str, SavedState]) -> list[SavedState]:
        """Bring the models that have a saved state, and the champion, up to the last closed bucket.

        Args:
            rows: The closed buckets that are kept.
            saved: The models' states, by version.

        Returns:
            The champion's state when it was warmed: to be saved before anything is published.

        Raises:
            ChampionRefusedError: The champion can't go on; the registry names another one now.
        """
        from model.calendar import Calendar
        from model.window import Window

        calendar = Calendar(self.settings.holidays_ms)
        self.window = Window(self.settings.window_buckets, self.settings.bucket_ms, calendar)
        self.shadows, self._loading = {}, {}
        names = [self.registry.champion, *self._wanted_in_shadow()]
        running = [self._running(name, *self._shelf[name]) for name in names]
        self._champion = champion = running[0]
        starts = rows.starts_ms.tolist()
        resumed = {one.name: found for one in running if (found := _saved(one, saved, starts))}
        for start, cells in zip(starts, rows.cells, strict=True):
            self.window.append(start, cells, rows.first_bucket_ms)
            for one in running:
                found = resumed.get(one.name)
                if found is not None and start == found.bucket_ms:
                    one.state, one.bucket_ms = state_rows(found), start
                    if one is not champion:
                        self.shadows[one.name] = one
            # As live: the champion first, then those that have come as far.
            if champion.bucket_ms is not None and champion.bucket_ms < start:
                self._advance_champion()
            self.run_shadows()
        if not starts or champion.name in resumed:
            return []
        champion.state = champion.forecaster.warm(self.window)
        champion.bucket_ms = starts[-1]
        fresh = champion.saved()
        return [fresh] if fresh else []

    def _running(self, name: str, forecaster: "Forecaster", files: ModelBytes | None) -> Running:
        figures = self.notes.figures.get(name, LiveFigures())
        if figures.model_version != forecaster.version:
            figures = LiveFigures(model_version=forecaster.version)
        return Running(
            name=name,
            forecaster=forecaster,
            files=files,
            state=forecaster.initial_state(0),
            bucket_ms=None,
            scores=Scores(forecaster.quantiles, forecaster.horizon, self.settings.bucket_ms),
            figures=figures,
        )

    # One bucket

    def look(self) -> None:
        """While no bucket closes: look at the registry, not too often."""
        now = self._monotonic()
        if self.models is not None and now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._reread(self.models)

    def _reread(self, models: ModelStore) -> None:
        try:
            self._see(models.read())
        except (StoreError, RegistryError) as error:
            log.warning("the registry of models can't be read, going on as before: %s", error)

    def turn(self, generation: int) -> None:
        """Between two buckets: follow the registry's pointers, when they moved and it is ready.

        Args:
            generation: Where the registry stood when the bucket was sealed.
        """
        if self.models is not None and generation != self.registry.generation:
            self._reread(self.models)
        wanted, before = self.registry.champion, self.champion
        after = self.shadows.get(wanted)
        if wanted == before.name or after is None:
            return
        self._champion = self.shadows.pop(wanted)
        self.shadows[before.name] = before
        metrics.SWAPS.inc()
        log.warning(
            "champion %s (%s) publishes from now on, %s no longer",
            wanted, after.forecaster.version, before.name,
        )  # fmt: skip

    def advance(self, sealed: Sealed) -> "Forecasts":
        """Take a sealed bucket and return the champion's forecasts from it.

        Raises:
            ChampionRefusedError: It could not; the registry names another one now.
        """
        if sealed.is_reset:
            log.warning("a gap longer than the window before bucket %d: reset", sealed.bucket_ms)
            self.window.clear()
            for running in (self.champion, *self.shadows.values()):
                running.begin_anew()
        self.window.append(sealed.bucket_ms, sealed.cells, sealed.first_bucket_ms)
        for loading in self._loading.values():
            loading.rows.append(sealed)
        forecasts = self._advance_champion()
        for genre in forecasts.reset_genres:
            log.warning("state of genre %r was not finite: begun anew", sealed.genres[genre])
        return forecasts

    def _advance_champion(self) -> "Forecasts":
        try:
            return self.champion.advance(self.window)
        except Exception as error:
            if self.champion.name == BUILT_IN or self.models is None:
                raise
            self.refuse(self.champion.name, f"forecasting failed: {_told(error)}")
            raise ChampionRefusedError(self.champion.name) from error

    def states(self) -> list[SavedState]:
        """Return the state of every model that runs."""
        running = (self.champion, *self.shadows.values())
        return [state for one in running if (state := one.saved()) is not None]

    @property
    def state_bytes(self) -> int:
        """How large all states are, bytes."""
        return sum(one.state.nbytes for one in (self.champion, *self.shadows.values()))

    # After it is published

    def run_shadows(self) -> "dict[str, Forecasts]":
        """Advance the models in shadow; one that fails is refused, one that is slow suspended."""
        found, last = {}, int(self.window.starts_ms[-1])
        for name, running in list(self.shadows.items()):
            if running.bucket_ms == last:
                continue  # its saved state has this bucket already
            began = self._monotonic()
            try:
                found[name] = running.advance(self.window)
            except Exception as error:  # noqa: BLE001 (whatever it is, it must not stop publishing)
                self._fail(name, f"forecasting failed: {_told(error)}")
                continue
            seconds = self._monotonic() - began
            running.figures = running.figures.model_copy(update={"seconds": seconds})
            metrics.SHADOW_SECONDS.observe(seconds)
            if running.is_too_slow(seconds, self.settings.bucket_seconds):
                self._suspend(running, f"took {seconds:.1f} s for a bucket, again and again")
                del found[name]
        return found

    def welcome(self) -> list[SavedState]:
        """See to the models that the registry wants in shadow; return states that were warmed."""
        wanted = self._wanted_in_shadow()
        for name in [name for name in self.shadows if name not in wanted]:
            log.info("%s no longer runs in shadow", name)
            del self.shadows[name]
            self._shelf.forget(name)
        for name in [name for name in self._loading if name not in wanted]:
            del self._loading[name]
        fresh = [state for name in list(self._loading) if (state := self._collect(name))]
        for name in self._wanted_in_shadow():
            if name not in self.shadows and name not in self._loading:
                self._load(name)
        return fresh

    def _wanted_in_shadow(self) -> list[str]:
        """Return who should run beside the champion: also one that is to become it."""
        registry = self.registry
        is_recent = self._wall_ms() - registry.moved_at_ms < self.settings.rollback_ms
        previous = registry.previous if is_recent else None
        publishing = self._champion.name if self._champion else registry.champion
        wanted = [registry.champion, registry.candidate, previous]
        return [
            name
            for name in dict.fromkeys(wanted)
            if name is not None
            and name != publishing
            and (name == registry.champion or not self._is_suspended(name))
        ]

    def _is_suspended(self, name: str) -> bool:
        figures = self.notes.figures.get(name)
        return figures is not None and bool(figures.suspended)

    def _load(self, name: str) -> None:
        """Begin to make a model ready, in the background, as of the window's last bucket."""
        try:
            files = self._shelf.files(name)
        except StoreError as error:
            log.debug("loading %s: %s", name, error)
            return  # at the next bucket
        except Exception as error:  # noqa: BLE001 (it must not stop publishing)
            self._fail(name, _told(error))
            return
        shelf = self._shelf
        log.info("%s is made ready to run in shadow", name)
        self._loading[name] = Readying.begin(
            lambda: shelf.make(name, files), files, self.window, self._submit
        )

    def _collect(self, name: str) -> SavedState | None:
        """Let a model that is ready catch up and join; return its state when it was warmed."""
        loading = self._loading[name]
        if not loading.is_done:
            return None
        del self._loading[name]
        try:
            forecaster = loading.ready().forecaster
            running = self._running(name, forecaster, loading.files)
            loading.catch_up(running)
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not stop publishing)
            self._fail(name, _told(error))
            return None
        self._shelf.put(name, forecaster, loading.files)
        self.shadows[name] = running
        log.info("%s (%s) runs in shadow", name, running.forecaster.version)
        return running.saved()

    def _suspend(self, running: Running, reason: str) -> None:
        log.warning("%s is suspended: %s", running.name, reason)
        metrics.MODELS_REFUSED.labels("slow").inc()
        running.figures = running.figures.model_copy(update={"suspended": reason})
        self.notes = replace(
            self.notes, figures={**self.notes.figures, running.name: running.figures}
        )
        self.shadows.pop(running.name)

    def _fail(self, name: str, reason: str) -> None:
        """Refuse a model in shadow, even where the registry can't be told now."""
        self.shadows.pop(name, None)
        self._shelf.forget(name)
        if name == BUILT_IN:
            log.error("the built-in model failed in shadow: %s", reason)
            return
        try:
            self.refuse(name, reason)
        except (StoreError, RegistryError) as error:
            log.warning("the registry could not be told: %s", error)

    def refuse(self, name: str, reason: str) -> None:
        """Take a model out of use and say so everywhere.

        Raises:
            StoreError, RegistryError: The registry can't be told.
        """
        log.error("model %s is refused: %s", name, reason)
        metrics.MODELS_REFUSED.labels("broken").inc()
        self._shelf.forget(name)
        if self.models is not None:
            self.registry = refuse(self.models, name, reason, self._wall_ms())


def _tried_again(notes: Notes) -> Notes:
    """Return notes in which no model is suspended: a new forecaster may be a faster one."""
    figures = {
        name: held.model_copy(update={"suspended": ""}) for name, held in notes.figures.items()
    }
    return replace(notes, figures=figures)


def _saved(
    running: Running, saved: Mapping[str, SavedState], starts: Sequence[int]
) -> SavedState | None:
    """Return the saved state that a model goes on from, None when it must be warmed."""
    forecaster = running.forecaster
    found = saved.get(forecaster.version)
    if found is None or found.bucket_ms not in starts:
        return None
    return found if len(found.blob) == 4 * forecaster.state_width * found.genre_count else None


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
