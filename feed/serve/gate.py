"""What every request passes: path length, rate, token; and what every answer carries."""

import re
import time
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feed.serve import metrics
from feed.serve.addresses import address_key
from feed.serve.auth import may_read
from feed.serve.limits import RequestRate

MOST_TARGET_BYTES: Final = 8 * 1024
"""Longest path with its query, bytes: a hundred genres fit."""

SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer. Nothing from elsewhere is loaded, run or framed."""


class Gate:
    """Refuses what may not pass, counts and measures the rest."""

    def __init__(
        self, app: ASGIApp, *, rate: RequestRate, token: str | None, routes: Collection[str]
    ) -> None:
        self._app = app
        self._rate = rate
        self._token = token
        self._routes = frozenset(routes)
        self._patterns = {route: _pattern_of(route) for route in routes if "{" in route}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        route = self._route_of(scope["path"])
        is_stream = False

        async def send_on(message: Message) -> None:
            nonlocal is_stream
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                is_stream = headers.get("content-type", "").startswith("text/event-stream")
                metrics.REQUESTS.labels(route, message["status"]).inc()
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_on)
        if not is_stream:
            metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)

    def _route_of(self, path: str) -> str:
        """Return the route that is counted: few, whatever is asked for."""
        if path in self._routes:
            return path
        for route, pattern in self._patterns.items():
            if pattern.fullmatch(path):
                return route
        return "/assets" if path.startswith("/assets/") else "other"

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_TARGET_BYTES:
            return _refuse("path", 414, "path and query are too long")
        client = scope.get("client")
        wait = self._rate.wait_seconds(address_key(client[0] if client else ""))
        if wait:
            after = {"retry-after": str(int(wait) + 1)}
            return _refuse("rate", 429, "too many requests from your address", after)
        given = Headers(scope=scope).get("authorization") or ""
        if may_read(self._token, scope["path"], given.encode("latin-1")):
            return None
        ask = {"www-authenticate": 'Bearer realm="genrecast"'}
        return _refuse("token", 401, "send the header Authorization: Bearer TOKEN", ask)


def _pattern_of(route: str) -> re.Pattern[str]:
    """Return what paths of a route look like, such as /v1/users/{user_id}/recommendations."""
    return re.compile(re.sub(r"\\{\w+\\}", ".*", re.escape(route)))


def _refuse(why: str, status: int, detail: str, headers: dict[str, str] | None = None) -> ASGIApp:
    metrics.REFUSED.labels(why).inc()
    return JSONResponse({"detail": detail}, status, headers)
