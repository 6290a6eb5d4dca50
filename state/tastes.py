"""User tastes: how much of each genre a user has clicked of late."""

from dataclasses import dataclass
from typing import Final

from state.redis_client import RedisClient, Script

_READ: Final = Script.of("return redis.call('HGETALL', KEYS[1])")


@dataclass(frozen=True, slots=True)
class Taste:
    """A user's taste.

    Attributes:
        user_id: Whose.
        updated_ms: When it last changed, epoch ms of event time.
        affinities: Genre to affinity, clicks decayed to the moment asked for, falling.
    """

    user_id: str
    updated_ms: int
    affinities: dict[str, float]


class TasteReader:
    """Reads tastes from Redis; safe to use from several threads."""

    def __init__(self, redis_client: RedisClient, app: str) -> None:
        self._client = redis_client
        self._prefix = f"{{genrecast:{app}}}:taste:"

    def read(self, user_id: str, at_ms: int) -> Taste | None:
        """Return a user's taste at a moment; None when nothing is known of the user.

        Raises:
            StoreUnavailableError, StoreRefusedError: Redis is not there, or refuses us.
        """
        flat = self._client.run(_READ, [self._prefix + user_id], [])
        if not flat:
            return None
        found = {flat[i].decode(): float(flat[i + 1]) for i in range(0, len(flat), 2)}
        falling = sorted(found.items(), key=lambda pair: -pair[1])
        return Taste(user_id, at_ms, dict(falling))
