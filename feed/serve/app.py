"""The HTTP service's routes."""

from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from contracts.events import normalise_genre
from feed.serve import answers, metrics, views
from feed.serve.kept import KeptBucket
from feed.serve.service import VERSION, Service
from feed.serve.stream import ForecastStream, Reader

DASHBOARD: Final = Path(__file__).parents[1] / "dashboard"
"""The page's files."""

MOST_MS: Final = 253_402_300_799_999
"""The last moment that can be asked for, epoch ms: the end of the year 9999."""

Genre = Annotated[str, Query(min_length=1, max_length=64, description="In any spelling.")]
Genres = Annotated[
    list[Genre] | None, Query(max_length=100, description="Only these; all when none is named.")
]
Moment = Annotated[int | None, Query(ge=0, le=MOST_MS, description="Epoch ms UTC.")]
Count = Annotated[int, Query(ge=1, le=2_016)]

JSON: Final = "application/json"


def make_app(service: Service) -> FastAPI:
    """Return the application that answers from a service's state."""
    app = FastAPI(
        title="genrecast",
        version=VERSION,
        summary="Live demand forecasts per genre.",
        docs_url=None,
        redoc_url=None,
        responses={code: {"model": answers.Problem} for code in (401, 404, 422, 429)},
    )
    app.include_router(_forecast_routes(service))
    app.include_router(_pipeline_routes(service))
    return app


def _forecast_routes(service: Service) -> APIRouter:
    router, board = APIRouter(prefix="/v1", tags=["forecasts"]), service.board

    @router.get("/forecasts", response_model=answers.Forecasts)
    async def forecasts(genre: Genres = None, at: Moment = None) -> Response:
        """Return the newest bucket's forecasts, or those of the bucket that contains `at`."""
        bucket = board.newest if at is None else board.at(at)
        if bucket is None and at is not None:
            raise HTTPException(404, "no bucket that contains `at` is kept")
        if bucket is None:
            if genre:
                raise HTTPException(404, f"genre {genre[0]!r} is not known")
            seconds = service.settings.bucket_seconds
            return _json(answers.Forecasts(bucket_start=None, bucket_seconds=seconds, forecasts=[]))
        messages = service.board.events(bucket).messages()
        if genre:
            messages = [messages[_row(bucket, one)] for one in genre]
        head = f'{{"bucket_start":{bucket.start_ms},"bucket_seconds":{bucket.bucket_seconds},'
        body = head.encode() + b'"forecasts":[' + b",".join(messages) + b"]}"
        return Response(body, media_type=JSON)

    @router.get("/history", response_model=answers.History)
    async def history(
        genre: Genre, buckets: Count = 120, ahead: Annotated[int, Query(ge=1, le=1_000)] = 1
    ) -> Response:
        """Return a genre's last buckets, each with what had been forecast for it."""
        known = _known(service, genre)
        return _json(views.history(board, known, buckets=buckets, ahead=ahead))

    @router.get("/overview", response_model=answers.Overview)
    async def overview(points: Count = 48) -> Response:
        """Return all genres at a glance."""
        if board.newest is None:
            seconds = service.settings.bucket_seconds
            return _json(answers.Overview(bucket_start=None, bucket_seconds=seconds, genres=[]))
        return _json(views.overview(board, board.newest, points=points))

    @router.get("/trending", response_model=answers.Trending)
    async def trending(limit: Annotated[int, Query(ge=1, le=1_000)] = 10) -> Response:
        """Return the genres that are expected to grow most."""
        if board.newest is None:
            return _json(answers.Trending(bucket_start=None, genres=[]))
        return _json(views.trending(board, board.newest, limit=limit))

    @router.get("/record", response_model=answers.Record)
    async def record(genre: Genre) -> Response:
        """Return how a genre's forecasts compare with what came."""
        return _json(views.record(board, _known(service, genre)))

    @router.get(
        "/stream",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def stream(
        genre: Genres = None,
        last_event_id: Annotated[str | None, Header(max_length=20)] = None,
        last_event_id_query: Annotated[
            str | None, Query(alias="last_event_id", max_length=20)
        ] = None,
    ) -> Response:
        """Send forecasts as they are published."""
        genres = None if not genre else frozenset(map(normalise_genre, genre))
        last = _last_bucket(last_event_id or last_event_id_query)
        return ForecastStream(service, Reader(service, genres, last))

    return router


def _pipeline_routes(service: Service) -> APIRouter:
    router = APIRouter(tags=["service"])

    @router.get("/v1/pipeline", response_model=answers.Pipeline)
    async def pipeline() -> Response:
        """Return where the deployment stands, as sampled in the background."""
        return _json(service.pipeline())

    @router.get("/healthz", response_model=answers.Readiness)
    async def healthz() -> Response:
        """Return 200 while the process lives."""
        return _json(_readiness(service))

    @router.get(
        "/readyz",
        response_model=answers.Readiness,
        responses={503: {"model": answers.Readiness}},
    )
    async def readyz() -> Response:
        """Return 200 when it has forecasts and Kafka answers, else 503 and why."""
        readiness = _readiness(service)
        return _json(readiness, 200 if readiness.ready else 503)

    @router.get("/metrics", response_class=Response)
    async def metrics_text() -> Response:
        """Return the service's metrics as Prometheus reads them."""
        service.refresh()
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router


def _json(answer: Any, status: int = 200) -> Response:  # noqa: ANN401 (a model)
    return Response(answer.model_dump_json(), status, media_type=JSON)


def _readiness(service: Service) -> answers.Readiness:
    reasons = {part: why for part, why in service.problems.items() if part == "kafka"}
    if not reasons and service.board.newest is None:
        reasons["forecasts"] = "no bucket has been published yet"
    return answers.Readiness(ready=not reasons, reasons=reasons)


def _row(bucket: KeptBucket, genre: str) -> int:
    row = bucket.genres.row.get(normalise_genre(genre))
    if row is None:
        raise HTTPException(404, f"genre {genre!r} is not known in that bucket")
    return row


def _known(service: Service, genre: str) -> str:
    name = normalise_genre(genre)
    newest = service.board.newest
    if newest is None or name not in newest.genres.row:
        raise HTTPException(404, f"genre {genre!r} is not known")
    return name


def _last_bucket(event_id: str | None) -> int | None:
    """Return the bucket that an event id names."""
    if not event_id:
        return None
    if not event_id.isascii() or not event_id.isdecimal() or int(event_id) > MOST_MS:
        raise HTTPException(422, "Last-Event-ID must be a bucket's start, epoch ms")
    return int(event_id)
