"""Settings of a deployment's names: of its keys, its group and its topics."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.link_settings import LinkSettings

TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class NameSettings(LinkSettings):
    """What a deployment's things are called in Kafka and Redis."""

    app: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        default="default", description="Name of the deployment: Redis keys, consumer group."
    )

    topic_clicks: TopicName = Field(default="clicks", description="Topic of click events.")
    topic_forecasts: TopicName = Field(
        default="genre-forecasts", description="Topic of forecasts, read it `read_committed`."
    )
    topic_buckets: TopicName = Field(
        default="genre-buckets", description="Topic of the bucket journal (one partition)."
    )
    topic_late: TopicName = Field(default="clicks-late", description="Topic of late events.")
    topic_dead_letter: TopicName = Field(
        default="clicks-dead-letter", description="Topic of records that are no click events."
    )
    topic_replayed: TopicName = Field(
        default="clicks-replayed", description="Topic that names the dead letters sent again."
    )
    topic_alerts: TopicName = Field(
        default="genre-alerts", description="Topic of alerts (one partition)."
    )
    topic_recommendations: TopicName = Field(
        default="genre-recommendations",
        description="Topic of the recommendations that were answered.",
    )

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        topics = [
            self.topic_clicks,
            self.topic_forecasts,
            self.topic_buckets,
            self.topic_late,
            self.topic_dead_letter,
            self.topic_replayed,
            self.topic_alerts,
            self.topic_recommendations,
        ]
        if len(set(topics)) != len(topics):
            raise ValueError("the topic_* settings must differ from one another")
        return self
