"""Options of `simulate` that close the loop: users who see recommendations and react."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from contracts.clock import MS_PER_SECOND, to_ms
from contracts.holdout import Holdout
from contracts.secret_files import read_secret
from producer_sim.audience import Audience, LoopPlan
from producer_sim.fault_options import RATIO
from producer_sim.recommendations import ServiceAddressType

TOKEN_OPTION: Final = "--recommendations-token-file"  # noqa: S105 (the option's name)

_OPTIONS: Final = (
    click.option(
        "--follow-recommendations",
        type=ServiceAddressType(),
        help="Users see what this service recommends and react: impressions and clicks beside the "
        "organic ones (docs/loop.md).",
    ),
    click.option(
        "--holdout",
        type=RATIO,
        default=0.2,
        show_default=True,
        metavar="R",
        help="Share of users who are shown nothing, by a hash of user and --seed.",
    ),
    click.option(
        "--visits",
        type=RATIO,
        default=0.1,
        show_default=True,
        metavar="R",
        help="Share of organic events that begin with a look at the recommendations.",
    ),
    click.option(
        "--follow-after",
        type=click.FloatRange(min=0),
        default=0.0,
        metavar="S",
        help="Organic events alone for the first S seconds of event time: something to compare.",
    ),
    click.option(
        TOKEN_OPTION,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Holds the service's bearer token.",
    ),
)


def with_loop(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options that close the loop."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_loop(options: dict[str, Any]) -> LoopPlan | None:
    """Take the options that close the loop out of a command's; None where it stays open.

    Raises:
        ConfigurationError: The token can't be read.
    """
    address, ratio = options.pop("follow_recommendations"), options.pop("holdout")
    visits, token_file = options.pop("visits"), options.pop("recommendations_token_file")
    after_ms = to_ms(options.pop("follow_after"))
    if address is None:
        return None
    token = None if token_file is None else read_secret(token_file, TOKEN_OPTION)
    return LoopPlan(address, Holdout(ratio, options["seed"]), visits, after_ms, token)


def shown_loop(plan: LoopPlan | None) -> dict[str, object]:
    """Return the options that were given, as JSON values."""
    if plan is None:
        return {}
    return {
        "follow_recommendations": plan.address,
        "holdout": plan.holdout.ratio,
        "visits": plan.visits,
        "follow_after": plan.after_ms / MS_PER_SECOND,
    }


def loop_report(audience: Audience) -> dict[str, object]:
    """Return what the audience saw and did, as JSON values."""
    seen, asking = audience.seen, audience.client.asking
    return {
        "visits": seen.visits,
        "visits_held_out": seen.held_out,
        "asked": asking.asked,
        "answered": asking.answered,
        "failed": dict(asking.failed.most_common()),
        "pages": seen.pages,
        "unknown_shows": seen.unknown_shows,
        "impressions": seen.impressions,
        "clicks": seen.clicks,
    }
