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
def demo(*, seconds: float | None, seed: int, rate: float) -> None:
    """Watch it work: real Kafka, real Redis, simulated viewers, live forecasts.

    A day passes in a minute. At the end what was sent is held against what was counted, genre by
    genre; a difference is exit 1. Everything is started in a directory of its own and ended with
    it. Kafka is fetched once, on the first run.

    \b
    Examples:
      genrecast demo
      genrecast demo --seconds 60
      genrecast demo --seconds 120 --seed 7 --rate 3000
    """  # noqa: D301 (click reads the control character)
    from genrecast.demo import DemoPlan, run_demo

    sys.exit(run_demo(DemoPlan(seconds=seconds, seed=seed, rate=rate)))
