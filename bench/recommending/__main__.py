"""Offline evaluation of the recommendations on the recorded stream, beside simple rankings.

    python -m bench.recommending

For every event of a span: the genres are ranked by what was known just before it, and it is looked
at where the event's genres stand. What can be chosen is chosen on the validation span; the test
span, later, is scored once. Writes results.json, the tables in docs/experiments.md and the plot.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from rich.console import Console

from bench.recommending.forecasts import HORIZON, expected_clicks
from bench.recommending.page import RESULTS, write_page, write_plot, write_results
from bench.recommending.rankers import (
    Known,
    as_served,
    by_formula,
    by_popularity,
    by_recency,
    by_taste,
)
from bench.recommending.scores import Resampled, Scores, judge
from bench.recommending.stream import BUCKET_MS, Asked, Stream, ask, moment, read_stream
from feed.recommend.outlook import LIFT_POWER
from feed.recommend.ranking import PRIOR_CLICKS
from feed.serve.settings import ServeSettings

VALIDATION: Final = "2013-07-10T00:00"
"""Where the validation span begins; events before it are only known."""

TEST: Final = "2013-08-09T21:00"
"""Where the test span begins: after the last hour that the shipped model was trained on."""

RECENT_HOURS: Final = (6, 24, 168, 672)
HALF_LIVES: Final = (7.0, 30.0, 90.0, 1_000.0)
PRIORS: Final = (5.0, 10.0, 20.0, 40.0, 80.0)
POWERS: Final = (0.0, 0.25, 0.5, 1.0)
"""What is tried on the validation span."""

HOURS_A_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was best on the validation span, by NDCG@5.

    Attributes:
        recent_hours: Of recency.
        taste_half_life: Of taste only, days.
        half_life: Of the tastes that the formula takes, days.
        prior: Clicks that the usual share weighs.
        power: Of the lift.
        tried: Every combination of the formula and its NDCG@5.
    """

    recent_hours: int
    taste_half_life: float
    half_life: float
    prior: float
    power: float
    tried: dict[tuple[float, float, float], float]


def choose(known: Known, asked: dict[float, Asked]) -> Chosen:
    """Try all on the validation span; `asked` by half-life."""
    some = next(iter(asked.values()))

    def ndcg(places: Any, has: Any) -> float:  # noqa: ANN401
        return float(judge(places, has).ndcg.mean())

    recency = {hours: ndcg(by_recency(known, some, hours), some.has) for hours in RECENT_HOURS}
    taste = {days: ndcg(by_taste(known, one), one.has) for days, one in asked.items()}
    tried = {
        (days, prior, power): ndcg(
            by_formula(known, asked[days], prior=prior, power=power), asked[days].has
        )
        for days, prior, power in product(asked, PRIORS, POWERS)
    }
    best = max(tried, key=tried.__getitem__)
    return Chosen(
        max(recency, key=recency.__getitem__), max(taste, key=taste.__getitem__), *best, tried
    )


def score(known: Known, stream: Stream, chosen: Chosen, end_ms: int) -> dict[str, Any]:
    """Score every ranking on the test span."""
    begin_ms = moment(TEST)
    ratio = float(ServeSettings.model_fields["serve_explore_ratio"].default)
    default = float(ServeSettings.model_fields["taste_half_life_days"].default)
    asked = ask(stream, begin_ms, end_ms, chosen.half_life)
    own = ask(stream, begin_ms, end_ms, chosen.taste_half_life)
    as_set = ask(stream, begin_ms, end_ms, default)
    scores = {
        "popularity": judge(by_popularity(known, asked), asked.has),
        "recency": judge(by_recency(known, asked, chosen.recent_hours), asked.has),
        "taste only": judge(by_taste(known, own), own.has),
        "trending (no taste)": judge(as_served(known, asked, has_taste=False), asked.has),
        "genrecast without lift": judge(
            by_formula(known, asked, prior=PRIOR_CLICKS, power=0.0), asked.has
        ),
        "genrecast": judge(as_served(known, asked), asked.has),
        "genrecast, exploring": judge(as_served(known, asked, ratio=ratio), asked.has),
        f"genrecast, half-life {default:g} days": judge(as_served(known, as_set), as_set.has),
    }
    ours = scores["genrecast"]
    by_user, by_day = Resampled.of(asked.users), Resampled.of(asked.hours // HOURS_A_DAY)
    return {
        "events": len(asked.users),
        "users": by_user.times.shape[1],
        "days": by_day.times.shape[1],
        "of_no_known_taste": int((asked.affinities.sum(axis=1) == 0).sum()),
        "rows": {name: row_of(found, ours, by_user, by_day) for name, found in scores.items()},
    }


def row_of(found: Scores, ours: Scores, by_user: Resampled, by_day: Resampled) -> dict[str, Any]:
    """Return a ranking's scores and, event by event, how far ours is ahead, with intervals."""
    ahead = ours.ndcg - found.ndcg
    return {
        "ndcg": float(found.ndcg.mean()),
        "ndcg_interval": by_user.interval(found.ndcg),
        "hit": {str(count): float(hit.mean()) for count, hit in found.hit.items()},
        "ahead": float(ahead.mean()),
        "ahead_by_user": by_user.interval(ahead) if ahead.any() else None,
        "ahead_by_day": by_day.interval(ahead) if ahead.any() else None,
    }


def main() -> None:
    """Choose, score, write."""
    console = Console(stderr=True)
    stream = read_stream()
    first_ms, clicks = stream.clicks()
    validation, test = ((moment(at) - first_ms) // BUCKET_MS for at in (VALIDATION, TEST))
    last = len(clicks) - HORIZON - 1
    # The shipped model has learned from the validation span: there the baseline forecasts.
    before = expected_clicks("baseline", stream.genres, validation - 1, test - 1, console)
    after = expected_clicks("shipped", stream.genres, test - 1, last + 1, console)
    spans = moment(VALIDATION), moment(TEST)
    chosen = choose(
        Known(stream.genres, clicks, before),
        {days: ask(stream, *spans, days) for days in HALF_LIVES},
    )
    found = score(
        Known(stream.genres, clicks, after), stream, chosen, first_ms + (last + 2) * BUCKET_MS
    )
    results = {
        "chosen": {
            "recent_hours": chosen.recent_hours, "taste_half_life": chosen.taste_half_life,
            "half_life": chosen.half_life, "prior": chosen.prior, "power": chosen.power,
        },
        "tried": [[*key, value] for key, value in chosen.tried.items()],
        "in_code": {"prior": PRIOR_CLICKS, "power": LIFT_POWER},
        "test": found,
    }  # fmt: skip
    write_results(results)
    write_page(results)
    write_plot(results)
    console.print(f"wrote {RESULTS}, docs/experiments.md, docs/recommendations.svg")


if __name__ == "__main__":
    main()
