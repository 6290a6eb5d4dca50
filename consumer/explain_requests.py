"""Explaining on request: a line in, a line out, until the asker closes the pipe."""

from collections.abc import Callable, Iterable
from typing import BinaryIO

import orjson
from pydantic import ValidationError

from consumer.explaining import ExplainError
from contracts.explain_requests import ExplainReply, ExplainRequest
from contracts.explanations import Explanation
from contracts.forecasts import GenreForecast
from contracts.settings import Settings
from state.store import StoreError

Explain = Callable[[GenreForecast, int | None], Explanation]


def read_settings(line: bytes) -> Settings:
    """Return the settings of the first line.

    Raises:
        ValueError: It is none.
    """
    return Settings(**orjson.loads(line))


def answer_requests(lines: Iterable[bytes], out: BinaryIO, explain: Explain) -> None:
    """Answer each line, in order."""
    for line in lines:
        out.write(answer(line, explain).model_dump_json().encode() + b"\n")
        out.flush()


def answer(line: bytes, explain: Explain) -> ExplainReply:
    """Answer one request; whatever is wrong with it is told, and the next one can come."""
    try:
        request = ExplainRequest.model_validate_json(line)
        return ExplainReply(status="done", explanation=explain(request.forecast, request.step))
    except (ExplainError, ValidationError) as error:
        return ExplainReply(status="refused", detail=str(error))
    except StoreError as error:
        return ExplainReply(status="failed", detail=str(error))
