"""The click event as a pydantic user would write it, for peers without validation of their own."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Text = Annotated[str, Field(min_length=1, max_length=64)]


class Click(BaseModel):
    """A click."""

    event_id: Text
    event_time: int
    user_id: Text
    show_id: Text
    genres: Annotated[list[Text], Field(min_length=1, max_length=8)]
    action: Literal["click", "play", "like", "share"] = "click"
    watch_seconds: Annotated[float, Field(ge=0)] | None = None
    age: Annotated[int, Field(ge=0, le=120)] | None = None
    gender: Literal["f", "m", "x"] | None = None
