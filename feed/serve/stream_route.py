"""/v1/stream: who may subscribe, and from where on."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response

from contracts.events import normalise_genre
from feed.serve import metrics
from feed.serve.addresses import address_key
from feed.serve.forecast_routes import MOST_MS, Genres
from feed.serve.service import Service
from feed.serve.stream import ForecastStream, Reader

EventId = str | None


def stream_routes(service: Service) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter(prefix="/v1", tags=["forecasts"])

    @router.get(
        "/stream",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def stream(
        request: Request,
        genre: Genres = None,
        last_event_id: Annotated[EventId, Header(description="The last `bucket` received.")] = None,
        last_event_id_in_query: Annotated[EventId, Query(alias="last_event_id")] = None,
    ) -> Response:
        """Send forecasts as server-sent events: what is newest, or what came since, then live."""
        address = address_key(request.client.host if request.client else "")
        if service.subscribers_of[address] >= service.settings.serve_max_connections_per_address:
            metrics.REFUSED.labels("address").inc()
            raise HTTPException(429, "too many streams to your address")
        genres = None if not genre else frozenset(map(normalise_genre, genre))
        last = parse_event_id(last_event_id or last_event_id_in_query)
        return ForecastStream(service, Reader(service, genres, last), address)

    return router


def parse_event_id(event_id: str | None) -> int | None:
    """Return the bucket that an event id names, None for none.

    Raises:
        HTTPException: It is no id of ours.
    """
    if not event_id:
        return None
    is_number = event_id.isascii() and event_id.isdecimal() and len(event_id) <= len(str(MOST_MS))
    if not is_number or int(event_id) > MOST_MS:
        raise HTTPException(422, "Last-Event-ID must be a bucket's start, epoch ms")
    return int(event_id)
