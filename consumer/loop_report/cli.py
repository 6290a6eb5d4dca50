"""`genrecast loop-report`."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from consumer.command_parts import EXIT_FAILED, one_message, progress_bars
from contracts.holdout import Holdout
from contracts.moments import Moment, moment_text
from contracts.options import KAFKA_CONNECTION, with_settings
from contracts.settings import Settings


@click.command("loop-report")
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    metavar="R",
    help="Share of users who were shown nothing, as those who showed had it.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the draw of those users, as those who showed had it.",
)
@click.option("--since", type=Moment(), help="Event time to begin at; else the first impression.")
@click.option("--until", type=Moment(), help="Event time to end at; else the last event.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page of tables and plots, HTML.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
@with_settings(
    "app", *KAFKA_CONNECTION, "topic_clicks", "topic_forecasts", "topic_recommendations",
    "max_event_bytes", "quantiles",
)  # fmt: skip
def loop_report(settings: Settings, **options: Any) -> None:  # noqa: ANN401 (click's values)
    """Tell what recommendations did, and whether forecasts stay calibrated with them.

    Reads Kafka only. Cards shown and clicked by place and reason; clicks per user who was shown
    recommendations over clicks per user held out, with a 95 % interval; how many counts lay in the
    forecasts' interval before the first impression and from it on. Users are told apart by a hash
    of user and seed: give --holdout and --seed as `simulate` had them.

    \b
    Examples:
      genrecast loop-report
      genrecast loop-report --holdout 0.1 --seed 7 --out loop.html
      genrecast loop-report --json | jq .users.lift
    """  # noqa: D301 (click reads the control character)
    from consumer.loop_report.report import NoLoopError, make_report

    try:
        with one_message("loop-report"), progress_bars() as progress:
            report = make_report(
                settings,
                Holdout(options["holdout"], options["seed"]),
                progress,
                since_ms=options["since"],
                until_ms=options["until"],
            )
    except NoLoopError as error:
        click.echo(f"genrecast loop-report: {error}", err=True)
        sys.exit(EXIT_FAILED)
    out = options["out"]
    if out is not None:
        from consumer.loop_report.page import loop_page

        nominal = settings.quantiles[-1] - settings.quantiles[0]
        try:
            out.write_text(loop_page(report, nominal=nominal), encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
    if options["as_json"]:
        click.echo(json.dumps(report.as_json(), indent=2))
        return
    from consumer.loop_report.text import show_report

    click.echo(f"{moment_text(report.since_ms)} to {moment_text(report.until_ms)}")
    show_report(report)
