"""Which alerts of intervals there must be, reckoned from the published forecasts alone."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence

from contracts.alerts import GenreAlert
from contracts.forecasts import GenreForecast
from contracts.settings import Settings

Change = tuple[int, str, str, str]
"""Bucket start (epoch ms), genre, side, state."""


def changes(alerts: Iterable[GenreAlert]) -> list[Change]:
    """What alerts say, in their order."""
    return [(a.bucket_start, a.genre, a.side, a.state) for a in alerts]


def expected_changes(forecasts: Sequence[GenreForecast], settings: Settings) -> list[Change]:
    """What must have been raised and cleared, by bucket."""
    by_genre: dict[str, list[GenreForecast]] = defaultdict(list)
    for forecast in sorted(forecasts, key=lambda f: f.bucket_start):
        by_genre[forecast.genre].append(forecast)
    found: list[Change] = []
    for genre, its in by_genre.items():
        for side in ("above", "below"):
            past: list[bool] = [False]
            is_open = False
            for before, now in itertools.pairwise(its):
                quantiles = list(before.horizon[0].quantiles.values())
                count = now.observed_clicks
                past.append(count > quantiles[-1] if side == "above" else count < quantiles[0])
                recent, quiet = past[-settings.alert_raise_of :], settings.alert_clear_buckets
                if not is_open and past[-1] and sum(recent) >= settings.alert_raise_buckets:
                    is_open = True
                    found.append((now.bucket_start, genre, side, "raised"))
                elif is_open and not any(past[-quiet:]):
                    is_open = False
                    found.append((now.bucket_start, genre, side, "cleared"))
    return sorted(found)
