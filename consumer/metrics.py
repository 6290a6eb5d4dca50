"""Every metric of a consumer with its meaning; `/metrics` beside `/healthz` serves them.

Names follow Prometheus' conventions; the client adds `_total` to counters.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from consumer.drift import THRESHOLD as DRIFT_THRESHOLD
from state.store import Batch, Progress

if TYPE_CHECKING:
    from consumer.shadow import Running

RECORDS: Final = Counter(
    "genrecast_records",
    "Records applied by this member, by place: counted, late, dead_letters, duplicates, skipped "
    "(decided before a restore), lost (retention passed them unread).",
    ["place"],
)
BUCKETS: Final = Counter("genrecast_buckets_published", "Buckets published by this member.")
DEAD_LETTER_RATIO: Final = Gauge(
    "genrecast_dead_letter_ratio",
    "Share of dead letters among the last 10,000 records of this member; while it is paused for "
    "them, those that it would take are among them.",
)
CLOSE_SECONDS: Final = Histogram(
    "genrecast_close_seconds",
    "From the seal of a bucket to its commit: step, transaction, state; seconds.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
TAKEOVERS: Final = Counter("genrecast_takeovers", "Times this member became the forecaster.")
TRANSACTIONS_UNKNOWN: Final = Counter(
    "genrecast_transactions_unknown",
    "Forecast transactions that were fenced, or whose outcome only the journal could tell.",
)
RESTORES: Final = Counter(
    "genrecast_restores", "Times Redis was behind the journal and was restored from it."
)
POSITION: Final = Gauge(
    "genrecast_position_offset", "Next offset to read of an owned partition.", ["partition"]
)
WATERMARK: Final = Gauge(
    "genrecast_watermark_seconds", "Watermark of an owned partition, epoch seconds.", ["partition"]
)
GLOBAL_WATERMARK: Final = Gauge(
    "genrecast_global_watermark_seconds", "The deployment's watermark, epoch seconds."
)
HOLDS_WATERMARK: Final = Gauge(
    "genrecast_holds_watermark",
    "1 for an owned partition that is not idle and has the lowest watermark: it decides what may "
    "close.",
    ["partition"],
)
NOT_READY: Final = Gauge(
    "genrecast_not_ready", "1 while a part of this member can't work; /readyz says why.", ["part"]
)

MODEL: Final = Gauge(
    "genrecast_model_info",
    "1 for each model that runs, by role: champion, candidate, previous.",
    ["role", "name", "version"],
)
MODEL_ROLLING: Final = Gauge(
    "genrecast_model_rolling",
    "The record that a model keeps of itself, by role and figure: mase, wql, coverage, skill.",
    ["role", "figure"],
)
STEP_ROLLING: Final = Gauge(
    "genrecast_step_rolling", "The champion's record by step and figure.", ["step", "figure"]
)
GENRE_ROLLING: Final = Gauge(
    "genrecast_genre_rolling",
    "The champion's record by genre and figure, of the busiest 200; is_baseline is 1 where the "
    "baseline is published because the model has been worse.",
    ["genre", "figure"],
)
SHADOW_WQL: Final = Gauge(
    "genrecast_shadow_wql",
    "Weighted quantile loss on the buckets that candidate and champion were compared on.",
    ["role"],
)
SHADOW_BUCKETS: Final = Gauge(
    "genrecast_shadow_buckets", "Buckets that candidate and champion were compared on."
)
SHADOW_SECONDS: Final = Histogram(
    "genrecast_shadow_seconds",
    "How long a model in shadow took for a bucket, seconds.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
SWAPS: Final = Counter("genrecast_model_swaps", "Times another model began to publish.")
AUTO_PROMOTIONS: Final = Counter(
    "genrecast_auto_promotions", "Times a candidate was promoted because it had won."
)
MODELS_REFUSED: Final = Counter(
    "genrecast_models_refused",
    "Models taken out of use, by why: broken, or slow (in shadow). The log names them.",
    ["why"],
)
DRIFT: Final = Gauge(
    "genrecast_drift",
    "How far the champion's loss has risen: the detector's sum as a share of its threshold.",
)
DRIFTS: Final = Counter("genrecast_drifts", "Times drift asked for retraining.")

PLACES: Final = ("counted", "late", "dead_letters", "duplicates", "skipped", "lost")
"""Where a batch's records can be, as `state.store.Batch` names it."""


def count_batch(batch: Batch) -> None:
    """Count the records of an applied batch."""
    for place in PLACES:
        count = getattr(batch, place)
        if count:
            RECORDS.labels(place).inc(count)


def show_progress(progress: Progress, positions: Mapping[int, int], now_ms: int) -> None:
    """Show where the owned partitions stand; `positions` are their next offsets."""
    is_idle = {p: progress.idle_until.get(p, 0) > now_ms for p in positions}
    awake = [w for p, w in progress.watermarks.items() if progress.idle_until.get(p, 0) <= now_ms]
    lowest = min(awake, default=None)
    for gauge in (POSITION, WATERMARK, HOLDS_WATERMARK):
        gauge.clear()
    for p, offset in positions.items():
        watermark = progress.watermarks.get(p)
        POSITION.labels(p).set(offset)
        if watermark is not None:
            WATERMARK.labels(p).set(watermark / 1000)
        HOLDS_WATERMARK.labels(p).set(not is_idle[p] and watermark in (None, lowest))
    if progress.global_watermark_ms is not None:
        GLOBAL_WATERMARK.set(progress.global_watermark_ms / 1000)


def show_models(running: "Mapping[str, Running]") -> None:
    """Show the models that run, by role."""
    for gauge in (MODEL, MODEL_ROLLING, STEP_ROLLING, GENRE_ROLLING, SHADOW_WQL):
        gauge.clear()
    champion = running["champion"].figures
    for step, figures in champion.by_step.items():
        _set_figures(STEP_ROLLING, step, figures)
    for genre, figures in champion.by_genre.items():
        _set_figures(GENRE_ROLLING, genre, figures)
    for role, one in running.items():
        MODEL.labels(role, one.name, one.forecaster.version).set(1)
        _set_figures(MODEL_ROLLING, role, one.figures.rolling)
    candidate = running.get("candidate")
    SHADOW_BUCKETS.set(candidate.figures.buckets if candidate else 0)
    if candidate and candidate.figures.wql is not None:
        SHADOW_WQL.labels("candidate").set(candidate.figures.wql)
        SHADOW_WQL.labels("champion").set(candidate.figures.champion_wql or 0.0)
    drift = champion.drift
    DRIFT.set((drift.sum - drift.lowest) / DRIFT_THRESHOLD if drift else 0.0)


def _set_figures(gauge: Gauge, of: object, figures: Mapping[str, float | None]) -> None:
    for figure, value in figures.items():
        if value is not None:
            gauge.labels(of, figure).set(value)
