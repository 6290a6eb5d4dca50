"""How the models do on live buckets: candidate beside champion, drift, and what is told of it."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from consumer import metrics
from consumer.drift import next_drift, watched_loss
from consumer.models import RegistryError, promote
from consumer.shadow import Loss, Running
from contracts.buckets import DAY_MS
from contracts.clock import wall_clock_ms
from state.model_store import DriftFigures, LiveFigures, RetrainRequest
from state.store import Sealed, StoreError

if TYPE_CHECKING:
    from consumer.lineup import Lineup
    from model.forecaster import Forecasts
    from model.record import Tally

log = logging.getLogger(__name__)

RECORD_FIGURES: Final = ("mase", "wql", "coverage", "skill")
"""What is told of a model's record."""

SHOWN_GENRES: Final = 200
"""Genres whose own figures are told, the busiest: thousands would be too much for a scrape."""

NOTE_SECONDS: Final = 5.0
"""How often figures are written at most, seconds: with short buckets not at each."""


class Judge:
    """Scores the models of a lineup on each closed bucket; the closing thread uses it."""

    def __init__(
        self,
        lineup: "Lineup",
        wall_ms: Callable[[], int] = wall_clock_ms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lineup = lineup
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._noted_at: float | None = None
        self._rival = ""
        self._untold: tuple[str, ...] | None = None

    def see(
        self, sealed: Sealed, forecasts: "Forecasts", in_shadow: "Mapping[str, Forecasts]"
    ) -> None:
        """Take a published bucket; never raises for what a model or the registry does.

        Args:
            sealed: The bucket.
            forecasts: What the champion forecast from it.
            in_shadow: What each other model would have.
        """
        lineup = self._lineup
        if lineup.models is None:
            return
        clicks = sealed.cells[:, 0]
        self._watch(sealed, lineup.champion.scores.score(sealed.bucket_ms, clicks))
        candidate = lineup.shadows.get(lineup.registry.candidate or "")
        if candidate is not None:
            self._compare(candidate, sealed)
        lineup.champion.scores.hold(sealed, forecasts)
        for name, found in in_shadow.items():
            lineup.shadows[name].scores.hold(sealed, found)
        for running in (lineup.champion, *lineup.shadows.values()):
            _bring_up_to(running, sealed.bucket_ms)
        if candidate is not None:
            self._promote(candidate)
        self._untold = sealed.genres
        self.tell()

    def _compare(self, candidate: Running, sealed: Sealed) -> None:
        """Add a bucket to what candidate and champion are compared by."""
        champion = self._lineup.champion
        if champion.name != self._rival:
            if self._rival:  # figures against another champion say nothing
                candidate.figures = LiveFigures(model_version=candidate.forecaster.version)
            self._rival = champion.name
        mine, theirs = candidate.scores.since_ms, champion.scores.since_ms
        if mine is None or theirs is None:
            return
        since_ms, clicks = max(mine, theirs), sealed.cells[:, 0]
        own = candidate.scores.score(sealed.bucket_ms, clicks, since_ms)
        other = champion.scores.score(sealed.bucket_ms, clicks, since_ms)
        figures = candidate.figures
        if own.terms and own.terms == other.terms:
            candidate.figures = figures.model_copy(
                update={
                    "buckets": figures.buckets + 1,
                    "loss": figures.loss + own.pinball,
                    "champion_loss": figures.champion_loss + other.pinball,
                    "clicks": figures.clicks + own.clicks,
                }
            )

    def _promote(self, candidate: Running) -> None:
        """Promote a candidate that has won, where that is wanted."""
        settings, models, figures = (
            self._lineup.settings, self._lineup.models, candidate.figures,
        )  # fmt: skip
        if models is None or not settings.auto_promote or not figures.clicks:
            return
        has_won = figures.loss <= (1 - settings.promote_margin) * figures.champion_loss
        if figures.buckets < settings.shadow_buckets or not has_won:
            return
        try:
            promote(models, candidate.name, self._wall_ms())
        except (StoreError, RegistryError) as error:
            log.warning("%s has won but can't be promoted now: %s", candidate.name, error)
            return
        metrics.AUTO_PROMOTIONS.inc()
        log.warning(
            "%s is promoted: WQL %.4g against the champion's %.4g over %d buckets",
            candidate.name, figures.wql, figures.champion_wql, figures.buckets,
        )  # fmt: skip

    def _watch(self, sealed: Sealed, loss: Loss) -> None:
        """Give the champion's loss to the drift detector; ask for retraining when it has drifted.

        Only buckets that every step has a forecast for count: early ones miss the far steps.
        """
        champion, window = self._lineup.champion, self._lineup.window
        known = int(sealed.is_known.sum())
        steps = champion.forecaster.horizon
        if len(window) < 2 or loss.terms < known * (steps - 1) or not known:
            return
        yesterday, has_yesterday = window.lag(DAY_MS // window.bucket_ms)
        naive = np.where(has_yesterday, yesterday, window.lag(1)[0])
        naive_loss = 0.5 * float(np.abs(sealed.cells[:, 0] - naive).sum())
        value = watched_loss(loss.pinball / steps, naive_loss, loss.clicks / steps)
        drift, has_drifted = next_drift(champion.figures.drift or DriftFigures(), value)
        champion.figures = champion.figures.model_copy(update={"drift": drift})
        if has_drifted:
            self._ask(f"forecasts of {champion.name} have grown worse beside seasonal naive")

    def _ask(self, reason: str) -> None:
        models = self._lineup.models
        metrics.DRIFTS.inc()
        log.warning("drift: %s; retraining is asked for", reason)
        try:
            if models is not None:
                models.ask_retrain(RetrainRequest(asked_at=self._wall_ms(), reason=reason))
        except StoreError as error:
            log.warning("drift: retraining could not be asked for: %s", error)

    def tell(self) -> None:
        """Write and show the figures since the last time, not too often."""
        lineup, genres, now = self._lineup, self._untold, self._monotonic()
        is_soon = self._noted_at is not None and now - self._noted_at < NOTE_SECONDS
        if genres is None or is_soon:
            return
        figures = {
            name: held
            for name, held in lineup.notes.figures.items()
            if held.suspended and name in lineup.registry.entries
        }
        for running in (lineup.champion, *lineup.shadows.values()):
            running.figures = with_record(running, genres)
            figures[running.name] = running.figures
        lineup.notes = replace(lineup.notes, figures=figures)
        self._show()
        self._noted_at, self._untold = now, None
        try:
            if lineup.models is not None:
                lineup.models.note(figures)
        except StoreError as error:
            log.debug("figures of the models could not be written: %s", error)

    def _show(self) -> None:
        lineup, registry = self._lineup, self._lineup.registry
        running = {"champion": lineup.champion}
        for role, name in (("candidate", registry.candidate), ("previous", registry.previous)):
            if name in lineup.shadows:
                running[role] = lineup.shadows[name]
        metrics.show_models(running)


def _bring_up_to(running: Running, bucket_ms: int) -> None:
    figures = running.figures
    running.figures = figures.model_copy(
        update={"since_ms": figures.since_ms or bucket_ms, "as_of_ms": bucket_ms}
    )


def with_record(running: Running, genres: tuple[str, ...]) -> LiveFigures:
    """Return a model's figures with the record that it keeps in its own state, if it does."""
    from model.live import LiveForecaster

    if not isinstance(running.forecaster, LiveForecaster) or not len(running.state):
        return running.figures
    record = running.forecaster.record_of(running.state)
    tally = record.published
    steps, each = tally.over_genres(), tally.over_steps()
    busiest = np.argsort(-each.actual, kind="stable")[:SHOWN_GENRES].tolist()
    by_genre = {
        genres[g]: {**_figures(each, g), "is_baseline": float(record.is_baseline[g])}
        for g in busiest
    }
    return running.figures.model_copy(
        update={
            "rolling": _figures(tally.overall(), ()),
            "by_step": {s: _figures(steps, i) for i, s in enumerate(record.steps.tolist())},
            "by_genre": by_genre,
        }
    )


def _figures(tally: "Tally", at: int | tuple[()]) -> dict[str, float | None]:
    found = {name: float(getattr(tally, name)[at]) for name in RECORD_FIGURES}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}
