"""Tastes as they are read: what a user's clicks say of each genre, as of a moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

from state.redis_client import RedisClient, Script
from state.redis_tastes import unpack_user
from state.scripted import NEVER_KEY, key_prefix

_KEYS: Final = ("tastes", "taste_offsets", "taste_genres", NEVER_KEY)


@dataclass(frozen=True, slots=True)
class Taste:
    """What is known of a user.

    Attributes:
        user_id: Who.
        updated_ms: The latest click, epoch ms.
        affinities: By genre, decayed to the moment asked for, descending; empty where unknown.
    """

    user_id: str
    updated_ms: int
    affinities: dict[str, float]


class TasteReader:
    """Reads tastes of one deployment, a call each; safe to use from several threads."""

    def __init__(self, redis_client: RedisClient, app: str) -> None:
        self._client = redis_client
        self._keys = [key_prefix(app) + name for name in _KEYS]
        text = (resources.files("state") / "scripts" / "taste_look.lua").read_text(encoding="utf-8")
        self._script = Script.of(text)

    def read(self, user_id: str, at_ms: int) -> Taste | None:
        """Return a user's taste as of `at_ms`, epoch ms; None when nobody is known by that id.

        A moment before the user's latest click counts as that click: nothing grows back.

        Raises:
            StoreUnavailableError, StoreRefusedError: Redis is not there, or refuses us.
        """
        half_life_ms, held = unpack_user(self._client.run(self._script, self._keys, [user_id]))
        return taste_of(user_id, at_ms, half_life_ms, held)


def taste_of(
    user_id: str,
    at_ms: int,
    half_life_ms: int,
    held: Iterable[tuple[int, Mapping[str, float]]],
) -> Taste | None:
    """Sum what each strand holds of a user, decayed to a moment.

    Args:
        user_id: Who.
        at_ms: The moment, epoch ms.
        half_life_ms: After so long an affinity is half of what it was.
        held: Per strand the latest click, epoch ms, and affinities as of then.
    """
    known = list(held)
    if not known:
        return None
    updated_ms = max(latest_ms for latest_ms, _ in known)
    sums: defaultdict[str, float] = defaultdict(float)
    for latest_ms, affinities in known:
        factor = 2.0 ** (-(max(at_ms, updated_ms) - latest_ms) / half_life_ms)
        for genre, affinity in affinities.items():
            sums[genre] += affinity * factor
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return Taste(user_id, updated_ms, dict(ranked))
