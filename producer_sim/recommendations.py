"""Recommendations asked from the HTTP service: some at once, none waited for."""

import http.client
import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click
from pydantic import ValidationError

from contracts.recommendations import Recommendations

AT_ONCE: Final = 8
"""Most requests under way: a user more asks when one is answered."""

MOST_WAITING: Final = 256
"""Most users who wait for an answer; a further one is shown nothing."""

TIMEOUT_SECONDS: Final = 5.0
"""How long one answer may take, seconds: nobody looks at an empty page for longer."""

MOST_BYTES: Final = 1_000_000
"""Longest answer that is read, bytes."""


class ServiceAddressType(click.ParamType):  # type: ignore[type-arg]  # generic in newer click only
    """`http://HOST:PORT`, a path before `/v1` allowed."""

    name = "URL"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:  # noqa: ANN401 (click's own)
        """Check an address."""
        text = str(value)
        try:
            parts = urlsplit(text)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
            is_address = is_address and parts.port != 0 and not (parts.query or parts.username)
        except ValueError:
            is_address = False
        if not is_address or not text.isascii() or not text.isprintable() or " " in text:
            self.fail(f"{text!r} is not like http://localhost:8080", param, ctx)
        return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a user's asking; no `recommendations` is a failure."""

    user: int
    recommendations: Recommendations | None


@dataclass(slots=True)
class Asking:
    """What was asked and answered; read while it goes on."""

    asked: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)


class RecommendationClient:
    """Asks on threads of its own; the caller collects answers when it likes.

    Args:
        address: Of the service, `http://host:port`.
        token: Its bearer token, if it asks for one.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self._parts = urlsplit(address)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="recommendations")
        self._own = threading.local()
        self._done: deque[tuple[int, Future[Recommendations]]] = deque()
        self._waiting = 0
        self.asking = Asking()

    def ask(self, user: int, user_id: str) -> None:
        """Ask for a user, unless too many wait already."""
        self.asking.asked += 1
        if self._waiting >= MOST_WAITING:
            self.asking.failed["too many at once"] += 1
            return
        self._waiting += 1
        future = self._threads.submit(self._fetch, user_id)
        future.add_done_callback(lambda done: self._done.append((user, done)))

    def collect(self) -> list[Answer]:
        """Return what was answered since the last time; never waits, never raises."""
        answers = []
        while self._done:
            user, future = self._done.popleft()
            self._waiting -= 1
            answers.append(Answer(user, self._result(future)))
        return answers

    def close(self) -> None:
        """Ask no more; answers under way are dropped."""
        self._threads.shutdown(cancel_futures=True)

    def _result(self, future: Future[Recommendations]) -> Recommendations | None:
        try:
            found = future.result()
        except (OSError, http.client.HTTPException) as error:
            self.asking.failed[type(error).__name__] += 1
        except ValidationError:
            self.asking.failed["no recommendations"] += 1
        except RefusedError as error:
            self.asking.failed[str(error)] += 1
        else:
            self.asking.answered += 1
            return found
        return None

    def _fetch(self, user_id: str) -> Recommendations:
        path = f"{self._parts.path}/v1/users/{quote(user_id, safe='')}/recommendations"
        had_one = getattr(self._own, "connection", None) is not None
        try:
            status, body = self._get(path)
        except (OSError, http.client.HTTPException):
            if not had_one:
                raise
            status, body = self._get(path)  # the service may let go of a connection between two
        if status != http.HTTPStatus.OK:
            raise RefusedError(f"status {status}")
        if len(body) > MOST_BYTES:
            raise RefusedError("too long")
        return Recommendations.model_validate_json(body)

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = getattr(self._own, "connection", None) or self._connect()
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            body = answer.read(MOST_BYTES + 1)
        except BaseException:
            self._own.connection = None
            with suppress(OSError):
                connection.close()
            raise
        if len(body) > MOST_BYTES:  # the rest of it would be the next answer
            self._own.connection = None
            connection.close()
        return answer.status, body

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        is_https = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
        self._own.connection = connection = kind(host, port, timeout=TIMEOUT_SECONDS)
        return connection


class RefusedError(Exception):
    """The service answered, but with no recommendations; the message is one of a few."""
