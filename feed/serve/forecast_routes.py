"""Routes of forecasts: /v1/forecasts, /v1/history, /v1/overview, /v1/trending, /v1/record."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel

from contracts.events import MAX_TEXT_LENGTH, normalise_genre
from feed.serve import answers, views
from feed.serve.kept import KeptBucket
from feed.serve.replies import JsonReply
from feed.serve.service import Service

MOST_MS: Final = 253_402_300_799_999
"""The last moment that can be asked for, epoch ms: the end of the year 9999."""

MOST_GENRES: Final = 100
"""Genres that a request can name; who wants more reads all."""

MOST_BUCKETS: Final = 10_000
"""Buckets that a request can ask for; it gets those that are kept."""

Genre = Annotated[
    str, Query(min_length=1, max_length=MAX_TEXT_LENGTH, description="In any spelling.")
]
Genres = Annotated[
    list[Annotated[str, Query(min_length=1, max_length=MAX_TEXT_LENGTH)]] | None,
    Query(max_length=MOST_GENRES, description="Only these, in any spelling; repeatable."),
]
Moment = Annotated[int | None, Query(ge=0, le=MOST_MS, description="Epoch ms UTC.")]
Count = Annotated[int, Query(ge=1, le=MOST_BUCKETS)]


def forecast_routes(service: Service) -> APIRouter:
    """Return the routes that answer from the board."""
    router = APIRouter(prefix="/v1", tags=["forecasts"])
    seconds = service.settings.bucket_seconds

    @router.get("/forecasts", response_model=answers.Forecasts)
    async def forecasts(genre: Genres = None, at: Moment = None) -> Response:
        """Return the newest bucket's forecasts, or those of the bucket that contains `at`."""
        bucket = _bucket_at(service, at)
        if bucket is None and not genre:
            return _reply(
                answers.Forecasts(bucket_start=None, bucket_seconds=seconds, forecasts=[])
            )
        rows = _rows(bucket, genre)
        if bucket is None:
            raise HTTPException(404, "no bucket has been published yet")
        return JsonReply(_forecasts_body(service, bucket, rows))

    @router.get("/history", response_model=answers.History)
    async def history(
        genre: Genre, buckets: Count = 120, ahead: Annotated[int, Query(ge=1, le=1_000)] = 1
    ) -> Response:
        """Return a genre's last buckets, each with what had been forecast for it."""
        name, _ = known_genre(service, genre)
        return await _answer(
            service, ("history", name, buckets, ahead),
            lambda kept: views.history(kept, name, buckets=buckets, ahead=ahead),
        )  # fmt: skip

    @router.get("/overview", response_model=answers.Overview)
    async def overview(points: Count = 48) -> Response:
        """Return all genres at a glance, the busiest of late first."""
        if service.board.newest is None:
            return _reply(answers.Overview(bucket_start=None, bucket_seconds=seconds, genres=[]))
        return await _answer(service, ("overview", points), partial(views.overview, points=points))

    @router.get("/trending", response_model=answers.Trending)
    async def trending(limit: Annotated[int, Query(ge=1, le=1_000)] = 10) -> Response:
        """Return the genres that are expected to grow most."""
        if service.board.newest is None:
            return _reply(answers.Trending(bucket_start=None, genres=[]))
        return await _answer(service, ("trending", limit), partial(views.trending, limit=limit))

    @router.get("/record", response_model=answers.Record)
    async def record(genre: Genre) -> Response:
        """Return how a genre's forecasts compare with what came, of the buckets kept."""
        name, _ = known_genre(service, genre)
        return await _answer(service, ("record", name), lambda kept: views.record(kept, name))

    return router


async def _answer(
    service: Service,
    question: tuple[str | int, ...],
    view: Callable[[list[KeptBucket]], BaseModel],
) -> Response:
    """Answer from the buckets that are kept now, on a thread."""
    kept = service.board.last(len(service.board))
    body = await service.answers.give(question, lambda: view(kept).model_dump_json().encode())
    return JsonReply(body)


def _reply(answer: BaseModel) -> Response:
    return JsonReply(answer.model_dump_json())


def _bucket_at(service: Service, at: int | None) -> KeptBucket | None:
    if at is None:
        return service.board.newest
    bucket = service.board.at(at)
    if bucket is None:
        raise HTTPException(404, "no bucket that contains `at` is kept")
    return bucket


def _rows(bucket: KeptBucket | None, genres: list[str] | None) -> list[int] | None:
    """Return the rows of some genres, each once; None for all."""
    if not genres:
        return None
    row = bucket.genres.row if bucket else {}
    for genre in genres:
        if normalise_genre(genre) not in row:
            raise HTTPException(404, f"genre {genre!r} is not known in that bucket")
    return sorted({row[normalise_genre(genre)] for genre in genres})


def _forecasts_body(service: Service, bucket: KeptBucket, rows: list[int] | None) -> bytes:
    messages = service.board.events(bucket).messages()
    chosen = messages if rows is None else [messages[row] for row in rows]
    head = f'{{"bucket_start":{bucket.start_ms},"bucket_seconds":{bucket.bucket_seconds},'
    return head.encode() + b'"forecasts":[' + b",".join(chosen) + b"]}"


def known_genre(service: Service, genre: str) -> tuple[str, KeptBucket]:
    """Return a genre's name as it is kept, and the newest bucket, which has it; else answer 404."""
    name, newest = normalise_genre(genre), service.board.newest
    if newest is None or name not in newest.genres.row:
        raise HTTPException(404, f"genre {genre!r} is not known")
    return name, newest
