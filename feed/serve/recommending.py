"""One user's recommendations from what the service knows: outlook, taste, shows."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np

from contracts.recommendations import Recommendations, RecommendedGenre, RecommendedShow
from feed.recommend.exploring import Placed, place
from feed.recommend.outlook import Outlook, outlook_of
from feed.recommend.shows import ShowRate
from feed.serve import metrics
from feed.serve.kept import KeptBucket
from feed.serve.service import Service
from feed.serve.tastes import TastesAwayError

MOST_GENRES: Final = 50
"""Genres that a request can ask for."""

MOST_SHOWS: Final = 20
"""Shows per genre that a request can ask for, and that are kept ready."""

TASTES_AWAY: Final = "tastes can't be read now: ranked as for somebody of no known taste"
"""What a user is told; the cause is for the log."""


@dataclass(slots=True)
class Recommender:
    """Answers from a service's state; touched by the event loop's thread alone."""

    service: Service
    _outlook: "asyncio.Task[Outlook] | None" = None
    _outlook_of: KeptBucket | None = None
    _nobody: Mapping[str, float] = field(default_factory=dict)

    async def recommend(
        self, bucket: KeptBucket, user_id: str, limit: int, shows: int
    ) -> Recommendations:
        """Return what to show a user now, and note it for the log."""
        outlook = await self._outlook_after(bucket)
        affinities, problem = await self._affinities(user_id, bucket)
        places = place(
            outlook,
            affinities,
            limit,
            seed=f"{user_id} {bucket.start_ms}",
            ratio=self.service.settings.serve_explore_ratio,
        )
        made = Recommendations(
            recommendation_id=uuid.uuid4().hex,
            user_id=user_id,
            source="taste" if affinities else "trending",
            problem=problem,
            bucket_start=bucket.start_ms,
            model_version=bucket.model_version,
            genres=[self._told(one, shows) for one in places],
            emitted_at=self.service.wall_clock_ms(),
        )
        metrics.RECOMMENDATIONS.labels("degraded" if problem else made.source).inc()
        self.service.note_recommendations(made)
        return made

    async def _affinities(
        self, user_id: str, bucket: KeptBucket
    ) -> tuple[Mapping[str, float], str | None]:
        tastes = self.service.tastes
        if tastes is None:
            return self._nobody, None
        try:
            # Event time, not the clock: in a replay tastes are as old as the buckets.
            taste = await tastes.read(user_id, bucket.start_ms + bucket.bucket_ms)
        except TastesAwayError:
            return self._nobody, TASTES_AWAY
        return (taste.affinities if taste else self._nobody), None

    async def _outlook_after(self, bucket: KeptBucket) -> Outlook:
        """Return the outlook, computed once per bucket, on a thread."""
        if self._outlook is None or self._outlook_of is not bucket:
            kept = self.service.board.last(len(self.service.board))
            self._outlook_of = bucket
            self._outlook = asyncio.create_task(asyncio.to_thread(outlook_after, kept))
        # One who leaves must not take the outlook from the others.
        return await asyncio.shield(self._outlook)

    def _told(self, placed: Placed, shows: int) -> RecommendedGenre:
        one = placed.ranked
        rates: Sequence[ShowRate] = self.service.shows.get(one.genre, ())
        return RecommendedGenre(
            genre=one.genre,
            score=round(one.score, 6),
            affinity=round(one.affinity, 4),
            lift=round(one.lift, 4),
            why=one.why,
            propensity=placed.propensity,
            shows=[
                RecommendedShow(show_id=show, clicks_per_hour=round(clicks, 2))
                for show, clicks in rates[:shows]
            ],
        )


def outlook_after(kept: Sequence[KeptBucket]) -> Outlook:
    """Return the outlook after the newest of some buckets, one at least, oldest first.

    The usual level is the mean over all of them, the expected one the mean over the horizon.
    """
    newest = kept[-1]
    genres = newest.genres
    # The last place is for genres that the newest bucket does not have.
    clicks = np.zeros(len(genres.names) + 1)
    for _, buckets in groupby(kept, key=lambda bucket: id(bucket.genres)):
        alike = list(buckets)
        rows = [genres.row.get(name, -1) for name in alike[0].genres.names]
        total = np.zeros(len(rows), np.int64)
        for bucket in alike:
            total += bucket.observed
        np.add.at(clicks, rows, total)
    expected = np.full(len(genres.names), np.nan)
    if newest.values.shape[1]:
        steps = newest.values[:, :, 0].astype(np.float64)
        counted = np.isfinite(steps).sum(axis=1)
        has = counted > 0
        expected[has] = np.nansum(steps[has], axis=1) / counted[has]
    return outlook_of(genres.names, clicks[:-1] / len(kept), expected)
