"""What a consumer measures; `contracts.metrics` says what each metric means.

Nothing here is called per event: batches, polls and buckets are what is counted.
"""

import math
import platform
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from consumer.drift import THRESHOLD as DRIFT_THRESHOLD
from contracts.clock import MS_PER_SECOND, wall_clock_ms
from contracts.events import ClickEvent
from contracts.instruments import Labels, counter, gauge, histogram, show_series
from contracts.settings import Settings
from state.store import Batch, Progress

if TYPE_CHECKING:
    from consumer.aggregate import Elsewhere
    from consumer.shadow import Running

BUILD: Final = gauge("genrecast_build_info")
BUCKET_SECONDS: Final = gauge("genrecast_bucket_seconds")
NOT_READY: Final = gauge("genrecast_not_ready")
DEAD_LETTER_RATIO: Final = gauge("genrecast_dead_letter_ratio")

RECORDS: Final = counter("genrecast_records_total")
ATTRIBUTED: Final = counter("genrecast_attributed_clicks_total")
LATE: Final = counter("genrecast_late_records_total")
DEAD_LETTERS: Final = counter("genrecast_dead_letter_records_total")
POLL_RECORDS: Final = histogram("genrecast_poll_records")
TASTED: Final = counter("genrecast_tasted_events_total")
POSITION: Final = gauge("genrecast_position_offset")
LAG: Final = gauge("genrecast_lag_records")
PAUSED: Final = gauge("genrecast_paused")

WATERMARK: Final = gauge("genrecast_watermark_timestamp_seconds")
GLOBAL_WATERMARK: Final = gauge("genrecast_global_watermark_timestamp_seconds")
HOLDS_WATERMARK: Final = gauge("genrecast_holds_watermark")
WATERMARK_AGE: Final = gauge("genrecast_watermark_age_seconds")
FORECAST_AGE: Final = gauge("genrecast_forecast_age_seconds")
LIVE: Final = gauge("genrecast_live")

BUCKETS: Final = counter("genrecast_buckets_published_total")
CLOSE_SECONDS: Final = histogram("genrecast_close_seconds")
STEP_SECONDS: Final = histogram("genrecast_step_seconds")
TRANSACTION_SECONDS: Final = histogram("genrecast_transaction_seconds")
TRANSACTIONS_UNKNOWN: Final = counter("genrecast_transactions_unknown_total")
TAKEOVERS: Final = counter("genrecast_takeovers_total")
RESTORES: Final = counter("genrecast_restores_total")

MODEL: Final = gauge("genrecast_model_info")
MODEL_ROLLING: Final = gauge("genrecast_model_rolling")
STEP_ROLLING: Final = gauge("genrecast_step_rolling")
GENRE_ROLLING: Final = gauge("genrecast_genre_rolling")
NOMINAL_COVERAGE: Final = gauge("genrecast_nominal_coverage")
SHADOW_WQL: Final = gauge("genrecast_shadow_wql")
SHADOW_BUCKETS: Final = gauge("genrecast_shadow_buckets")
SHADOW_SECONDS: Final = histogram("genrecast_shadow_seconds")
SWAPS: Final = counter("genrecast_model_swaps_total")
AUTO_PROMOTIONS: Final = counter("genrecast_auto_promotions_total")
MODELS_REFUSED: Final = counter("genrecast_models_refused_total")
DRIFT: Final = gauge("genrecast_drift_ratio")
DRIFTS: Final = counter("genrecast_drifts_total")
ALERTS_RAISED: Final = counter("genrecast_alerts_raised_total")
ALERTS_OPEN: Final = gauge("genrecast_alerts_open")

PLACES: Final = (
    "counted", "late", "dead_letters", "duplicates", "impressions", "other_shares", "skipped",
    "lost",
)  # fmt: skip
"""Where a batch's records can be, as `state.store.Batch` names it."""

BEHIND_WATERMARK: Final = "watermark"
"""Why an event is late, unless `consumer.aggregate` gives a reason."""

_REASONS: Final = (
    (re.compile(r"value: missing"), "tombstone"),
    (re.compile(r"value: \d+ bytes"), "too_large"),
    (re.compile(r"value: not JSON"), "not_json"),
    (re.compile(r"event_time: \S+ s ahead"), "future"),
)
"""How the reasons of dead letters begin that are told from a field's own."""


@dataclass(slots=True)
class _Moments:
    """Moments that ages are counted from, epoch ms; None where there is none yet."""

    watermark_ms: int | None = None
    forecast_ms: int | None = None


_moments: Final = _Moments()


def _seconds_since(moment_ms: int | None) -> float:
    return math.nan if moment_ms is None else (wall_clock_ms() - moment_ms) / MS_PER_SECOND


# Ages are reckoned when they are asked for: they go on growing when everything else stands still.
WATERMARK_AGE.set_function(lambda: _seconds_since(_moments.watermark_ms))
FORECAST_AGE.set_function(lambda: _seconds_since(_moments.forecast_ms))


def show_process(settings: Settings) -> None:
    """Show what runs and the settings that alerts need; once, at the start."""
    BUILD.labels(version("genrecast"), platform.python_version(), version("kafka-python")).set(1)
    BUCKET_SECONDS.set(settings.bucket_seconds)
    NOMINAL_COVERAGE.set(settings.quantiles[-1] - settings.quantiles[0])
    # A counter that begins at its first event hides that event from `increase`.
    for place in PLACES:
        RECORDS.labels(place)
    for why in ("broken", "slow"):
        MODELS_REFUSED.labels(why)


