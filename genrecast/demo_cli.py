"""`genrecast demo`."""

import sys

import click


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=5),
    metavar="N",
    help="End after so long, the start not counted; Ctrl-C when not given.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--rate",
    type=click.FloatRange(1, 20_000),
    default=1_000.0,
    show_default=True,
    metavar="EPS",
    help="Events per second, on average over a week of event time.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page, only say where it is.")
def demo(*, seconds: float | None, seed: int, rate: float, no_browser: bool) -> None:
    """Watch it work: real Kafka, real Redis, simulated viewers, live forecasts.

    A day passes in a minute. At the end what was sent is held against what was counted, genre by
    genre; a difference is exit 1. Everything is started in a directory of its own and ended with
    it. Kafka is fetched once, on the first run. The page is at the address that the screen names;
    it is opened in a browser where there is a display.

    \b
    Examples:
      genrecast demo
      genrecast demo --seconds 60
      genrecast demo --seconds 120 --seed 7 --rate 3000 --no-browser
    """  # noqa: D301 (click reads the control character)
    from genrecast.demo import DemoPlan, run_demo

    plan = DemoPlan(seconds=seconds, seed=seed, rate=rate, opens_browser=not no_browser)
    sys.exit(run_demo(plan))
