"""Explanations on demand, by a process of its own: started when first asked, ended when idle.

It imports TensorFlow and opens the model, which this service must not. One request at a time;
whoever asks the same meanwhile gets the same answer.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from contracts.explain_requests import (
    REQUESTS_OPTION,
    ExplainReply,
    ExplainRequest,
    settings_line,
)
from feed.serve.computing import Answers, Question
from feed.serve.settings import ServeSettings

log = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "genrecast", "explain", REQUESTS_OPTION)
"""What explains. It ends by itself when its input does: it can't outlive this process."""

MOST_REPLY_BYTES: Final = 1_000_000
"""Longest reply that is read."""

MOST_WAITING: Final = 8
"""Forecasts that may wait for their turn, the one being explained among them; who asks for another
one is told to come back."""

END_SECONDS: Final = 5.0
"""How long the process may take to end once its input has, seconds."""


class ExplainRefusedError(Exception):
    """This forecast can't be explained; the message says why."""


class ExplainFailedError(Exception):
    """It can't be explained now."""


@dataclass(slots=True)
class ExplainingProcess:
    """The process; used by one thread at a time, ended by any.

    Attributes:
        settings: What it is told.
        command: How it is started.
    """

    settings: ServeSettings
    command: tuple[str, ...] = COMMAND
    _process: "subprocess.Popen[bytes] | None" = None
    _idle: threading.Timer | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.poll() is None

    def ask(self, request: ExplainRequest) -> bytes:
        """Return an explanation as JSON.

        Raises:
            ExplainRefusedError: The forecast can't be explained.
            ExplainFailedError: The process died, took too long, or Redis is away.
        """
        with self._lock:
            self._cancel_idle()
            line = self._exchange(request.model_dump_json().encode() + b"\n")
            try:
                reply = ExplainReply.model_validate_json(line)
            except ValidationError:
                self._end()
                raise ExplainFailedError("the explaining process ended; its log says why") from None
            self._idle = threading.Timer(self.settings.serve_explanation_idle_seconds, self.end)
            self._idle.daemon = True
            self._idle.start()
        if reply.explanation is not None:
            return reply.explanation.model_dump_json().encode()
        if reply.status == "refused":
            raise ExplainRefusedError(reply.detail)
        raise ExplainFailedError(reply.detail)

    def end(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._cancel_idle()
            self._end()

    def kill(self) -> None:
        """End it at once, in the middle of a request too."""
        process = self._process
        if process is not None:
            process.kill()

    def _exchange(self, line: bytes) -> bytes:
        """Send a line and return the reply's; empty when there is none."""
        process = self._started()
        limit = threading.Timer(self.settings.serve_explanation_seconds, process.kill)
        limit.daemon = True
        limit.start()
        try:
            if process.stdin is None or process.stdout is None:
                return b""
            process.stdin.write(line)
            process.stdin.flush()
            return process.stdout.readline(MOST_REPLY_BYTES)
        except OSError:
            return b""
        finally:
            limit.cancel()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            log.info("starting the process that explains")
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            if self._process.stdin is not None:
                self._process.stdin.write(settings_line(self.settings))
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    log.debug("its pipe was broken")
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


@dataclass(slots=True)
class Explanations:
    """Explanations of the newest bucket, each made once; the event loop's thread asks."""

    process: ExplainingProcess
    _answers: Answers = field(init=False)

    def __post_init__(self) -> None:
        pool = ThreadPoolExecutor(1, thread_name_prefix="explaining")
        self._answers = Answers(pool)

    async def give(self, question: Question, request: Callable[[], ExplainRequest]) -> bytes:
        """Return the explanation of a forecast; `request` is made where it is not there yet.

        Raises:
            ExplainRefusedError: The forecast can't be explained.
            ExplainFailedError: It can't be explained now, or too many wait.
        """
        # Not requests are counted but what they ask for: all who ask the same wait for one answer.
        if not self._answers.is_kept(question) and self._answers.under_way >= MOST_WAITING:
            raise ExplainFailedError("too many explanations are asked for at once")
        return await self._answers.give(question, lambda: self.process.ask(request()))

    def forget(self) -> None:
        """Another bucket has come."""
        self._answers.forget()

    def close(self) -> None:
        """Make no more; ends the process, which waits for nothing."""
        self._answers.close()
        self.process.kill()
