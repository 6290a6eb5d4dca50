"""The route of recommendations: /v1/users/{user_id}/recommendations."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response

from contracts.events import Identifier
from contracts.recommendations import Recommendations
from feed.serve.answers import Problem
from feed.serve.recommending import MOST_GENRES, MOST_SHOWS, Recommender
from feed.serve.replies import JsonReply
from feed.serve.service import Service

User = Annotated[Identifier, Path(description="The user, as in the click events.")]


def recommendation_routes(service: Service) -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/v1", tags=["recommendations"])
    recommender = Recommender(service)

    # `:path`: a user's id may hold slashes.
    @router.get(
        "/users/{user_id:path}/recommendations",
        response_model=Recommendations,
        responses={503: {"model": Problem, "description": "No bucket has been published yet."}},
    )
    async def recommendations(
        user_id: User,
        limit: Annotated[int, Query(ge=1, le=MOST_GENRES, description="Most genres.")] = 5,
        shows: Annotated[int, Query(ge=0, le=MOST_SHOWS, description="Most shows per genre.")] = 3,
    ) -> Response:
        """Return genres for a user by taste and forecast, and the shows of each."""
        bucket = service.board.newest
        if bucket is None:
            raise HTTPException(503, "no bucket has been published yet")
        made = await recommender.recommend(bucket, user_id, limit, shows)
        return JsonReply(made.model_dump_json())

    return router
