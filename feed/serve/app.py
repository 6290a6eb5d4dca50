"""The HTTP application: routes, the dashboard's files, and the gate before them."""

import time
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from feed.serve import answers
from feed.serve.auth import token_of
from feed.serve.forecast_routes import forecast_routes
from feed.serve.gate import Gate
from feed.serve.limits import RequestRate
from feed.serve.recommendation_routes import recommendation_routes
from feed.serve.service import VERSION, Service
from feed.serve.service_routes import service_routes
from feed.serve.stream_route import stream_routes

DASHBOARD: Final = Path(__file__).parents[1] / "dashboard"
"""The page's files."""

PAGE_PATH: Final = "/"
"""Where the page is."""

PAGE_CACHING: Final = "no-cache"
"""Browsers keep the files and ask whether they are still the same: their names do not change."""

REFUSALS: Final = {
    401: "The token is missing or wrong.",
    404: "The genre, or the time, is not kept.",
    422: "A parameter is wrong.",
    429: "Too many requests or streams to one address.",
}
"""Answers with `detail` beside the wanted ones."""


def make_app(service: Service) -> ASGIApp:
    """Return the application that answers from a service's state, behind its gate.

    Raises:
        ConfigurationError: The token's file can't be read.
    """
    settings = service.settings
    token = token_of(settings)
    api = make_api(service)
    if (DASHBOARD / "index.html").is_file():
        _add_dashboard(api)
    routes = [PAGE_PATH, *api.openapi()["paths"]]
    rate = RequestRate(settings.serve_requests_per_second, time.monotonic)
    gated: ASGIApp = Gate(api, rate=rate, token=token, routes=routes)
    if settings.serve_allowed_origins:
        gated = CORSMiddleware(
            gated,
            allow_origins=settings.serve_allowed_origins,
            allow_methods=["GET"],
            allow_headers=["Authorization", "Last-Event-ID"],
        )
    return gated


def make_api(service: Service) -> FastAPI:
    """Return the routes and their OpenAPI document."""
    api = FastAPI(
        title="genrecast",
        version=VERSION,
        summary="Live demand forecasts per genre. Times are epoch ms UTC.",
        docs_url=None,
        redoc_url=None,
        responses={
            code: {"model": answers.Problem, "description": text} for code, text in REFUSALS.items()
        },
    )
    api.include_router(forecast_routes(service))
    api.include_router(recommendation_routes(service))
    api.include_router(stream_routes(service))
    api.include_router(service_routes(service))
    api.add_exception_handler(RequestValidationError, _explain)
    return api


async def _explain(_request: Request, error: Exception) -> Response:
    """Answer a wrong parameter with one sentence."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    told = [f"{'.'.join(map(str, e['loc'][1:])) or 'request'}: {e['msg']}" for e in found[:5]]
    return JSONResponse({"detail": "; ".join(told)}, 422)


class _PageFiles(StaticFiles):
    """The page's files, with what browsers may keep."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = PAGE_CACHING
        return response


def _add_dashboard(api: FastAPI) -> None:
    @api.get(PAGE_PATH, include_in_schema=False)
    async def page() -> Response:
        return FileResponse(DASHBOARD / "index.html", headers={"cache-control": PAGE_CACHING})

    api.mount("/assets", _PageFiles(directory=DASHBOARD), name="assets")
