"""Every metric of the project, in one list.

The clients' objects, the page `docs/metrics.md`, the checks of dashboard and alerts come from it.
Names follow Prometheus' conventions: base units, `_total` on counters, `_timestamp_seconds` on
moments, `_info` on what is always 1 and told by its labels.
"""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]

STEPS_OF_WORK: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Bounds for parts of a bucket's work, seconds: from one step of few genres to a timeout."""

STEPS_OF_REQUESTS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds for an HTTP answer, seconds."""

STEPS_OF_SCRIPTS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
"""Bounds for one call to Redis, seconds: from a round trip to the socket's timeout."""

STEPS_OF_POLLS: Final = (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000)
"""Bounds for what one poll gives, records: from a trickle to more than `max_poll_records`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What one metric is.

    Attributes:
        name: As Prometheus shows it.
        kind: What may be done with it.
        unit: What its numbers count; "1" for a truth value, a share or a bare figure.
        meaning: A sentence or two, for people who look at it at night.
        labels: Names of its labels.
        buckets: Upper bounds of a histogram's buckets, ascending, in the unit.
        part: Which command's `/metrics` has it.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    part: str = "consume"


METRICS: Final = (
    # The process
    Metric(
        "genrecast_build_info",
        "gauge",
        "1",
        "What runs: always 1, told by its labels.",
        labels=("version", "python", "kafka_python"),
    ),
    Metric(
        "genrecast_bucket_seconds",
        "gauge",
        "seconds",
        "The setting bucket_seconds: what ages are measured by.",
    ),
    Metric(
        "genrecast_not_ready",
        "gauge",
        "1",
        "1 while a part of this member can't work; /readyz says why. Part dead_letters: reading "
        "is paused for a producer that is broken.",
        labels=("part",),
    ),
    # Reading and counting
    Metric(
        "genrecast_records_total",
        "counter",
        "records",
        "Records applied by this member, by place: counted, late, dead_letters, duplicates, "
        "impressions (count in no genre), other_shares (no genre of genre_share), skipped (decided "
        "before a restore), lost (retention passed them unread).",
        labels=("place",),
    ),
    Metric(
        "genrecast_attributed_clicks_total",
        "counter",
        "records",
        "Of the records counted, those that name the recommendation they followed from.",
    ),
    Metric(
        "genrecast_late_records_total",
        "counter",
        "records",
        "Late events by reason: watermark (later than max_out_of_orderness_seconds), idle (their "
        "bucket closed while their partition was idle).",
        labels=("reason",),
    ),
    Metric(
        "genrecast_dead_letter_records_total",
        "counter",
        "records",
        "Dead letters by reason: tombstone, too_large, not_json, future (ahead of the record's "
        "timestamp), else the field that is wrong; value when it is the whole.",
        labels=("reason",),
    ),
    Metric(
        "genrecast_dead_letter_ratio",
        "gauge",
        "1",
        "Dead letters as a share of this member's last 10,000 records; paused for them, with "
        "those that it would take.",
    ),
    Metric(
        "genrecast_poll_records",
        "histogram",
        "records",
        "Records that one poll gave, polls without any left out.",
        buckets=STEPS_OF_POLLS,
    ),
    Metric(
        "genrecast_tasted_events_total",
        "counter",
        "events",
        "Events that this member has added to users' tastes, late and repeated ones too; with "
        "tastes on only.",
    ),
    Metric(
        "genrecast_position_offset",
        "gauge",
        "offset",
        "Next offset to read of an owned partition.",
        labels=("partition",),
    ),
    Metric(
        "genrecast_lag_records",
        "gauge",
        "records",
        "Records of an owned partition that are not applied yet, by the log's end as the last "
        "fetch told it; a partition that is paused is not fetched.",
        labels=("partition",),
    ),
    Metric(
        "genrecast_paused",
        "gauge",
        "1",
        "1 for an owned partition that is paused because it runs ahead of the global watermark.",
        labels=("partition",),
    ),
    Metric(
        "genrecast_redis_script_seconds",
        "histogram",
        "seconds",
        "How long a call of a script took, network included, by script; failed calls too.",
        labels=("script",),
        buckets=STEPS_OF_SCRIPTS,
    ),
    # Event time
    Metric(
        "genrecast_watermark_timestamp_seconds",
        "gauge",
        "epoch seconds",
        "Watermark of an owned partition.",
        labels=("partition",),
    ),
    Metric(
        "genrecast_global_watermark_timestamp_seconds",
        "gauge",
        "epoch seconds",
        "The deployment's watermark: what may close.",
    ),
    Metric(
        "genrecast_holds_watermark",
        "gauge",
        "1",
        "1 for an owned partition that is not idle and no further than the global watermark: it "
        "decides what may close.",
        labels=("partition",),
    ),
    Metric(
        "genrecast_watermark_age_seconds",
        "gauge",
        "seconds",
        "How far the deployment's watermark is behind the clock now; NaN before there is one.",
    ),
    Metric(
        "genrecast_forecast_age_seconds",
        "gauge",
        "seconds",
        "How long ago the last published bucket ended, whoever published it; NaN before the first.",
    ),
    Metric(
        "genrecast_live",
        "gauge",
        "1",
        "1 while the newest events are as new as their records, 0 in a replay of old events: ages "
        "say nothing then.",
    ),
    # Closing and forecasting
    Metric(
        "genrecast_buckets_published_total",
        "counter",
        "buckets",
        "Buckets published by this member.",
    ),
    Metric(
        "genrecast_close_seconds",
        "histogram",
        "seconds",
        "From the seal of a bucket to its commit: step, transaction, state.",
        buckets=STEPS_OF_WORK,
    ),
    Metric(
        "genrecast_step_seconds",
        "histogram",
        "seconds",
        "How long the champion took for a bucket: one step for all genres.",
        buckets=STEPS_OF_WORK,
    ),
    Metric(
        "genrecast_transaction_seconds",
        "histogram",
        "seconds",
        "How long a bucket's transaction took: a forecast per genre, the journal, the commit; "
        "failed ones too.",
        buckets=STEPS_OF_WORK,
    ),
    Metric(
        "genrecast_transactions_unknown_total",
        "counter",
        "transactions",
        "Forecast transactions that were fenced, or whose outcome only the journal could tell.",
    ),
    Metric(
        "genrecast_takeovers_total",
        "counter",
        "takeovers",
        "Times this member became the forecaster.",
    ),
    Metric(
        "genrecast_restores_total",
        "counter",
        "restores",
        "Times Redis was behind the journal and was restored from it.",
    ),
    # Models
    Metric(
        "genrecast_model_info",
        "gauge",
        "1",
        "1 for each model that runs, by role: champion, candidate, previous.",
        labels=("role", "name", "version"),
    ),
    Metric(
        "genrecast_model_rolling",
        "gauge",
        "1",
        "The record that a model keeps of itself, by role and figure: mase, wql, coverage, skill.",
        labels=("role", "figure"),
    ),
    Metric(
        "genrecast_step_rolling",
        "gauge",
        "1",
        "The champion's record by step and figure.",
        labels=("step", "figure"),
    ),
    Metric(
        "genrecast_genre_rolling",
        "gauge",
        "1",
        "The champion's record by genre and figure, of the busiest 200; is_baseline is 1 where the "
        "baseline is published because the model has been worse.",
        labels=("genre", "figure"),
    ),
    Metric(
        "genrecast_nominal_coverage",
        "gauge",
        "1",
        "What coverage should be: the share of buckets that the outermost quantiles promise to "
        "hold.",
    ),
    Metric(
        "genrecast_shadow_wql",
        "gauge",
        "1",
        "Weighted quantile loss on the buckets that candidate and champion were compared on.",
        labels=("role",),
    ),
    Metric(
        "genrecast_shadow_buckets",
        "gauge",
        "buckets",
        "Buckets that candidate and champion were compared on.",
    ),
    Metric(
        "genrecast_shadow_seconds",
        "histogram",
        "seconds",
        "How long a model in shadow took for a bucket.",
        buckets=STEPS_OF_WORK,
    ),
    Metric(
        "genrecast_model_swaps_total",
        "counter",
        "swaps",
        "Times another model began to publish.",
    ),
    Metric(
        "genrecast_auto_promotions_total",
        "counter",
        "promotions",
        "Times a candidate was promoted because it had won.",
    ),
    Metric(
        "genrecast_models_refused_total",
        "counter",
        "models",
        "Models taken out of use, by why: broken, or slow (in shadow). The log names them.",
        labels=("why",),
    ),
    Metric(
        "genrecast_drift_ratio",
        "gauge",
        "1",
        "How far the champion's loss has risen: the detector's sum as a share of its threshold.",
    ),
    Metric(
        "genrecast_drifts_total",
        "counter",
        "drifts",
        "Times drift asked for retraining.",
    ),
    # Alerts
    Metric(
        "genrecast_alerts_raised_total",
        "counter",
        "alerts",
        "Alerts that this member raised, by kind: outside-interval, threshold.",
        labels=("kind",),
    ),
    Metric(
        "genrecast_alerts_open",
        "gauge",
        "alerts",
        "Alerts that are open, by kind; the forecaster shows them.",
        labels=("kind",),
    ),
    # The HTTP service
    Metric(
        "genrecast_serve_requests_total",
        "counter",
        "requests",
        "Requests answered, by route and status code; streams count when they begin.",
        labels=("route", "code"),
        part="serve",
    ),
    Metric(
        "genrecast_serve_request_seconds",
        "histogram",
        "seconds",
        "From a request's headers to the end of its answer, by route, without streams.",
        labels=("route",),
        buckets=STEPS_OF_REQUESTS,
        part="serve",
    ),
    Metric(
        "genrecast_serve_refused_total",
        "counter",
        "requests",
        "Requests and connections refused, by why: connections, address, rate, headers, path, "
        "token, slow (a request that did not arrive in time).",
        labels=("why",),
        part="serve",
    ),
    Metric(
        "genrecast_serve_connections",
        "gauge",
        "connections",
        "Connections that are open.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_subscribers",
        "gauge",
        "streams",
        "Streams that are open.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_conflated_total",
        "counter",
        "buckets",
        "Buckets that readers were not sent, being slow or away for too long: they got the newest.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_slow_readers_total",
        "counter",
        "streams",
        "Streams that were ended because the reader took nothing for too long.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_sent_seconds",
        "histogram",
        "seconds",
        "From a bucket's publication to its end being handed to a live reader's connection.",
        buckets=STEPS_OF_WORK,
        part="serve",
    ),
    Metric(
        "genrecast_serve_age_seconds",
        "gauge",
        "seconds",
        "Since the newest bucket was published; NaN before the first.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_stale",
        "gauge",
        "1",
        "1 while what is shown is not current: no bucket for too long, or Kafka away.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_buckets",
        "gauge",
        "buckets",
        "Buckets that are kept.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_genres",
        "gauge",
        "genres",
        "Genres in the newest bucket.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_recommendations_total",
        "counter",
        "answers",
        "Recommendations answered, by source: taste, trending (no taste known), degraded "
        "(trending because tastes could not be read).",
        labels=("source",),
        part="serve",
    ),
    Metric(
        "genrecast_serve_unlogged_total",
        "counter",
        "answers",
        "Recommendations that were answered and are not on their topic: Kafka was away for too "
        "long, or refuses them.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_show_clicks_total",
        "counter",
        "clicks",
        "Clicks on the way to the shows' rates, by place: read, skipped (more came than "
        "serve_show_clicks_per_second; those read stand for them).",
        labels=("place",),
        part="serve",
    ),
    Metric(
        "genrecast_serve_board_bytes",
        "gauge",
        "bytes",
        "Memory that the kept buckets take.",
        part="serve",
    ),
    Metric(
        "genrecast_serve_alerts_open",
        "gauge",
        "alerts",
        "Alerts that are open, of both kinds.",
        part="serve",
    ),
)
"""All of them, in the order of the page."""

BY_NAME: Final = {metric.name: metric for metric in METRICS}
"""The same, to look up."""
