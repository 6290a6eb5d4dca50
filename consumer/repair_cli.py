"""`genrecast verify`, `genrecast rebuild` and `genrecast forget`."""

import json
import sys
from typing import Final

import click
from pydantic import TypeAdapter, ValidationError

from consumer.command_parts import EXIT_FAILED, one_message, progress_bars
from contracts.events import Identifier
from contracts.moments import Moment, moment_text
from contracts.options import KAFKA_CONNECTION, REDIS_CONNECTION, with_settings
from contracts.settings import Settings
from contracts.taste_settings import TasteSettings

LOG_AND_JOURNAL: Final = (
    "app",
    *KAFKA_CONNECTION,
    "topic_clicks",
    "topic_buckets",
    "bucket_seconds",
    "genre_share",
)
"""Settings that reading the log and the journal takes."""


@click.command("verify")
@click.option("--since", type=Moment(), help="Look at buckets from then on only; UTC.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@with_settings(
    *LOG_AND_JOURNAL, "topic_forecasts", "topic_late", "topic_dead_letter", "topic_replayed",
    "max_out_of_orderness_seconds", "max_future_skew_seconds", "max_event_bytes", "dedup",
)  # fmt: skip
def verify(settings: Settings, *, since: int | None, as_json: bool) -> None:
    """Count the clicks log again and hold it against all that was published.

    Reads Kafka only: clicks, journal, forecasts, late and dead-letter topics. Give it the settings
    that the consumers have. Exits 1 when anything differs, and says what. Consumers may run
    meanwhile; what they have not published yet is left out.

    \b
    Examples:
      genrecast verify
      genrecast verify --since 2026-01-31T20:00
      genrecast verify --json | jq .is_exact
    """  # noqa: D301 (click reads the control character)
    from consumer.verify import verify as hold

    with one_message("verify"), progress_bars() as progress:
        found = hold(settings, since, progress)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        span = f"{moment_text(found.from_ms)} to {moment_text(found.to_ms)}"
        click.echo(
            f"{found.buckets:,} published buckets ({span}), {found.events:,} events, "
            f"{found.late:,} late, {found.dead_letters:,} dead letters, "
            f"{found.impressions:,} impressions, "
            f"{found.forecasts:,} forecasts"
        )
        for difference in found.differences:
            click.echo(f"  {difference}")
        unsaid = found.difference_count - len(found.differences)
        if unsaid:
            click.echo(f"  … and {unsaid:,} more")
        click.echo("Exact." if found.is_exact else f"{found.difference_count:,} differences.")
    sys.exit(0 if found.is_exact else EXIT_FAILED)


@click.command("rebuild")
@click.option("--since", type=Moment(), help="Go back no further than that; UTC.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_settings(
    *LOG_AND_JOURNAL, *REDIS_CONNECTION, "topic_replayed", "window_buckets", "max_event_bytes",
    "max_future_skew_seconds", "max_genres", *TasteSettings.model_fields,
)  # fmt: skip
def rebuild(settings: Settings, *, since: int | None, yes: bool) -> None:
    """Empty the deployment's state in Redis and make it anew from the bucket journal.

    Consumers do this by themselves when Redis is behind the journal; this is for a state that is
    wrong in another way. They may run meanwhile: they notice and read again from where open
    buckets begin. Nothing is published twice. Without a journal, counting begins at the log's
    beginning, or at --since.

    With tastes on they begin anew too, from there; with --since they are filled with the clicks
    that the log has between that and there.

    \b
    Examples:
      genrecast rebuild --yes
      genrecast rebuild --since 2026-01-01 --yes
    """  # noqa: D301 (click reads the control character)
    from consumer.rebuild import rebuild as make_anew
    from state.redis_client import RedisClient
    from state.redis_store import RedisStore
    from state.redis_tastes import RedisTastes

    if not yes:
        click.confirm(f"Empty the state of app {settings.app!r} in Redis?", abort=True)
    with one_message("rebuild"), progress_bars() as progress:
        client = RedisClient(settings)
        store = RedisStore(client, settings)
        tastes = RedisTastes(client, settings) if settings.tastes else None
        try:
            made = make_anew(settings, store, since, progress("journal"), tastes)
        finally:
            client.close()
    click.echo(
        f"{made.buckets:,} buckets up to {moment_text(made.published_ms)}, {made.genres:,} genres; "
        f"{made.to_read:,} records to read from here"
    )
    if made.tasted:
        click.echo(f"tastes refilled with {made.tasted:,} events")


@click.command("forget")
@click.option("--user", required=True, metavar="ID", help="The user's id, as clicks spell it.")
@with_settings("app", *REDIS_CONNECTION, "topic_clicks", "max_future_skew_seconds")
def forget(settings: Settings, *, user: str) -> None:
    """Erase what is known of a user's taste, for good.

    Clicks up to now (and up to max_future_skew_seconds later, as clocks may run ahead) never count
    for that user again, whatever a running consumer holds or a later one reads anew; later clicks
    do. Once more does no harm. Kafka keeps the clicks themselves, under their user ids, until
    retention or whoever runs it deletes them; counts and forecasts hold no user ids.

    \b
    Example:
      genrecast forget --user u01234
    """  # noqa: D301 (click reads the control character)
    from contracts.clock import wall_clock_ms
    from state.redis_tastes import RedisTastes

    try:
        TypeAdapter(Identifier).validate_python(user)
    except ValidationError:
        raise click.BadParameter("no click has such an id", param_hint="--user") from None
    with one_message("forget"):
        tastes = RedisTastes.connect(settings)
        try:
            was_known = tastes.forget(user, wall_clock_ms() + settings.max_future_skew_ms)
        finally:
            tastes.close()
    click.echo("Erased." if was_known else "Nothing was known of that user.")
    click.echo(
        "Clicks up to now never count for that user again. Kafka keeps them "
        f"({settings.topic_clicks}, late and dead-letter topics) until they are deleted there."
    )
