"""The route /v1/explanation."""

from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Response

from contracts.explain_requests import ExplainRequest
from contracts.explanations import Explanation
from contracts.forecasts import GenreForecast
from feed.serve import answers
from feed.serve.explaining import ExplainFailedError, ExplainRefusedError
from feed.serve.forecast_routes import Genre, known_genre
from feed.serve.replies import JsonReply
from feed.serve.service import Service

MOST_STEPS: Final = 1_000
"""The furthest step that can be asked for: the longest horizon."""

RETRY_SECONDS: Final = 5
"""When to come back, seconds."""


def explanation_routes(service: Service) -> APIRouter:
    """Return the route that answers from the explaining process."""
    router = APIRouter(prefix="/v1", tags=["forecasts"])

    @router.get(
        "/explanation",
        response_model=Explanation,
        responses={
            409: {"model": answers.Problem, "description": "The forecast can't be explained."},
            503: {"model": answers.Problem, "description": "Not now, or too many are asked for."},
        },
    )
    async def explanation(
        genre: Genre, step: Annotated[int | None, Query(ge=1, le=MOST_STEPS)] = None
    ) -> Response:
        """Return what moved a genre's newest forecast: the mean of all steps, or one step's."""
        explanations = service.explanations
        if explanations is None:
            raise HTTPException(404, "explanations are off: set GENRECAST_SERVE_EXPLANATIONS")
        name, bucket = known_genre(service, genre)

        def request() -> ExplainRequest:
            message = bucket.messages()[bucket.genres.row[name]]
            return ExplainRequest(forecast=GenreForecast.model_validate_json(message), step=step)

        try:
            return JsonReply(await explanations.give((bucket.start_ms, name, step), request))
        except ExplainRefusedError as error:
            raise HTTPException(409, str(error)) from None
        except ExplainFailedError as error:
            raise HTTPException(503, str(error), {"retry-after": str(RETRY_SECONDS)}) from None

    return router
