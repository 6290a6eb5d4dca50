"""`genrecast rights`: the commands that give a role its least rights, to copy."""

import shlex

import click

from contracts.options import with_settings
from contracts.redis_url import parse_redis_url
from contracts.rights import ROLES, kafka_rights, redis_rules
from contracts.secret_files import secret_of
from contracts.settings import Settings


@click.command()
@click.argument("role", type=click.Choice(ROLES))
@click.option("--user", required=True, help="Name of the role's user, in Kafka and Redis.")
@with_settings(
    "app",
    "kafka_bootstrap",
    "redis_url",
    "redis_url_file",
    "alerts",
    "alert_thresholds",
    "topic_clicks",
    "topic_forecasts",
    "topic_buckets",
    "topic_late",
    "topic_dead_letter",
    "topic_replayed",
    "topic_alerts",
    "topic_recommendations",
)
def rights(settings: Settings, *, role: str, user: str) -> None:
    """Print the commands that give a role what it needs in Kafka and Redis, and no more.

    \b
    consumer   consume
    feed       feed, and programs that use ForecastFeed
    serve      serve, status, explain
    simulator  simulate, loadtest (with --counted: in Redis what serve has)
    tools      verify, rebuild, close, models, retrain, train, dead-letters, loop-report, forget
    setup      setup: whoever makes the topics

    Nobody is asked: the names are those of the settings. PASSWORD stands for one of your own.

    \b
    Examples:
      genrecast rights consumer --user shop --app shop
      genrecast rights feed --user reader --app shop
    """  # noqa: D301 (click reads the control character)
    click.echo(f"# Kafka: {role}")
    tool = f"kafka-acls.sh --bootstrap-server {settings.kafka_bootstrap}"
    for right in kafka_rights(role, settings):
        click.echo(
            f"{tool} --command-config admin.properties --add "
            f"--allow-principal {shlex.quote(f'User:{user}')} "
            f"--operation {right.operation} --{right.resource} {shlex.quote(right.name)}"
        )
    topology = parse_redis_url(secret_of(settings, "redis_url") or "").topology
    rules = redis_rules(role, settings, topology)
    click.echo(f"\n# Redis: {role if rules else 'not needed'}")
    if rules:
        where = "on every node" if topology != "server" else "in redis-cli"
        click.echo(f"# {where}")
        click.echo(f"ACL SETUSER {user} on >PASSWORD {' '.join(rules)}")
