"""Requests per second and address: a bucket of tokens each."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

BURST_SECONDS: Final = 10.0
"""How many seconds' worth of requests may come at once: a page asks for several things."""

MOST_ADDRESSES: Final = 10_000
"""Addresses remembered; those not heard of for longest are forgotten first."""


@dataclass(slots=True)
class RequestRate:
    """Tokens of every address.

    Attributes:
        per_second: Tokens that an address gets per second; it has at most ten seconds' worth.
        monotonic: A clock, seconds.
    """

    per_second: float
    monotonic: Callable[[], float]
    _tokens: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait_seconds(self, address: str) -> float:
        """Take a token; return 0, or how long until there is one."""
        now, most = self.monotonic(), max(1.0, self.per_second * BURST_SECONDS)
        tokens, at = self._tokens.pop(address, (most, now))
        tokens = min(most, tokens + (now - at) * self.per_second)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self.per_second
        self._tokens[address] = (tokens if wait else tokens - 1, now)
        while len(self._tokens) > MOST_ADDRESSES:
            self._tokens.popitem(last=False)
        return wait
