"""Status: where a deployment stands, from Redis and the log's ends."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, computed_field

from contracts.settings import Settings
from feed.consumers import open_consumer, partitions_of
from feed.errors import FeedRefusedError, FeedUnavailableError, translated
from feed.topics import absence
from state.model_store import ROLES, LiveFigures, Notes, Registry
from state.redis_models import RedisModels
from state.redis_store import RedisStore

TIMEOUT_MS: Final = 5_000
"""How long asking Kafka may take, ms."""


class PartitionStatus(BaseModel):
    """One partition of the clicks topic."""

    model_config = ConfigDict(frozen=True)

    partition: int
    offset: int = Field(description="Next offset to read, as stored in Redis.")
    end_offset: int | None = Field(description="The log's end; null when Kafka did not say.")
    watermark_ms: int | None = Field(description="Its watermark, epoch ms; null before any event.")
    paused: str | None = Field(
        default=None, description="Why reading stands still at the offset; null when it does not."
    )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def lag(self) -> int | None:
        """Records not applied yet; None when the log's end is unknown."""
        return None if self.end_offset is None else max(0, self.end_offset - self.offset)


class ModelStatus(BaseModel):
    """A model that runs."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its version in the registry, or built-in.")
    role: str = Field(description="champion, candidate or previous.")
    architecture: str | None = Field(description="What reads the buckets; null for the built-in.")
    as_of_ms: int | None = Field(description="The last bucket that it forecast from.")
    rolling: dict[str, float | None] = Field(description="Its record of late.")
    shadow_buckets: int = Field(description="Buckets that it was compared with the champion on.")
    wql: float | None = Field(description="Its weighted quantile loss on those.")
    champion_wql: float | None = Field(description="The champion's on the same buckets.")
    suspended: str | None = Field(description="Why it does not run now.")


class Status(BaseModel):
    """A deployment's position; times are epoch ms, null while there is none."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    app: str
    bucket_seconds: int
    watermark_ms: int | None
    closed_ms: int | None
    published_ms: int | None
    open_buckets: int
    open_clicks: int = Field(description="Clicks in buckets that are not published yet.")
    genres: int
    model_version: str | None
    models: list[ModelStatus] = Field(description="Those in use, the champion first.")
    retrain: str | None = Field(description="Why retraining is asked for; null when it is not.")
    partitions: list[PartitionStatus]
    totals: dict[str, int]
    kafka_problem: str | None = Field(description="Why the log's ends are unknown.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def lag(self) -> int | None:
        """Records of all partitions not applied yet; None when a log's end is unknown."""
        known = [p.lag for p in self.partitions if p.lag is not None]
        return sum(known) if len(known) == len(self.partitions) and known else None


def read_status(settings: Settings) -> Status:
    """Read where the deployment stands.

    Raises:
        StoreError: Redis does not answer, refuses, or holds no such deployment.
    """
    store, models = RedisStore.connect(settings), RedisModels.connect(settings)
    try:
        progress = store.read_progress()
        totals = store.read_totals()
        open_buckets = store.read_open()
        genre_count = len(store.read_genres())
        registry, notes = models.read(), models.read_notes()
    finally:
        store.close()
        models.close()
    ends, problem = _end_offsets(settings)
    partitions = sorted(ends.keys() | progress.offsets.keys())
    return Status(
        app=settings.app,
        bucket_seconds=settings.bucket_seconds,
        watermark_ms=progress.global_watermark_ms,
        closed_ms=progress.closed_ms,
        published_ms=progress.published_ms,
        open_buckets=len(open_buckets),
        open_clicks=sum(cell[0] for cells in open_buckets.values() for cell in cells.values()),
        genres=genre_count,
        model_version=progress.model_version,
        models=_models(registry, notes),
        retrain=notes.retrain.reason if notes.retrain else None,
        partitions=[
            PartitionStatus(
                partition=p,
                offset=progress.offsets.get(p, 0),
                end_offset=ends.get(p),
                watermark_ms=progress.watermarks.get(p),
                paused=progress.paused.get(p),
            )
            for p in partitions
        ],
        totals=totals,
        kafka_problem=problem,
    )


def _models(registry: Registry, notes: Notes) -> list[ModelStatus]:
    found = []
    for role in ROLES:
        name = getattr(registry, role)
        if name is None:
            continue
        figures = notes.figures.get(name, LiveFigures())
        entry = registry.entries.get(name)
        found.append(
            ModelStatus(
                name=name,
                role=role,
                architecture=entry.architecture or None if entry else None,
                as_of_ms=figures.as_of_ms or None,
                rolling=dict(figures.rolling),
                shadow_buckets=figures.buckets,
                wql=figures.wql,
                champion_wql=figures.champion_wql,
                suspended=figures.suspended or None,
            )
        )
    return found


def _end_offsets(settings: Settings) -> tuple[dict[int, int], str | None]:
    """Return the clicks log's end per partition, or why they can't be had."""
    topic = settings.topic_clicks
    try:
        with (
            translated("asking Kafka for the log's ends", "Describe", topic),
            # The end of what is there, committed or not: that is what there is to read.
            open_consumer(
                settings,
                "status",
                isolation_level="read_uncommitted",
                request_timeout_ms=TIMEOUT_MS,
            ) as consumer,
        ):
            partitions = partitions_of(consumer, topic)
            if not partitions:
                return {}, absence(settings, topic)
            ends = consumer.end_offsets(partitions, timeout_ms=TIMEOUT_MS)
    except (FeedUnavailableError, FeedRefusedError) as error:
        return {}, str(error)
    return {tp.partition: end for tp, end in ends.items()}, None
