"""Lift: clicks per user who was shown recommendations over clicks per user who was not.

Users are what was drawn at random, so users are what is counted: the interval is of a ratio of two
means over users, by the delta method on its logarithm. Source: Deng, Knoblich, Lu, "Applying the
delta method in metric analytics" (KDD 2018). What users clicked before the loop began is taken out
of both means, which narrows the interval and, being as it was drawn, moves neither mean on average:
Deng, Xu, Kohavi, Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data" (WSDM 2013).

It holds as far as one user's treatment does not touch another's clicks. Here it does a little:
clicks that follow from recommendations raise the forecasts by which others are recommended to.
"""

import math
from dataclasses import dataclass
from typing import Final

from consumer.loop_report.clicks import Floats, Users

NORMAL_95: Final = 1.959964
"""Standard errors to either side of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class Lift:
    """How much more the treated click, with its 95 % interval; 0.1 is 10 % more.

    Attributes:
        ratio: Mean of the treated over that of the held out, less 1; NaN where it can't be had.
        low: Lower end of the interval.
        high: Upper end.
    """

    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Treated and held out.

    Attributes:
        treated: Users who were shown recommendations; `held_out`: who were not.
        treated_clicks: Clicks per treated user; `held_out_clicks`: per user held out.
        organic: Of the treated one's, those that name no recommendation.
        lift: In all clicks.
        adjusted: The same with clicks before the span taken out; None where there were none.
        organic_lift: In clicks that name no recommendation: below 0 where the page takes clicks
            from elsewhere.
        split_p: How probable a split as uneven as this is, if users were split as asked; a small
            one says that the groups can't be compared.
        held_out_impressions: Cards put before users who were to see none; 0 where all went well.
    """

    treated: int
    held_out: int
    treated_clicks: float
    held_out_clicks: float
    organic: float
    lift: Lift
    adjusted: Lift | None
    organic_lift: Lift
    split_p: float
    held_out_impressions: int


def compare(users: Users, holdout_ratio: float) -> Comparison:
    """Compare treated users with those held out.

    Args:
        users: Of both groups.
        holdout_ratio: Share of the users that was to be held out.
    """
    out = users.is_held_out
    clicks = users.organic + users.recommended
    has_past = bool(users.before.any())
    return Comparison(
        treated=int((~out).sum()),
        held_out=int(out.sum()),
        treated_clicks=_mean(clicks[~out]),
        held_out_clicks=_mean(clicks[out]),
        organic=_mean(users.organic[~out]),
        lift=ratio_of_means(clicks[~out], clicks[out]),
        adjusted=_without_past(clicks, users) if has_past else None,
        organic_lift=ratio_of_means(users.organic[~out], users.organic[out]),
        split_p=split_probability(int(out.sum()), len(out), holdout_ratio),
        held_out_impressions=int(users.impressions[out].sum()),
    )


def ratio_of_means(treated: Floats, held_out: Floats) -> Lift:
    """Return the lift of one group's mean over another's, NaN where a group has less than two.

    >>> lift = ratio_of_means(np.array([3.0, 3.0]), np.array([2.0, 2.0]))
    >>> (lift.ratio, lift.low, lift.high)
    (0.5, 0.5, 0.5)
    """
    if min(len(treated), len(held_out)) < 2 or treated.mean() <= 0 or held_out.mean() <= 0:
        return Lift(math.nan, math.nan, math.nan)
    ratio = treated.mean() / held_out.mean()
    variance = sum(part.var(ddof=1) / len(part) / part.mean() ** 2 for part in (treated, held_out))
    reach = math.exp(NORMAL_95 * math.sqrt(variance))
    return Lift(float(ratio - 1), float(ratio / reach - 1), float(ratio * reach - 1))


def _without_past(clicks: Floats, users: Users) -> Lift:
    """Return the lift with what clicks before the span tell of a user taken out."""
    out, past = users.is_held_out, users.before - users.before.mean()
    spread = float((past**2).sum())
    slope = float((clicks * past).sum()) / spread if spread else 0.0
    rest = clicks - slope * past
    return ratio_of_means(rest[~out], rest[out])


def split_probability(held_out: int, users: int, ratio: float) -> float:
    """Return how probable a split at least as uneven is (normal approximation, two-sided).

    >>> split_probability(200, 1000, 0.2), split_probability(260, 1000, 0.2) < 1e-5
    (1.0, True)
    """
    spread = math.sqrt(users * ratio * (1 - ratio))
    if spread == 0:
        return 1.0 if held_out == users * ratio else 0.0
    return math.erfc(abs(held_out - users * ratio) / spread / math.sqrt(2))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan
