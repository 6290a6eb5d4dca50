"""The holdout: users who are shown no recommendations, so that there is somebody to compare with.

A function of the user and a seed alone: whoever knows both, the page that asks for recommendations
and the report that compares, tells the groups apart alike, and nothing has to be stored.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

_DRAW_BYTES: Final = 8
"""Bytes of the digest that make the draw: as fine as a share is told."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Who is held out.

    Attributes:
        ratio: Share of the users, 0 to 1.
        seed: Another seed holds out others.
    """

    ratio: float
    seed: int = 0

    def has(self, user_id: str) -> bool:
        """Say whether a user is shown nothing.

        >>> [Holdout(ratio).has("u1") for ratio in (0.0, 1.0)]
        [False, True]
        """
        digest = hashlib.sha256(f"{self.seed}:{user_id}".encode()).digest()
        draw = int.from_bytes(digest[:_DRAW_BYTES]) / 256**_DRAW_BYTES
        return draw < self.ratio
