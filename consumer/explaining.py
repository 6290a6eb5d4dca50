"""Explaining a published forecast: made again from Redis first, then attributed to its causes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from consumer.models import open_registered
from consumer.readying import state_rows
from contracts.explanations import (
    CAUSES,
    Cause,
    CauseName,
    Detail,
    Explanation,
    PastBucket,
    Reproduction,
)
from contracts.forecasts import GenreForecast
from contracts.moments import moment_text
from contracts.settings import Settings
from state.model_store import ModelStore
from state.store import DeploymentAbsentError, Store, WindowRows

if TYPE_CHECKING:
    from model.forecaster import Float32, Forecaster
    from model.live import LiveForecaster
    from model.moved import Moved
    from model.path_integral import PathIntegral
    from model.window import Window

SAME_SHARE: Final = 1e-3
"""How far a forecast made again may be from the published one, as a share of it."""

SAME_CLICKS: Final = 1e-3
"""Or in clicks: published forecasts have four decimals."""


class ExplainError(Exception):
    """This forecast can't be explained; the message says why."""


@dataclass(slots=True)
class _Opened:
    """A model in memory.

    Attributes:
        key: Its version, horizon and levels.
        forecaster: It.
        integral: Through its network; made when it is needed first.
    """

    key: tuple[str, int, tuple[float, ...]]
    forecaster: "LiveForecaster"
    integral: "PathIntegral | None" = None


class _Standing(NamedTuple):
    """Where a genre stood at the origin.

    Attributes:
        window: Of the genre alone, up to the origin.
        state: `(1, width)` of what published, after the origin.
        is_stored: Whether the state is the one that streamed; else it was warmed over the window.
    """

    window: "Window"
    state: "Float32"
    is_stored: bool


@dataclass(slots=True)
class Explainer:
    """Explains forecasts of one deployment; keeps the model that it opened last."""

    settings: Settings
    store: Store
    models: ModelStore
    _opened: "_Opened | None" = None

    def explain(self, published: GenreForecast, step: int | None = None) -> Explanation:
        """Explain the mean over all steps of a published forecast, or that of one step.

        Raises:
            ExplainError: It can't be explained.
            StoreError: Redis can't be read.
        """
        from model.moved import IntegralError, TooYoungError

        settings = self._as_published(published)
        first, last = _span(published, step)
        model = self._model(published.model_version, settings)
        standing = self._stand(settings, published, model.forecaster)
        weights = np.zeros(settings.horizon, np.float32)
        weights[first - 1 : last] = 1.0 / (last - first + 1)
        try:
            moved = _moved(published, model, standing, weights)
        except TooYoungError as error:
            raise ExplainError(f"genre {published.genre!r}: {error}") from None
        except IntegralError as error:
            raise ExplainError(str(error)) from None
        return _explanation(published, (first, last), moved, standing)

    def _as_published(self, published: GenreForecast) -> Settings:
        """Return the settings with what the forecast tells of its own."""
        if published.bucket_seconds != self.settings.bucket_seconds:
            raise ExplainError(
                f"the forecast is of buckets of {published.bucket_seconds} s, not "
                f"{self.settings.bucket_seconds} s: set GENRECAST_BUCKET_SECONDS"
            )
        if not published.horizon or not published.horizon[0].quantiles:
            raise ExplainError("the forecast has no steps")
        levels = tuple(sorted(map(float, published.horizon[0].quantiles)))
        return self.settings.model_copy(
            update={"horizon": len(published.horizon), "quantiles": levels}
        )

    def _model(self, version: str, settings: Settings) -> "_Opened":
        """Return what publishes under a version."""
        key = (version, settings.horizon, settings.quantiles)
        if self._opened is None or self._opened.key != key:
            self._opened = _Opened(key, self._open(version, settings))
        return self._opened

    def _open(self, version: str, settings: Settings) -> "LiveForecaster":
        from model.artifact import ModelRefusedError
        from model.live import LiveForecaster
        from model.registry import load_live_forecaster

        name = version.partition("+")[0]
        is_registered = not settings.model_dir and name in self.models.read().entries
        files = self.models.read_bytes(name) if is_registered else None
        try:
            if files is not None:
                forecaster: Forecaster = open_registered(name, files, settings)
            else:
                forecaster, _ = load_live_forecaster(settings)
        except ModelRefusedError as error:
            raise ExplainError(f"its model can't be opened: {error}") from None
        if forecaster.version != version or not isinstance(forecaster, LiveForecaster):
            raise ExplainError(
                f"it was made by {version}, which is neither in the registry nor built in here "
                f"({forecaster.version}): it can't be made again"
            )
        return forecaster

    def _stand(
        self,
        settings: Settings,
        published: GenreForecast,
        forecaster: "LiveForecaster",
    ) -> _Standing:
        """Return the genre's window and state at the origin."""
        try:
            rows = self.store.read_window()
            saved = self.store.read_states().get(forecaster.version)
        except DeploymentAbsentError:
            raise ExplainError(f"Redis holds no state of app {settings.app!r}") from None
        place, genre = _place(rows, published)
        own, columns = forecaster.source_of(published.kind)
        window = _empty_window(settings)
        state: Float32 | None = None
        for row in range(place + 1):
            start = int(rows.starts_ms[row])
            window.append(
                start, rows.cells[row, genre : genre + 1], rows.first_bucket_ms[genre : genre + 1]
            )
            if state is not None:
                state, _ = own.advance(state, window)
            elif saved is not None and saved.bucket_ms == start and genre < saved.genre_count:
                whole = state_rows(saved)
                if whole.shape[1] == forecaster.state_width:
                    state = np.ascontiguousarray(whole[genre : genre + 1, columns])
        if state is None:
            return _Standing(window, own.warm(window), is_stored=False)
        return _Standing(window, state, is_stored=True)


