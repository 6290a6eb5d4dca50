"""`genrecast size`: what a deployment takes, and from which measurement each number comes."""

import json
import math
from dataclasses import asdict
from typing import Any, Final

import click

from contracts.options import load_settings
from contracts.settings import Settings
from genrecast.sizing import Demand, Plan, plan_for
from genrecast.sizing_figures import Figures, read_figures

_MOST: Final = 1_000_000_000
"""Most events a second that are reckoned with."""


class _Within(click.FloatRange):
    """A range that holds no NaN: the library's own lets it through (8.3)."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 (raw text, or a default)
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the number.

        Raises:
            click.BadParameter: It is none, or out of the range.
        """
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


@click.command("size")
@click.option(
    "--events-per-second",
    type=_Within(1, _MOST),
    required=True,
    metavar="N",
    help="Clicks a second at the busiest hour.",
)
@click.option(
    "--genres",
    type=click.IntRange(1, 10_000_000),
    required=True,
    metavar="G",
    help="Genres, or whatever series are counted by.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, 1_000_000),
    metavar="P",
    help="Of the clicks topic; recommended when not given.",
)
@click.option("--bucket-seconds", metavar="S", help="Bucket length; divides a day. [default: 60]")
@click.option(
    "--window-buckets",
    "--window",
    metavar="N",
    help="Closed buckets kept per genre. [default: 2016]",
)
@click.option("--horizon", metavar="H", help="Buckets forecast ahead. [default: 12]")
@click.option("--genres-per-event", type=_Within(1, 8), default=1.0, show_default=True)
@click.option("--event-bytes", type=click.IntRange(64, 1_000_000), default=150, show_default=True)
@click.option(
    "--retention",
    "retention_hours",
    type=_Within(0.1, 100_000),
    default=72.0,
    show_default=True,
    metavar="HOURS",
    help="How long the clicks topic keeps records.",
)
@click.option(
    "--replication",
    type=click.IntRange(1, 9),
    default=3,
    show_default=True,
    help="Replicas of each Kafka partition.",
)
@click.option(
    "--models",
    type=click.IntRange(1, 6),
    default=2,
    show_default=True,
    help="Models whose state is kept: champion, candidate, the one before.",
)
@click.option(
    "--target",
    type=_Within(0.1, 0.95),
    default=0.6,
    show_default=True,
    metavar="SHARE",
    help="How busy a core may be; the rest is headroom.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")  # fmt: skip
def size(
    *,
    bucket_seconds: str | None,
    window_buckets: str | None,
    horizon: str | None,
    as_json: bool,
    **asked: Any,  # noqa: ANN401 (the demand's other fields, as click has checked them)
) -> None:
    """Say how many cores, consumers, partitions, and how much Redis and Kafka a demand takes.

    Each number comes with the measurement that it rests on; it holds for machines like the one
    measured, so take the headroom seriously and measure on yours: make bench.

    \b
    Examples:
      genrecast size --events-per-second 50000 --genres 200
      genrecast size --events-per-second 2000000 --genres 10000 --event-bytes 400 --retention 168
      genrecast size --events-per-second 5000 --genres 300 --bucket-seconds 300 --json
    """  # noqa: D301 (click reads the control character)
    settings = load_settings(
        Settings, bucket_seconds=bucket_seconds, window_buckets=window_buckets, horizon=horizon
    )
    demand = Demand(
        bucket_seconds=settings.bucket_seconds,
        window_buckets=settings.window_buckets,
        horizon=settings.horizon,
        quantiles=len(settings.quantiles),
        drift_buckets=settings.max_partition_drift_buckets,
        **asked,
    )
    figures = read_figures()
    plan = plan_for(demand, figures)
    if as_json:
        click.echo(json.dumps(plan_json(plan, figures), indent=2))
        return
    click.echo(plan_text(plan, figures))


def plan_json(plan: Plan, figures: Figures) -> dict[str, Any]:
    """Return a plan as plain values, each line with the sources of its figures."""
    lines = {
        line.name: {
            "value": line.value,
            "unit": line.unit,
            "how": line.how,
            "from": {name: figures[name].source for name in line.figures},
        }
        for line in plan.lines
    }
    return {"demand": asdict(plan.demand), "plan": lines, "warnings": list(plan.warnings)}


def plan_text(plan: Plan, figures: Figures) -> str:
    """Return a plan as a table, the measurements below it, then what to heed."""
    names = list(dict.fromkeys(name for line in plan.lines for name in line.figures))
    notes = {name: number for number, name in enumerate(names, 1)}
    rows = [
        (
            line.name,
            f"{shown(line.value, line.unit)} {'' if line.unit == 'share' else line.unit}".rstrip(),
            line.how + "".join(f" [{notes[name]}]" for name in line.figures),
        )
        for line in plan.lines
    ]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    texts = [f"{name:<{first}}  {value:>{second}}  {how}" for name, value, how in rows]
    texts += ["", "measured:"]
    texts += [f"[{n}] {figures[name].says}: {figures[name].source}" for name, n in notes.items()]
    texts += [f"\nheed: {warning}" for warning in plan.warnings]
    return "\n".join(texts)


def shown(value: float, unit: str) -> str:
    """Return a number as people read it."""
    if unit == "share":
        return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
