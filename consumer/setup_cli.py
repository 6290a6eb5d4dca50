"""`genrecast setup`."""

from contextlib import closing

import click

from consumer.command_parts import one_message
from contracts.options import KAFKA_CONNECTION, with_settings
from contracts.settings import Settings
from contracts.topic_layouts import DEFAULT_PARTITIONS


@click.command("setup")
@click.option(
    "--partitions", type=click.IntRange(min=1), default=DEFAULT_PARTITIONS, show_default=True,
    metavar="P", help="Of the clicks topic: as many consumers as can work at once.",
)  # fmt: skip
@with_settings(
    "app", *KAFKA_CONNECTION, "topic_clicks", "topic_forecasts", "topic_buckets", "topic_late",
    "topic_dead_letter", "topic_alerts", "topic_replayed", "topic_recommendations",
    "bucket_seconds", "window_buckets",
)  # fmt: skip
def setup(settings: Settings, *, partitions: int) -> None:
    """Make every topic of a deployment that is missing, each with the settings that it needs.

    For whoever may make topics where consumers may not (`genrecast rights setup`). What is there
    already stays as it is. Give it the settings that the consumers have.

    \b
    Examples:
      genrecast setup
      genrecast setup --partitions 32 --app shop --topic-clicks shop.clicks
    """  # noqa: D301 (click reads the control character)
    from consumer.broker.topics import Topics

    with one_message("setup"), closing(Topics(settings)) as topics:
        made = topics.make_all(clicks_partitions=partitions)
    click.echo("\n".join(f"made {topic}" for topic in made) or "every topic is there already")