def _moved(
    published: GenreForecast, model: _Opened, standing: _Standing, weights: "Float32"
) -> "Moved":
    """Attribute the mean of a forecast, weighted over its steps.

    Raises:
        TooYoungError, IntegralError: It can't be.
    """
    from model.baseline import Baseline
    from model.moved import explain_network, explain_reference

    source, _ = model.forecaster.source_of(published.kind)
    if isinstance(source, Baseline):
        return explain_reference(
            scales=standing.state, window=standing.window, horizon=len(weights), weights=weights
        )
    # Only now TensorFlow: the baseline does without.
    from model.network_forecaster import NetworkForecaster
    from model.path_integral import PathIntegral

    if not isinstance(source, NetworkForecaster):
        raise ExplainError(f"forecasts of {model.forecaster.version} can't be explained")
    model.integral = model.integral or PathIntegral(source.network)
    return explain_network(
        source, model.integral, state=standing.state, window=standing.window, weights=weights
    )


def _span(published: GenreForecast, step: int | None) -> tuple[int, int]:
    """Return the first and the last step that are explained."""
    last = len(published.horizon)
    if step is None:
        return 1, last
    if not 1 <= step <= last:
        raise ExplainError(f"step {step} is not among the steps 1 to {last}")
    return step, step


def _place(rows: WindowRows, published: GenreForecast) -> tuple[int, int]:
    """Return the row and the column of a forecast's origin."""
    if published.genre not in rows.genres:
        raise ExplainError(f"genre {published.genre!r} is not known to Redis")
    found = np.flatnonzero(rows.starts_ms == published.bucket_start)
    if not len(found):
        kept = "it is empty"
        if len(rows.starts_ms):
            first, last = (moment_text(int(start)) for start in rows.starts_ms[[0, -1]])
            kept = f"Redis keeps {first} to {last}"
        raise ExplainError(
            f"bucket {moment_text(published.bucket_start)} is not in the window: {kept}"
        )
    return int(found[0]), rows.genres.index(published.genre)


def _empty_window(settings: Settings) -> "Window":
    from model.calendar import Calendar
    from model.window import Window

    return Window(settings.window_buckets, settings.bucket_ms, Calendar(settings.holidays_ms))


def _explanation(
    published: GenreForecast, span: tuple[int, int], moved: "Moved", standing: _Standing
) -> Explanation:
    """Put it into words, and hold it against what was published."""
    from model.moved import REMEMBERED

    first, last = span
    means = [step.mean for step in published.horizon[first - 1 : last]]
    was = sum(means) / len(means)
    difference = was - moved.forecast
    is_exact = abs(difference) <= SAME_SHARE * was + SAME_CLICKS
    if standing.is_stored and not is_exact:
        raise ExplainError(
            f"the forecast can't be made again: {was:.4g} clicks per bucket were published, "
            f"{moved.forecast:.4g} come out. Are window_buckets, holidays and model_dir those of "
            "the consumer?"
        )
    causes = dict(moved.causes)
    note, forecast = "", moved.forecast
    if not is_exact:
        causes["earlier", REMEMBERED] = causes.get(("earlier", REMEMBERED), 0.0) + difference
        forecast = was
        note = (
            "The state after this bucket is no longer kept: the model was run over the window "
            "again, and what it lacks of the published forecast is told as remembered from before."
        )
    window, count = standing.window, len(moved.buckets)
    starts = window.starts_ms[-count:].tolist()
    observed = window.past().clicks(len(window) - count, len(window))[:, 0].tolist()
    return Explanation(
        genre=published.genre,
        bucket_start=published.bucket_start,
        bucket_seconds=published.bucket_seconds,
        model_version=published.model_version,
        kind=published.kind,
        first_step=first,
        last_step=last,
        ordinary=moved.ordinary,
        forecast=forecast,
        causes=_causes(causes),
        buckets=_buckets(starts, observed, moved.buckets.tolist()),
        error=moved.error,
        points=moved.points,
        reproduction=Reproduction(
            published=was, recomputed=moved.forecast, is_exact=is_exact, note=note
        ),
    )


def _buckets(
    starts: Sequence[int], observed: Sequence[int], clicks: Sequence[float]
) -> list[PastBucket]:
    return [
        PastBucket(start=start, observed=came, clicks=moved)
        for start, came, moved in zip(starts, observed, clicks, strict=True)
    ]


def _causes(moved: dict[tuple[CauseName, str], float]) -> list[Cause]:
    """Return the groups that moved anything, the largest first, each with its pieces."""
    pieces: defaultdict[CauseName, list[Detail]] = defaultdict(list)
    for (name, label), clicks in moved.items():
        if clicks:
            pieces[name].append(Detail(label=label, clicks=clicks))
    causes = [
        Cause(
            name=name,
            label=CAUSES[name],
            clicks=sum(detail.clicks for detail in details),
            details=sorted(details, key=lambda detail: -abs(detail.clicks)),
        )
        for name, details in pieces.items()
    ]
    return sorted(causes, key=lambda cause: -abs(cause.clicks))
