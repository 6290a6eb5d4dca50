"""Routes of the service itself: /v1/pipeline, /healthz, /readyz, /metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from feed.serve import answers, metrics
from feed.serve.replies import JsonReply
from feed.serve.service import Service


def service_routes(service: Service) -> APIRouter:
    """Return the routes that tell where things stand."""
    router = APIRouter(tags=["service"])

    @router.get("/v1/pipeline", response_model=answers.Pipeline)
    async def pipeline() -> Response:
        """Return where the deployment stands, as sampled in the background."""
        return JsonReply(service.pipeline().model_dump_json())

    @router.get("/healthz", response_model=answers.Readiness)
    async def healthz() -> Response:
        """Return 200 while the process lives."""
        return JsonReply(_readiness(service).model_dump_json())

    @router.get(
        "/readyz", response_model=answers.Readiness, responses={503: {"model": answers.Readiness}}
    )
    async def readyz() -> Response:
        """Return 200 when there are forecasts and Kafka answers, else 503 and why."""
        readiness = _readiness(service)
        return JsonReply(readiness.model_dump_json(), 200 if readiness.ready else 503)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics_text() -> Response:
        """Return the service's metrics as Prometheus reads them."""
        service.refresh()
        content_type = {"content-type": CONTENT_TYPE_LATEST}
        return Response(generate_latest(metrics.REGISTRY), headers=content_type)

    return router


def _readiness(service: Service) -> answers.Readiness:
    reasons = {part: why for part, why in service.problems.items() if part == "kafka"}
    if not reasons and service.board.newest is None:
        reasons["forecasts"] = "no bucket has been published yet"
    return answers.Readiness(ready=not reasons, reasons=reasons)
