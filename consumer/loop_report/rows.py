"""The report's figures as rows of text, for the terminal and the page."""

import math
from collections.abc import Iterable
from typing import Final

from consumer.loop_report.calibration import Calibration
from consumer.loop_report.lift import Comparison, Lift
from consumer.loop_report.report import LoopReport

RATE_HEADS: Final = ("cards", "shown", "clicked", "share")
"""Columns of `rate_rows`."""

SCORE_HEADS: Final = ("loop", "kind", "forecasts", "covered", "below", "above", "WQL", "skill")
"""Columns of `score_rows`."""

SPILL_NOTE: Final = (
    "The interval is over users, and holds as far as one user's page does not touch another's"
    " clicks. It does a little: what recommendations bring in raises the forecasts that others are"
    " recommended by."
)
"""Said beside the lift."""


def lift_text(lift: Lift | None) -> str:
    """Return a lift with its interval, in per cent.

    >>> lift_text(Lift(0.1, 0.05, 0.15)), lift_text(None)
    ('+10.0 % (+5.0 to +15.0)', '-')
    """
    if lift is None or math.isnan(lift.ratio):
        return "-"
    return f"{100 * lift.ratio:+.1f} % ({100 * lift.low:+.1f} to {100 * lift.high:+.1f})"


def user_facts(found: Comparison) -> dict[str, str]:
    """Return what is told of the users, by name."""
    return {
        "users shown / held out": f"{found.treated:,} / {found.held_out:,}",
        "clicks per user shown": f"{found.treated_clicks:.2f}",
        "of them organic": f"{found.organic:.2f}",
        "clicks per user held out": f"{found.held_out_clicks:.2f}",
        "lift": lift_text(found.lift),
        "lift, past clicks taken out": lift_text(found.adjusted),
        "lift of organic clicks": lift_text(found.organic_lift),
        "p of so uneven a split": f"{found.split_p:.3f}",
        "impressions of users held out": f"{found.held_out_impressions:,}",
    }


def rate_rows(report: LoopReport) -> Iterable[tuple[str, ...]]:
    """Yield the cards' rates."""
    named = [(f"place {place}", rate) for place, rate in report.by_place.items()]
    named += report.by_reason.items()
    if report.unnamed.impressions:
        named.append(("no recommendation found", report.unnamed))
    for name, rate in named:
        yield name, f"{rate.impressions:,}", f"{rate.clicked:,}", f"{100 * rate.ratio:.2f} %"


def score_rows(calibration: Calibration) -> Iterable[tuple[str, ...]]:
    """Yield the forecasts' scores."""
    for (period, kind), own in sorted(calibration.scores.items()):
        yield (
            period, kind, f"{own.points:,}", f"{100 * own.coverage:.1f} %",
            f"{100 * own.below / own.points:.1f} %", f"{100 * own.above:.1f} %",
            f"{own.wql:.4f}", f"{own.skill:.3f}",
        )  # fmt: skip
