"""Answers in blocks: a reader who takes none of it holds one block up, not a copy of all."""

from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from feed.serve.events import BLOCK_BYTES

JSON: Final = "application/json"


class JsonReply(Response):
    """JSON that is bytes already."""

    media_type = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: see `starlette.responses.Response`."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for at in range(0, len(self.body), BLOCK_BYTES):
            block = bytes(self.body[at : at + BLOCK_BYTES])
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
