"""Routes that decisions are taken from: /v1/alerts, /v1/inventory."""

from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Response

from contracts.alerts import GenreAlert, Kind, State
from contracts.events import normalise_genre
from feed.serve import answers
from feed.serve.alerts import answer_of
from feed.serve.forecast_routes import MOST_MS, Genre, Genres, known_genre
from feed.serve.inventory import SpanError, SpanGoneError, inventory
from feed.serve.replies import JsonReply
from feed.serve.service import Service

MOST_ALERTS: Final = 1_000
"""Alerts of a list that a request can ask for."""


def decision_routes(service: Service) -> APIRouter:
    """Return the routes of alerts and of spans."""
    router = APIRouter(prefix="/v1", tags=["decisions"])

    @router.get("/alerts", response_model=answers.Alerts)
    async def alerts(
        genre: Genres = None,
        kind: Kind | None = None,
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ALERTS)] = 100,
    ) -> Response:
        """Return the alerts that are open, and what was raised or cleared of late.

        `state` chooses among the latter.
        """
        names = None if not genre else frozenset(map(normalise_genre, genre))
        are_open, recent = service.alerts.all()
        if state is not None:
            recent = [alert for alert in recent if alert.state == state]

        def is_wanted(alert: GenreAlert) -> bool:
            return (names is None or alert.genre in names) and kind in (None, alert.kind)

        body = await service.answers.give(
            ("alerts", names, kind, state, limit),
            lambda: answer_of(are_open, recent, is_wanted, limit).model_dump_json().encode(),
        )
        return JsonReply(body)

    @router.get("/inventory", response_model=answers.Inventory)
    async def inventory_of(
        genre: Genre,
        start: Annotated[int, Query(alias="from", ge=0, le=MOST_MS, description="Epoch ms UTC.")],
        end: Annotated[int, Query(alias="to", ge=0, le=MOST_MS, description="Epoch ms UTC.")],
    ) -> Response:
        """Return a genre's clicks from one moment to another: counted, expected, with quantiles."""
        name, _ = known_genre(service, genre)
        kept = service.board.last(len(service.board))
        try:
            body = await service.answers.give(
                ("inventory", name, start, end),
                lambda: inventory(kept, name, start, end).model_dump_json().encode(),
            )
        except SpanGoneError as error:
            raise HTTPException(404, str(error)) from None
        except SpanError as error:
            raise HTTPException(422, str(error)) from None
        return JsonReply(body)

    return router