def count_batch(batch: Batch) -> None:
    """Count the records of an applied batch."""
    for place in PLACES:
        count = getattr(batch, place)
        if count:
            RECORDS.labels(place).inc(count)
    if batch.attributed:
        ATTRIBUTED.inc(batch.attributed)


def count_aside(late: "Iterable[Elsewhere]", dead_letters: "Iterable[Elsewhere]") -> None:
    """Count what an applied batch sent aside, by reason."""
    for reason, count in Counter(e.reason or BEHIND_WATERMARK for e in late).items():
        LATE.labels(reason).inc(count)
    for reason, count in Counter(reason_label(e.reason) for e in dead_letters).items():
        DEAD_LETTERS.labels(reason).inc(count)


def reason_label(reason: str) -> str:
    """Return a dead letter's reason as one of a few words: a label must not quote what came."""
    for begins, label in _REASONS:
        if begins.match(reason):
            return label
    field = re.split(r"[.:]", reason, maxsplit=1)[0]
    return field if field in ClickEvent.model_fields else "value"


@dataclass(frozen=True, slots=True)
class Partitions:
    """Where a member's partitions stand.

    Attributes:
        positions: Next offset per owned partition.
        ends: Each log's end as far as it is known.
        paused: Those that run ahead.
    """

    positions: Mapping[int, int]
    ends: Mapping[int, int] = field(default_factory=dict)
    paused: Collection[int] = ()


def show_progress(progress: Progress, owned: Partitions, *, now_ms: int, bucket_ms: int) -> None:
    """Show where the deployment and the owned partitions stand.

    One that is not idle and no further than the global watermark holds it: no other partition need
    be looked at for that.
    """
    reached = progress.global_watermark_ms
    watermarks = {p: progress.watermarks.get(p) for p in owned.positions}
    holds = {
        p: progress.idle_until.get(p, 0) <= now_ms
        and (watermark is None or (reached is not None and watermark <= reached))
        for p, watermark in watermarks.items()
    }
    lags = {p: max(0, owned.ends[p] - at) for p, at in owned.positions.items() if p in owned.ends}
    show_series(POSITION, {(p,): at for p, at in owned.positions.items()})
    show_series(LAG, {(p,): lag for p, lag in lags.items()})
    show_series(PAUSED, {(p,): p in owned.paused for p in owned.positions})
    show_series(
        WATERMARK, {(p,): w / MS_PER_SECOND for p, w in watermarks.items() if w is not None}
    )
    show_series(HOLDS_WATERMARK, {(p,): is_lowest for p, is_lowest in holds.items()})
    _show_deployment(progress, bucket_ms)


def _show_deployment(progress: Progress, bucket_ms: int) -> None:
    LIVE.set(progress.is_live)
    _moments.watermark_ms = progress.global_watermark_ms
    if progress.global_watermark_ms is not None:
        GLOBAL_WATERMARK.set(progress.global_watermark_ms / MS_PER_SECOND)
    if progress.published_ms is not None:
        _moments.forecast_ms = progress.published_ms + bucket_ms


def show_models(running: "Mapping[str, Running]") -> None:
    """Show the models that run, by role."""
    champion, candidate = running["champion"].figures, running.get("candidate")
    show_series(STEP_ROLLING, _flat(champion.by_step))
    show_series(GENRE_ROLLING, _flat(champion.by_genre))
    show_series(
        MODEL, {(role, one.name, one.forecaster.version): 1 for role, one in running.items()}
    )
    show_series(MODEL_ROLLING, _flat({r: one.figures.rolling for r, one in running.items()}))
    SHADOW_BUCKETS.set(candidate.figures.buckets if candidate else 0)
    losses: dict[Labels, float] = {}
    if candidate and candidate.figures.wql is not None:
        losses["candidate",] = candidate.figures.wql
        losses["champion",] = candidate.figures.champion_wql or 0.0
    show_series(SHADOW_WQL, losses)
    drift = champion.drift
    DRIFT.set((drift.sum - drift.lowest) / DRIFT_THRESHOLD if drift else 0.0)


def show_alerts(*, raised: Iterable[tuple[str, int]], are_open: Iterable[tuple[str, int]]) -> None:
    """Count alerts that a bucket raised, by kind, and show how many are open."""
    for kind, count in raised:
        ALERTS_RAISED.labels(kind).inc(count)
    totals: Counter[str] = Counter()
    for kind, count in are_open:
        totals[kind] += count
    show_series(ALERTS_OPEN, {(kind,): count for kind, count in totals.items()})


def forget_models() -> None:
    """Show no model and no alert: this member is no longer the forecaster."""
    for series in (STEP_ROLLING, GENRE_ROLLING, MODEL, MODEL_ROLLING, SHADOW_WQL, ALERTS_OPEN):
        show_series(series, {})


def _flat(by: Mapping[Any, Mapping[str, float | None]]) -> dict[Labels, float]:
    """Return figures of several things as series, without those that are not known."""
    return {
        (of, figure): value
        for of, figures in by.items()
        for figure, value in figures.items()
        if value is not None
    }
